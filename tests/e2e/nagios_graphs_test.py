"""The template for PNP4Nagios, run by PHP, and what it says drawn by rrdtool."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import unittest

from nagios_test import DEPLOY, NOBODY
from probe import ProbeCase, ScriptedServer, run

LACKING = [one for one in ("php", "rrdtool") if not shutil.which(one)]


# PNP4Nagios' own way with a template: the arrays by number from 1, no output, $def, $opt and $ds_name taken from it.
AS_PNP = """<?php
error_reporting(E_ALL);
set_error_handler(function ($number, $text) { fwrite(STDERR, "$text\\n"); exit(1); });
foreach (json_decode(file_get_contents($argv[1]), true) as $key => $values) {
    $$key = array();
    foreach ($values as $i => $value) { ${$key}[$i + 1] = $value; }
}
$hostname = "mx.test";
$servicedesc = "SMTP";
$def = $opt = $ds_name = false;
ob_start();
include $argv[2];
$output = ob_get_clean();
echo json_encode(array("def" => $def, "opt" => $opt, "ds_name" => $ds_name, "output" => $output));
"""


@unittest.skipIf(LACKING, f"not installed: {' '.join(LACKING)}")
class Graphs(ProbeCase):

    def graph(self, data):
        """The template's answer to this performance data, with a data base of some values for each label."""
        files, names = [], []
        for number, (label, value) in enumerate(re.findall(r"(\w+)=([\d.]+)", data)):
            path = self.folder / f"{number}_{label}.rrd"
            subprocess.run(["rrdtool", "create", path, "--start", "1000000000", "--step", "60",
                            "DS:1:GAUGE:120:U:U", "RRA:AVERAGE:0.5:1:100"], check=True, timeout=60)
            subprocess.run(["rrdtool", "update", path, *(f"{1000000000 + 60 * i}:{value}" for i in range(1, 60))],
                           check=True, timeout=60)
            files.append(str(path))
            names.append(label)
        limits = [(one.split(";") + ["", ""])[1:3] for one in data.split()]
        values = {"NAME": names, "LABEL": names, "RRDFILE": files, "DS": ["1"] * len(names),
                  "WARN": [one[0] for one in limits], "CRIT": [one[1] for one in limits],
                  "UNIT": ["s" if one.startswith("time") else "" for one in names]}
        given = self.file("given.json", json.dumps(values))
        done = subprocess.run(["php", self.file("as_pnp.php", AS_PNP), given,
                               DEPLOY / "pnp4nagios" / "templates" / "check_smtp_probe.php"],
                              capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        answer = json.loads(done.stdout)
        self.assertEqual(answer["output"].strip(), "")
        return answer

    def draw(self, answer, number):
        """By rrdtool's pipe, as PNP4Nagios does."""
        picture = self.folder / f"{number}.png"
        line = (f"graph {picture} --start 1000000000 --end 1000003600 "
                f"{answer['opt'][number]} {answer['def'][number]}\n")
        done = subprocess.run(["rrdtool", "-"], input=line, capture_output=True, text=True, timeout=60, check=False)
        self.assertRegex(done.stdout, r"(?m)^OK ", line)
        self.assertEqual(picture.read_bytes()[:8], b"\x89PNG\r\n\x1a\n")
        artifacts = pathlib.Path(os.environ["ARTIFACTS"])
        artifacts.mkdir(parents=True, exist_ok=True)
        shutil.copy(picture, artifacts / f"pnp4nagios-{number}.png")

    def test_steps_and_certificate(self):
        server = ScriptedServer("--mail")
        self.addCleanup(server.stop)
        data = run("-H", "127.0.0.1", "-p", server.ports["mail"], "-S", "-D", "21,7", "-w", "2", "-c", "@5:9", "-f", "",
                   "--to", "a@example.net", "--send").out.split("|")[1].strip()
        answer = self.graph(data)
        self.assertEqual(set(answer["def"]), {"1", "2"})
        steps = re.findall(r"time_(\w+)=", data)
        self.assertGreater(len(steps), 9)
        areas = re.findall(r'AREA:(\w+)#\w{6}:"[^"]+"(:STACK)?', answer["def"]["1"])
        self.assertEqual(areas, [(step, ":STACK" if number else "") for number, step in enumerate(steps)])
        self.assertEqual(re.findall(r"HRULE:([\d.]+)", answer["def"]["1"]), ["2.000000"])
        self.assertEqual(re.findall(r"HRULE:([\d.]+)", answer["def"]["2"]), ["21", "7"])
        for number in ("1", "2"):
            self.draw(answer, number)

    def test_refused(self):
        """Two values only, and no certificate."""
        data = run("-H", "127.0.0.1", "-p", NOBODY).out.split("|")[1].strip()
        answer = self.graph(data)
        self.assertEqual(set(answer["def"]), {"1"})
        self.draw(answer, "1")

    def test_every_step_has_a_colour(self):
        known = re.findall(r"'(\w+)' +=> '#", (DEPLOY / "pnp4nagios" / "templates" / "check_smtp_probe.php").read_text())
        steps = re.search(r"How deep to go before QUIT: ([^.]+)", " ".join(run("--help").out.split()))[1]
        wanted = set(re.findall(r"\w+", steps)) - {"or"} | {"resolve", "connect", "tls", "quit"}
        self.assertEqual(set(known), wanted)
        graph = (DEPLOY / "nagiosgraph" / "map").read_text()
        self.assertEqual(set(re.findall(r"time_(\w+)", re.search("plotasAREA = (.*)", graph)[1])), wanted)
