"""README.md and docs/*.md cannot lie: every command in them is run in a network where their names exist
(example_net.py), every configuration is given to the program that it is for, every link leads somewhere. What the info
string of a block means is in CONTRIBUTING.md."""

import dataclasses
import functools
import json
import pathlib
import re
import shutil
import stat
import tempfile
import unittest
import urllib.parse

import example_programs
import namespaces
from documents import ROOT, commands, compare, console_commands, everything, read, script_of
from example_configs import (ScrapingPrometheus, check_icinga2, check_ini, check_nagios, check_systemd, check_yaml,
                             file_named_in)
from example_net import ExampleNet

LACKING = namespaces.missing()
DOCUMENTS = everything()
# Documents that tell of an installation into /usr/local, beside the packages.
FROM_SOURCE = {"README.md", "docs/shell.md"}
CONFIGURATION = pathlib.Path("/etc/smtp-probe/smtp-probe.yml")
NET = None
COMMAND = re.compile(r"^\s*(?:[$#] |sudo |check_smtp|smtp_probe_exporter |curl |apt |systemctl |promtool )")


def setUpModule():
    global NET
    if LACKING:
        raise unittest.SkipTest(LACKING)
    NET = ExampleNet()
    unittest.addModuleCleanup(NET.close)


@functools.lru_cache
def prometheus():
    """Started by the first who wants it."""
    return ScrapingPrometheus(NET)


def shortened(text, lines=60):
    every = text.splitlines()
    return text if len(every) <= lines else "\n".join([*every[:10], "[...]", *every[10 - lines:]])


class Runner:
    """One document from its first block to its last, on a machine of its own."""

    def __init__(self, document):
        self.document = document
        self.before = {}  # info -> the blocks of that kind so far

    def run(self, block):
        """None, or what is wrong with the block."""
        handler = getattr(self, "on_" + block.info.replace("-", "_"), None)
        if handler is None:
            return "its info string is none of those in CONTRIBUTING.md"
        wrong = handler(block)
        path = file_named_in(block)
        if wrong is None and path:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text)
        self.before.setdefault(block.info, []).append(block)
        return wrong

    def on_sh(self, block):
        if ":9090" in block.text:
            prometheus()
        left_out = [pattern for pattern, _ in example_programs.ELSEWHERE]
        code, out = NET.bash(script_of(block.text, left_out))
        return None if code == 0 else f"exit code {code}:\n{out}"

    def on_console(self, block):
        if ":9090" in block.text:
            prometheus()
        for command, expected in console_commands(block.text):
            code, out = NET.bash("set -uo pipefail\n" + command + "\n")
            said = re.search(r"#.*?\bexits (\d+)\b", command)
            if code not in ((int(said[1]),) if said else (0, 1, 2)):
                return f"$ {command}\nexit code {code}:\n{out}"
            wrong = compare(expected, out)
            if wrong:
                return f"$ {command}\n{wrong}"
        return None

    def on_cron(self, block):
        """Each line's command is run; a line is `NAME=value`, or five fields, in /etc/cron.d a user, and the command."""
        for line in block.text.splitlines():
            match = re.match(r"(?:@\w+|(?:[-\d*/,]+\s+){5})\s*(?:(?:root|nagios|nobody|prometheus)\s+)?(.+)", line)
            if match:
                code, out = NET.bash(match[1].replace("\\%", "%"))
                if code != 0:
                    return f"{match[1]}\nexit code {code}:\n{out}"
            elif line.strip() and not re.match(r"#|\w+=", line):
                return f"no line of a crontab: {line}"
        return None

    def on_yaml(self, block):
        return check_yaml(block, NET, self.before.get("yaml", []))

    def on_ini(self, block):
        return check_ini(block, NET)

    def on_systemd(self, block):
        return check_systemd(block, NET)

    def on_nagios(self, block):
        return check_nagios(block, NET, self.before.get("nagios", []))

    def on_icinga2(self, block):
        return check_icinga2(block, NET, self.before.get("icinga2", []))

    def on_promql(self, block):
        return prometheus().check(block)

    def on_json(self, block):
        try:
            json.loads(block.text)
        except ValueError as error:
            return str(error)
        return None

    def on_text(self, block):
        found = [line for line in block.text.splitlines() if COMMAND.match(line)]
        return f"a command, which nobody runs: {found[0]}" if found else None


class Blocks(unittest.TestCase):
    """One test a document; see below."""


def blocks_test(document):
    def test(self):
        NET.fresh(from_source=document.name in FROM_SOURCE)
        runner = Runner(document)
        self.addCleanup(NET.leave)
        for block in document.blocks:
            with self.subTest(str(block)):
                wrong = runner.run(block)
                if wrong is not None:
                    self.fail(f"{block}\n{block.text}\n{shortened(wrong)}")
        # Of the exporter's user too, whatever another program's secrets beside it ask for.
        for one in (CONFIGURATION.parent, CONFIGURATION):
            self.assertTrue(one.stat().st_mode & stat.S_IROTH, f"{one} is not readable for everybody any more")
    test.__doc__ = document.name
    return test


for one in DOCUMENTS:
    setattr(Blocks, "test_" + re.sub(r"\W", "_", one.name), blocks_test(one))


class Text(unittest.TestCase):

    def test_links(self):
        anchors = {one.path: one.anchors for one in DOCUMENTS}
        for document in DOCUMENTS:
            for line, link in document.links:
                with self.subTest(f"{document.name}:{line}: {link}"):
                    parts = urllib.parse.urlsplit(link)
                    if parts.scheme in ("http", "https", "mailto"):
                        continue
                    self.assertEqual(parts.scheme, "")
                    path = (document.path.parent / urllib.parse.unquote(parts.path)).resolve() if parts.path else document.path
                    self.assertTrue(path.exists(), "no such file")
                    self.assertTrue(path.is_relative_to(ROOT), "outside the tree")
                    if parts.fragment and path in anchors:
                        self.assertIn(parts.fragment, anchors[path], "no such heading")

    def test_what_is_not_run(self):
        """Each says what runs the real thing; a file that it names is there, where a document needs it."""
        text = "\n".join(block.text for document in DOCUMENTS for block in document.blocks if block.info == "sh")
        every = [(rf"\b{shim.name}\b", shim.covered) for shim in example_programs.SHIMS]
        for pattern, covered in (*every, *example_programs.ELSEWHERE):
            self.assertTrue(covered)
            for word in re.findall(r"\b(?:tests|scripts|deploy)/[\w./-]*", covered):
                if re.search(pattern, text):
                    self.assertTrue((ROOT / word).exists(), f"{pattern}: {covered}")


class Recipes(unittest.TestCase):
    """docs/modules.md: the module and the options of a recipe do and judge the same."""

    def asked(self, command):
        code, out = NET.bash(command + " --output json")
        whole = json.loads(out)
        result = whole["results"][0]
        said = [line["text"] for line in result["transcript"] if line["who"] == "client"]
        said = [line for line in said if not re.match(r"(?:Date|Message-ID): ", line)]
        steps = [(one["step"], one["code"], one["reason"]) for one in result["steps"]]
        tls = result["tls"] or {}
        # Thresholds are told by the performance data alone.
        limits = re.findall(r"(\w+)=[^;|\s]+;(\S+)", NET.bash(command)[1].split("\n")[0].partition("|")[2])
        findings = [(one["state"], one["step"], one["reason"]) for one in whole["findings"]]
        return (code, limits, whole["state"], findings, steps, said, tls.get("verify"), tls.get("checked_name"))

    def test_modules_and_options_agree(self):
        document = read(ROOT / "docs" / "modules.md")
        NET.fresh()
        self.addCleanup(NET.leave)
        runner, pairs = Runner(document), 0
        for block in document.blocks:
            if block.info == "yaml":
                self.assertIsNone(runner.run(block))
            if block.info != "sh":
                continue
            every = [text.rpartition("  #")[0] or text for text, _ in commands(block.text)]
            file = re.compile(r"--config /etc/smtp-probe/(?!smtp-probe)")
            module = next((text for text in every if file.search(text)), None)
            if module is None:
                continue
            with self.subTest(str(block)):
                self.assertEqual(every.index(module), 1, "the options first, then the module")
                self.assertEqual(self.asked(every[0].rstrip()), self.asked(module.rstrip()))
            pairs += 1
        self.assertGreaterEqual(pairs, 14)


class Harness(unittest.TestCase):
    """That the tests above can fail."""

    def block(self, info, text):
        folder = pathlib.Path(tempfile.mkdtemp(dir=NET.folder))
        self.addCleanup(shutil.rmtree, folder)
        (folder / "made-up.md").write_text(f"```{info}\n{text}\n```\n")
        return dataclasses.replace(read(folder / "made-up.md").blocks[0], document=ROOT / "docs" / "made-up.md")

    def test_bad_blocks_fail(self):
        NET.fresh()
        self.addCleanup(NET.leave)
        bad = (
            ("", "true"), ("bash", "true"), ("sh", "no_such_program"), ("sh", "false"),
            ("sh", "check_smtp_probe --no-such-option mx.example.net"),
            ("sh", "check_smtp_probe -H down.example.net"), ("sh", "check_smtp_probe -H mx.example.net # exits 2"),
            ("sh", "check_smtp_probe -H expired.example.net -S --tls-verify require"),
            ("sh", "smtp_probe_exporter --no-such-flag"), ("sh", "curl -fsS http://localhost:9725/nothing"),
            ("sh", "ls /no/such/file"), ("sh", "sudo apt install ./no-such-package.deb"),
            ("console", "$ echo one\ntwo"), ("console", "$ echo one\none\ntwo"), ("console", "$ printf 'one\\ntwo\\n'\none"),
            ("console", "$ check_smtp_probe --explain 999\n…"), ("console", "$ no_such_program\n…"),
            ("yaml", "scrape_configs:\n  - job: smtp"), ("yaml", "modules:\n  mx: {unti: rcpt}"),
            ("yaml", "groups:\n  - name: x\n    rules: [{alert: y, expr: 'probe_success =='}]"),
            ("yaml", "basic_auth_user: {}"), ("yaml", "something: else"), ("yaml", "apiVersion: v1\nkind: Nothing"),
            ("ini", "[check_smtp_probe]\nno-such-option = 1"), ("ini", "[other]"), ("json", "{"),
            ("nagios", "define service {\n  use generic-service\n}"), ("nagios", "define command {\n  command_name x\n"),
            ("nagios", "define command {\n  command_name check_smtp\n  command_line /bin/true\n}"),  # Debian's
            ("icinga2", "object Nothing \"x\" {}"), ("icinga2", "object CheckCommand \"x\" {\n  comand = [ ]\n}"),
            ("systemd", "[Service]\nNoSuchKey=1"), ("cron", "* * * * * no_such_program"),
            ("text", "$ check_smtp_probe"), ("promql", "probe_success =="), ("promql", "probe_smtp_no_such_metric"),
        )
        runner = Runner(None)
        for info, text in bad:
            with self.subTest(info, text=text):
                self.assertIsNotNone(runner.run(self.block(info, text)))

    def test_good_blocks_pass(self):
        NET.fresh()
        self.addCleanup(NET.leave)
        good = (
            ("sh", "check_smtp_probe -H down.example.net   # exits 2: nobody listens\ntrue"),
            ("sh", "check_smtp_probe \\\n  -H expired.example.net -S --tls-verify require   # exits 2"),
            ("sh", "cat <<END\n# exits 2\nEND"),
            ("sh", "check_smtp_probe mx.example.net -S --tls-verify require -6"),
            ("sh", "check_smtp_probe lb.example.net --proxy-protocol v2 -f a@example.net --to b@example.net"),
            ("console", "$ printf 'took 0.123 s\\nmore\\nend\\n'\ntook 4.5 s\n…\nend"),
        )
        runner = Runner(None)
        for info, text in good:
            with self.subTest(info, text=text):
                self.assertIsNone(runner.run(self.block(info, text)))


if __name__ == "__main__":
    unittest.main()
