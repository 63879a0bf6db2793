"""deploy/icinga2 as a real Icinga 2 reads it: the CheckCommand beside the options of the check, the basket for the
Director beside the CheckCommand, and the zones in each role."""

import json
import pathlib
import re
import shutil
import subprocess
import unittest

from icinga2 import DEPLOY, FILES, Icinga2, command_of, includes, missing, templates_of
from probe import ProbeCase, run

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Options that are no matter for a CheckCommand: they probe nothing, or print what Icinga cannot read, or do nothing,
# or are another word for one that is there.
LEFT_OUT = {"help", "version", "explain", "output", "output-format", "exit-code", "watch", "list-modules", "sni", "ignore-quit-failure", "proxy"}
# Named as those of Icinga's own "smtp"; all others as the option.
RENAMED = {"hostname": "address", "use-ipv4": "ipv4", "use-ipv6": "ipv6"}


def options():
    """name -> (takes a value, is repeatable), of --help."""
    text = run("--help").out
    rows = re.findall(r"(?m)^  (?:-\w, )?--([\w-]+)(?:, --[\w-]+)*(?: (\S.*))?\n((?:      .+\n)+)", text)
    return {name: (bool(value), "Repeatable." in meaning) for name, value, meaning in rows}


@unittest.skipIf(missing(), missing())
class Configuration(ProbeCase):
    """What needs no running daemon."""

    def setUp(self):
        self.node = Icinga2()
        self.addCleanup(self.node.stop)

    def objects(self, text, node=None):
        code, said, objects = (node or self.node).validate(text)
        self.assertEqual(code, 0, said)
        self.assertNotRegex(said, r"(?m)^.*(warning|critical)/(?!ApplyRule)", said)
        return objects

    def test_a_variable_for_every_option(self):
        command = self.objects(includes(FILES[0]))["CheckCommand"]["smtp_probe"]
        arguments = command["arguments"]
        wanted = {name: kind for name, kind in options().items() if name not in LEFT_OUT}
        self.assertGreater(len(wanted), 40)
        self.assertEqual({f"--{name}" for name in wanted}, set(arguments))
        for name, (takes_value, repeatable) in wanted.items():
            with self.subTest(name):
                argument = arguments[f"--{name}"]
                macro = f"$smtp_probe_{RENAMED.get(name, name).replace('-', '_')}$"
                self.assertEqual(argument["value" if takes_value else "set_if"], macro)
                self.assertEqual("value" in argument, takes_value or name == "verbose")
                self.assertEqual(argument.get("repeat_key", False), repeatable and name != "verbose")
                self.assertGreater(len(argument["description"]), 10)
        self.assertEqual(command["command"], [f"{self.node.plugins}/check_smtp_probe"])

    def test_what_is_derived_is_up_to_date(self):
        done = subprocess.run([ROOT / "scripts" / "icinga2-derived.py", "--check"], capture_output=True, text=True,
                              timeout=60, check=False)
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))

    def test_the_guide_has_every_template(self):
        templates = re.findall(r'(?m)^template Service "([\w-]+)"', FILES[1].read_text())
        guide = (ROOT / "docs" / "icinga2.md").read_text()
        self.assertEqual(re.findall(r"(?m)^\| `(smtp-probe[\w-]*)` \|", guide), templates)

    def test_the_basket_says_what_the_configuration_says(self):
        """Read by Icinga itself, not by the script that wrote the basket."""
        basket = json.loads((DEPLOY / "director_basket.json").read_text())
        names = list(basket["ServiceTemplate"])
        uses = "".join(f'object Service "{name}" {{\n  import "{name}"\n  host_name = "h"\n}}\n' for name in names)
        objects = self.objects(includes(*FILES[:2]) + 'object Host "h" {\n  check_command = "dummy"\n}\n' + uses)
        mine = objects["CheckCommand"]["smtp_probe"]["arguments"]
        theirs = basket["Command"]["smtp_probe"]["arguments"]
        self.assertEqual(set(mine), set(theirs))
        for name in mine:
            for key in set(mine[name]) | set(theirs[name]):
                value = theirs[name][key]
                if isinstance(value, dict):  # a function, which Icinga does not show
                    self.assertEqual((value["type"], set(value)), ("Function", {"type", "body"}))
                else:
                    self.assertEqual(mine[name][key], value, name)
        for name in names:
            variables, attributes, chain = {}, {}, [name]
            while chain:
                one = basket["ServiceTemplate"][chain.pop()]
                variables = one["vars"] | variables
                attributes = {key: one[key] for key in ("check_command", "check_interval", "retry_interval",
                                                       "max_check_attempts") if one.get(key)} | attributes
                chain += one["imports"]
            service = objects["Service"][f"h!{name}"]
            self.assertEqual(service["vars"], variables, name)
            for key, value in attributes.items():
                self.assertEqual(str(service[key]), str(value), (name, key))
            self.assertEqual(len(attributes), 4, name)
        self.assert_fields(basket)

    def assert_fields(self, basket):
        fields = basket["Datafield"]
        variables = {field["varname"] for field in fields.values()}
        command = basket["Command"]["smtp_probe"]
        self.assertEqual(len(variables), len(fields))
        self.assertEqual(variables - {"smtp_probe_exchanger"},
                         set(re.findall(r"\$(smtp_probe_\w+)\$", json.dumps(command["arguments"]))))
        self.assertEqual({str(one["datafield_id"]) for kind in ("Command", "ServiceTemplate")
                          for each in basket[kind].values() for one in each["fields"]}, set(fields))
        uuids = [one["uuid"] for kind in basket.values() for one in kind.values()]
        self.assertEqual(len(uuids), len(set(uuids)))

    def test_the_basket_as_the_director_would_write_it(self):
        """Its command and templates as configuration again: Icinga takes them, functions too."""
        basket = json.loads((DEPLOY / "director_basket.json").read_text())
        self.objects(command_of(basket, "smtp_probe") + templates_of(basket) + 'object Host "h" {\n  check_command = "dummy"\n}\n' + "".join(
            f'object Service "{name}" {{\n  import "{name}"\n  host_name = "h"\n}}\n'
            for name in basket["ServiceTemplate"]))

    def host(self, variables):
        return includes(*FILES) + f'object Host "h" {{\n  check_command = "dummy"\n  {variables}\n}}\n'

    def test_a_key_that_is_no_option(self):
        for options, key in (("{ prot = 2525 }", "prot"), ("{ strttls = null }", "strttls"),
                             ('{ probe = "lmtp", smtp_probe_port = 24 }', "smtp_probe_port")):
            with self.subTest(options):
                code, said, _ = self.node.validate(self.host(f'vars.smtp["mail"] = {options}'))
                self.assertEqual(code, 1, said)
                self.assertIn(f'Error: vars.smtp["mail"] of host h: no option {key}\n', said)
        names = "".join(f"  {json.dumps(one.removeprefix('smtp_probe_'))} = null\n" for one in re.findall(
            r"(?m)^\| `(smtp_probe_\w+)`", (ROOT / "docs" / "icinga2.md").read_text()))
        self.assertEqual(set(self.objects(self.host(f'vars.smtp["mail"] = {{\n{names}}}'))["Service"]), {"h!mail"})
        # With the Director's command in the place of ours.
        basket = json.loads((DEPLOY / "director_basket.json").read_text())
        text = self.host(f'vars.smtp["mail"] = {{\n{names}}}').replace(includes(FILES[0]), command_of(basket, "smtp_probe"))
        self.assertEqual(set(self.objects(text)["Service"]), {"h!mail"})

    def test_no_warning_for_what_a_host_has_not(self):
        for variables, names in (('vars.smtp["mail"] = { }', {"h!mail"}),
                                 ('vars.smtp_exchangers = [ "mx.test" ]', {"h!smtp mx.test"})):
            text = self.host(variables) + 'object Host "i" {\n  check_command = "dummy"\n}\n'
            code, said, objects = self.node.validate(text)
            self.assertEqual((code, set(objects["Service"])), (0, names), said)
            self.assertNotIn("warning/", said)

    def node_of(self, role, name, zone):
        node = Icinga2(name, zone)
        self.addCleanup(node.stop)
        shutil.copytree(DEPLOY / "zones" / role, node.conf, dirs_exist_ok=True)
        return node

    def test_zones(self):
        master = self.node_of("master", "master.example.net", "master")
        shutil.copytree(DEPLOY / "zones" / "zones.d", master.conf / "zones.d")
        templates = master.conf / "zones.d" / "global-templates"
        templates.mkdir()
        for one in FILES:
            shutil.copy(one, templates)
        text = 'include "zones.conf"\nobject CheckerComponent "checker" { }\n'
        objects = self.objects(text, master)
        self.assertEqual({name: (one["zone"], one["command_endpoint"]) for name, one in objects["Service"].items()}, {
            "mx1.example.net!smtp": ("dmz", ""), "mx1.example.net!submission": ("dmz", ""),
            "mx2.example.net!smtp": ("dmz", ""), "mx2.example.net!lmtp": ("dmz", "mx2.example.net"),
            "example.net!smtp mx1.example.net": ("master", ""),
            "example.net!smtp mx2.example.net": ("master", ""), "smtp.example.net!no relay": ("master", "")})
        self.assertEqual(objects["CheckCommand"]["smtp_probe"]["zone"], "global-templates")
        # The other roles have zones.conf and what the master sends them.
        for role, name, zone in (("satellite", "satellite.example.net", "dmz"),
                                 ("agent", "mx2.example.net", "mx2.example.net")):
            node = self.node_of(role, name, zone)
            sent = node.conf / "sent"
            for one in ("global-templates", "dmz") if role == "satellite" else ("global-templates",):
                shutil.copytree(master.conf / "zones.d" / one, sent / one)
            theirs = self.objects('include "zones.conf"\ninclude_zones "sent", "sent"\n'
                                  'object CheckerComponent "checker" { }\n', node)
            self.assertIn("smtp_probe", theirs["CheckCommand"])
            zones = {name: one["parent"] for name, one in theirs["Zone"].items()}
            self.assertEqual({name: zones[name] for name in set(zones) & {"dmz", "mx2.example.net"}},
                             {"dmz": "master" if role == "satellite" else "", "mx2.example.net": "dmz"})
            if role == "satellite":
                self.assertEqual(set(theirs["Service"]), {name for name in objects["Service"]
                                                          if name.startswith("mx")})
            else:
                self.assertEqual(set(theirs) & {"Service", "Host"}, set())
