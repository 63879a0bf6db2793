"""deploy/nagios in a real Nagios 4: its own commands, and Debian's for check_smtp over our check under that name. State,
text, long output and performance data have to arrive in status.dat as the check gave them, and nagiosgraph's map gets
what Nagios hands on."""

import grp
import json
import os
import pathlib
import pwd
import re
import shlex
import shutil
import subprocess
import unittest

import peers
from probe import (CHECK, CRITICAL, OK, UNKNOWN, WARNING, ProbeCase, ScriptedServer, run,
                   without_times)

DEPLOY = pathlib.Path(__file__).resolve().parents[2] / "deploy" / "nagios"
TRANSCRIPTS = pathlib.Path(os.environ["TRANSCRIPTS"])
NAMES = ("plain", "implicit-tls", "lmtp", "commands", "silence-at-banner", "starttls-not-offered", "pipe-and-markup")
MAIL_CFG = pathlib.Path("/etc/nagios-plugins/config/mail.cfg")
OBJECTS = pathlib.Path("/etc/nagios4/objects")
PATIENCE = 60
NOBODY = 1  # a port on which nobody listens


def missing(*programs):
    lacking = [one for one in programs if not shutil.which(one, path="/usr/sbin:/usr/bin")]
    lacking += [str(one) for one in (MAIL_CFG, OBJECTS) if not one.exists()]
    return f"not installed: {' '.join(lacking)}" if lacking else None


def commands(text):
    """name -> command line, of a configuration."""
    found = re.findall(r"command_name\s+(\S+)\s+command_line\s+(.*)", text)
    return {name: line.strip() for name, line in found}


def blocks(text, kind):
    """The blocks of status.dat of that kind, as dictionaries."""
    found = []
    for body in re.findall(rf"(?ms)^{kind} \{{\n(.*?)^\t\}}", text):
        found.append(dict(line.strip().split("=", 1) for line in body.splitlines()))
    return found


class Nagios:
    """In a folder of its own, every interval a second long, checks right after the start."""

    def __init__(self, folder, objects):
        self.folder = folder
        self.plugins = folder / "plugins"
        for one in ("plugins", "spool", "objects", "archives"):
            (folder / one).mkdir()
        user = pwd.getpwuid(os.geteuid())
        for name, text in objects.items():
            (folder / "objects" / name).write_text(text)
        (folder / "resource.cfg").write_text(f"$USER1$={self.plugins}\n")
        self.perfdata = folder / "perfdata"
        (folder / "nagios.cfg").write_text("\n".join((
            f"cfg_dir={folder}/objects", f"resource_file={folder}/resource.cfg", f"log_file={folder}/nagios.log",
            f"log_archive_path={folder}/archives", f"object_cache_file={folder}/objects.cache",
            f"precached_object_file={folder}/objects.precache", f"status_file={folder}/status.dat",
            f"state_retention_file={folder}/retention.dat", f"lock_file={folder}/nagios.pid",
            f"temp_file={folder}/nagios.tmp", f"temp_path={folder}", f"check_result_path={folder}/spool",
            f"command_file={folder}/nagios.cmd", f"query_socket={folder}/nagios.qh", "check_external_commands=0",
            f"nagios_user={user.pw_name}", f"nagios_group={grp.getgrgid(user.pw_gid).gr_name}",
            "interval_length=1", "status_update_interval=1", "check_result_reaper_frequency=1", "use_syslog=0",
            "service_inter_check_delay_method=n", "host_inter_check_delay_method=n", "max_service_check_spread=1",
            "enable_notifications=0", "check_for_updates=0", "execute_host_checks=0", "retain_state_information=0",
            # What nagiosgraph is given.
            "process_performance_data=1", f"service_perfdata_file={self.perfdata}", "service_perfdata_file_mode=a",
            "service_perfdata_file_template=$LASTSERVICECHECK$||$HOSTNAME$||$SERVICEDESC$||$SERVICEOUTPUT$||"
            "$SERVICEPERFDATA$", "illegal_macro_output_chars=`~$&|'\"<>", "service_check_timeout=60",
            "allow_empty_hostgroup_assignment=0", "")))
        self.process = None

    def verify(self):
        done = subprocess.run(["nagios4", "-v", self.folder / "nagios.cfg"], capture_output=True, text=True,
                              timeout=PATIENCE, check=False)
        return done.returncode, done.stdout + done.stderr

    def start(self):
        self.process = subprocess.Popen(["nagios4", self.folder / "nagios.cfg"], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def services(self):
        """(host, service) -> its status."""
        status = self.folder / "status.dat"
        text = status.read_text(errors="surrogateescape") if status.exists() else ""
        return {(one["host_name"], one["service_description"]): one for one in blocks(text, "servicestatus")}

    def log(self):
        log = self.folder / "nagios.log"
        return log.read_text(errors="replace") if log.exists() else ""

    def stop(self):
        if self.process is not None:
            peers.end(self.process)


def distribution():
    """What Debian's Nagios has beside our files."""
    return {name: (OBJECTS / name).read_text() for name in ("templates.cfg", "contacts.cfg", "timeperiods.cfg",
                                                            "commands.cfg")}


@unittest.skipIf(missing("nagios4"), missing("nagios4"))
class Configuration(ProbeCase):

    def test_our_files(self):
        objects = {one.name: one.read_text() for one in DEPLOY.glob("*.cfg")}
        self.assertEqual(len(objects), 2)
        folder = self.folder / "verified"
        folder.mkdir()
        plugins = {f"debian-{one.name}": one.read_text() for one in MAIL_CFG.parent.glob("*.cfg")}
        nagios = Nagios(folder, distribution() | plugins | objects)
        code, said = nagios.verify()
        self.assertEqual(code, 0, said)
        self.assertRegex(said, r"Total Warnings: 0\nTotal Errors:   0")
        self.assertRegex(said, r"Checked 7 services")

    def test_every_command_is_shown(self):
        """Those of the commands file are, but for the two for options of one's own, in the sample."""
        defined = commands((DEPLOY / "smtp_probe_commands.cfg").read_text())
        used = set(re.findall(r"check_command\s+(\w+)", (DEPLOY / "smtp_probe_services.cfg").read_text()))
        self.assertEqual(set(defined) - used, {"check_smtp_probe", "check_smtp_probe_target"})
        self.assertLessEqual(used, set(defined))
        guide = (DEPLOY.parents[1] / "docs" / "nagios.md").read_text()
        self.assertEqual(set(re.findall(r"(?m)^\| `(check_smtp_probe\w*)` \|", guide)), set(defined))


@unittest.skipIf(missing("nagios4"), missing("nagios4"))
class Checks(ProbeCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = ScriptedServer("--mail", *(TRANSCRIPTS / f"{name}.txt" for name in NAMES))
        cls.addClassCleanup(cls.server.stop)
        cls.secret = cls.folder / "password"
        cls.secret.write_text("secret\n")
        cls.rows = cls.own() | cls.debian()
        folder = cls.folder / "nagios"
        folder.mkdir()
        cls.nagios = Nagios(folder, {})
        ours = (DEPLOY / "smtp_probe_commands.cfg").read_text()
        mail = MAIL_CFG.read_text().replace("/usr/lib/nagios/plugins/", f"{cls.nagios.plugins}/")
        cls.commands = commands(ours) | commands(mail)
        services = "define host {\n  use generic-host\n  host_name mx.test\n  address 127.0.0.1\n" \
                   "  max_check_attempts 1\n}\n"
        for name, (command, _, _) in cls.rows.items():
            services += f"define service {{\n  use generic-service\n  host_name mx.test\n  service_description {name}\n" \
                        f"  check_command {command}\n  check_interval 3600\n  max_check_attempts 1\n}}\n"
        for name, text in (distribution() | {"ours.cfg": ours, "mail.cfg": mail, "services.cfg": services}).items():
            (folder / "objects" / name).write_text(text)
        for one in ("check_smtp_probe", "check_smtp"):
            (cls.nagios.plugins / one).symlink_to(CHECK)
        cls.addClassCleanup(cls.nagios.stop)
        code, said = cls.nagios.verify()
        if code != 0:
            raise RuntimeError(said)
        cls.nagios.start()
        cls.services = cls.checked()

    @classmethod
    def checked(cls):
        def all_of_them():
            services = cls.nagios.services()
            done = sum(one["has_been_checked"] == "1" for one in services.values())
            return services if done == len(cls.rows) else None
        try:
            return peers.wait_until(all_of_them, "not all services were checked", PATIENCE)
        except TimeoutError as error:
            raise RuntimeError(f"{error}: {cls.nagios.log()}") from None

    @classmethod
    def own(cls):
        """name -> command with its arguments, state, what the text must match. With our commands."""
        port = cls.server.ports
        options = f"-F probe.test -p {port['mail']}"
        trust = f"--tls-name mx.test --ca-file {cls.server.certificates}/ca.pem -D 1"
        return {
            "ok": (f"check_smtp_probe!-F probe.test -p {port['plain']}", OK, "SMTP OK - .*250 at ehlo"),
            "warning": (f"check_smtp_probe!{options} -f '' --to grey@example.net", WARNING,
                        r"SMTP WARNING - rcpt: 450 4\.7\.1 .*greylisted"),
            "critical": (f"check_smtp_probe!{options} -f '' --to unknown@example.net -v", CRITICAL,
                         r"SMTP CRITICAL - rcpt: 550 5\.1\.1 <unknown@example\.net>"),
            "refused": (f"check_smtp_probe!-p {NOBODY}", CRITICAL, "SMTP CRITICAL - connect: connection refused"),
            "bad value": ("check_smtp_probe!-p x", UNKNOWN, "SMTP UNKNOWN - --port: got .x., expected 1 to 65535"),
            "thresholds": (f"check_smtp_probe!{options} -f '' --to a@example.net -S -w 20 -c 50 --step-warning rcpt=10"
                           " --step-critical rcpt=@60:90", OK, "SMTP OK - "),
            "commands": (f"check_smtp_probe!-F probe.test -p {port['commands']} -C HELP -R '^214' -C 'VRFY <root>'"
                         " -R '^252.*$$'", OK, "SMTP OK - "),
            "markup": (f"check_smtp_probe!-F probe.test -p {port['pipe-and-markup']} -f a@b.test --to c@d.test", CRITICAL,
                       r"SMTP CRITICAL - rcpt: 550 5\.7\.1"),
            "transcript": (f"check_smtp_probe!-F probe.test -p {port['plain']} -vv", OK, "SMTP OK - "),
            "timeout": (f"check_smtp_probe!-p {port['silence-at-banner']} -t 1:unknown", UNKNOWN,
                        "SMTP UNKNOWN - banner: "),
            "target": (f"check_smtp_probe_target!smtp://127.0.0.1:{port['plain']}!-F probe.test", OK, "SMTP OK - "),
            "mta": (f"check_smtp_probe_mta!{options} {trust}", OK, r"SMTP OK - .*TLSv1\."),
            "recipient": (f"check_smtp_probe_recipient!!a@example.net!{options} {trust}", OK, "SMTP OK - .*250 at rcpt"),
            "submission": (f"check_smtp_probe_submission!probe!{cls.secret}!-p {port['mail']} {trust}", OK,
                           "SMTP OK - .*235 at auth"),
            "no secret": (f"check_smtp_probe_submission!probe!{cls.folder}/none", UNKNOWN,
                          "SMTP UNKNOWN - --authpass-file: .*/none"),
            "submissions": (f"check_smtp_probe_submissions!-F probe.test -p {port['implicit-tls']} {trust}", OK,
                            "SMTP OK - "),
            "lmtp": (f"check_smtp_probe_lmtp!-F probe.test -p {port['lmtp']}", OK, "SMTP OK - "),
            "exchanger": (f"check_smtp_probe_exchanger!127.0.0.1!{options} {trust}", OK, r"SMTP OK - .*TLSv1\."),
            "no exchanger": ("check_smtp_probe_exchanger!no-such.invalid!-t 2", UNKNOWN, "SMTP UNKNOWN - "),
            "refuses": (f"check_smtp_probe_no_relay!a@example.net!unknown@example.net!{options}", OK, "SMTP OK - "),
            "relays": (f"check_smtp_probe_no_relay!a@example.net!b@example.net!{options}", CRITICAL,
                       "SMTP CRITICAL - rcpt: 250"),
        }

    @classmethod
    def debian(cls):
        """The same with the definitions of Debian's package, which take one word."""
        port = cls.server.ports
        return {
            "debian ok": (f"check_smtp!-p{port['mail']}", OK, "SMTP OK - .*response time"),
            "debian ipv4": (f"check_smtp_4!-p{port['mail']}", OK, "SMTP OK - .*response time"),
            "debian no argument": ("check_smtp", None, "."),
            "debian refused": (f"check_smtp!-p{NOBODY}", CRITICAL,
                               f"connect to address 127.0.0.1 and port {NOBODY}: Connection refused"),
            "debian bad value": ("check_smtp!-px", UNKNOWN, "check_smtp: --port: got .x., expected 1 to 65535"),
        }

    def test_states_and_texts(self):
        for name, (_, state, pattern) in self.rows.items():
            with self.subTest(name):
                service = self.services["mx.test", name]
                if state is not None:
                    self.assertEqual(int(service["current_state"]), state, service["plugin_output"])
                self.assertRegex(service["plugin_output"], "^" + pattern)

    def direct(self, name):
        """The command line that Nagios made, run without it."""
        command, *arguments = self.rows[name][0].split("!")
        line = self.commands[command]
        macros = {"USER1": str(self.nagios.plugins), "HOSTADDRESS": "127.0.0.1", "HOSTNAME": "mx.test"}
        macros |= {f"ARG{number}": "" for number in range(1, 10)}
        macros |= {f"ARG{number}": one.replace("$$", "$") for number, one in enumerate(arguments, 1)}
        words = shlex.split(re.sub(r"\$(\w+)\$", lambda found: macros[found[1]], line))
        return run(*words[1:], program=words[0])

    def test_all_of_it_arrives(self):
        for name in self.rows:
            with self.subTest(name):
                service = self.services["mx.test", name]
                mine = self.direct(name)
                self.assertEqual(int(service["current_state"]), mine.code)
                lines, data = [], []
                for line in mine.out.splitlines():
                    text, _, after = line.partition("|")
                    lines.append(text)
                    data += after.split()
                # Nagios makes a colon of every semicolon of the first line.
                self.assertEqual(without_times(service["plugin_output"]), without_times(lines[0].replace(";", ":")))
                long = service["long_plugin_output"].replace("\\n", "\n")
                self.assertEqual(without_times(long), without_times("\n".join(lines[1:])))
                self.assertEqual(without_times(service["performance_data"]), without_times(" ".join(data)))

    def test_long_output_and_thresholds(self):
        table = self.services["mx.test", "critical"]["long_plugin_output"].split("\\n")
        self.assertRegex(table[0], r"^step +code +status +seconds +text$")
        self.assertIn("C: EHLO probe.test", self.services["mx.test", "transcript"]["long_plugin_output"])
        self.assertEqual(self.services["mx.test", "ok"]["long_plugin_output"], "")
        data = self.services["mx.test", "thresholds"]["performance_data"]
        self.assertRegex(data, r"^time=\d\.\d{6}s;20\.000000;50\.000000;0\.000000 ")
        self.assertRegex(data, r" time_rcpt=\d\.\d{6}s;10\.000000;@60:90;0\.000000 ")
        self.assertRegex(data, r" cert_days_left=36[45]$")
        for name in ("bad value", "no secret", "debian bad value"):
            self.assertEqual(self.services["mx.test", name]["performance_data"], "")

    def handed_on(self):
        """service -> the line for nagiosgraph, from the file that Nagios wrote for it."""
        def whole():
            lines = self.nagios.perfdata.read_text().splitlines() if self.nagios.perfdata.exists() else []
            found = {line.split("||")[2]: line.split("||") for line in lines if line.count("||") == 4}
            return found if {"thresholds", "refused", "ok"} <= set(found) else None
        return peers.wait_until(whole, "no performance data file", PATIENCE)

    def test_nagiosgraph(self):
        """The map's entry, called as nagiosgraph does: in a sub, with @s to be filled."""
        rules = (DEPLOY / "nagiosgraph" / "map").read_text()
        script = self.file("map.pl", "use strict; use warnings; use JSON::PP;\nsub evalrules { $_ = $_[0];\n"
                                     f"my ($d, @s) = ($_);\nno strict 'subs';\n{rules}\nuse strict 'subs';\n"
                                     "return @s; }\nlocal $/; print encode_json([evalrules(<STDIN>)]);\n")
        for service in ("thresholds", "refused", "ok"):
            time, host, description, output, data = self.handed_on()[service]
            text = f"hostname:{host}\nservicedesc:{description}\noutput:{output}\nperfdata:{data}"
            done = subprocess.run(["perl", script], input=text, capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            wanted = re.findall(r"(\w+)=([\d.]+)", self.services["mx.test", service]["performance_data"])
            self.assertEqual([(base, values) for base, values in json.loads(done.stdout)],
                             [(label, [label, "GAUGE", value]) for label, value in wanted])
        # Not ours: check_http's.
        done = subprocess.run(["perl", script], input="output:HTTP OK\nperfdata:time=0.006s;;;0.000 size=263B;;;0",
                              capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "[]", ""))
