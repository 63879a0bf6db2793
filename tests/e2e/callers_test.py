"""The command lines of those who call check_smtp, as they call it: Debian's definitions, mailcow, Checkmk, Centreon,
NRPE, negate, check_v46 and Icinga. Ours under that name answers, and the distribution's own check_smtp says which state
it was."""

import os
import pathlib
import re
import shlex
import shutil
import unittest

import dropin_server
import namespaces
import peers
from dropin_pairs import THEIRS
from dropin_server import AUTH, TLS, Server
from probe import CHECK, CRITICAL, OK, UNKNOWN, WARNING, ProbeCase, environment, run

NEGATE = "/usr/lib/nagios/plugins/negate"
MAIL_CFG = pathlib.Path("/etc/nagios-plugins/config/mail.cfg")
ITL = pathlib.Path("/usr/share/icinga2/include/command-plugins.conf")
NO_TLS = "WARNING - TLS not supported by server$"
REFUSED_25 = r"connect to address 127\.0\.0\.1 and port 25: Connection refused$"
FINE = r"SMTP OK - \d+\.\d{3} sec\. response time"
GOOD_CERTIFICATE = r"OK - Certificate 'mx\.test' will expire on \w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4} \+0000\.$"
# What Checkmk and Icinga can all ask for at once.
EVERYTHING = TLS | AUTH | {"banner": "220 expect", "EHLO": "250-mx.test\n250-STARTTLS\n250 AUTH LOGIN",
                           "CMDA": "250 rspa", "CMDB": "250 rspb"}
NOBODY = 65534
postfix = dovecot = None


def setUpModule():
    global postfix, dovecot
    lacking = peers.missing("postfix", "dovecot") or namespaces.missing()
    lacking = lacking or next((f"not installed: {path}" for path in (THEIRS, NEGATE, MAIL_CFG, ITL)
                               if not os.path.exists(path)), None)
    if lacking:
        raise unittest.SkipTest(lacking)
    dovecot = peers.Dovecot()
    unittest.addModuleCleanup(dovecot.stop)
    postfix = peers.Postfix(dovecot.sasl_socket)
    unittest.addModuleCleanup(postfix.stop)


class CallerCase(ProbeCase):
    """`call` runs a line that names CHECK_SMTP as a monitoring system does, by the shell."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.certificates = peers.write_certificates(cls.folder / "certificates")

    def server(self, changes, port=0):
        one = Server(changes, self.certificates, port)
        self.addCleanup(one.stop)
        return one

    def call(self, line, code, first, theirs=None, **how):
        """Ours exits with `code` and begins as `first` has it; check_smtp exits with the same, or with `theirs`."""
        with self.subTest(line):
            old = run("-c", line.replace("CHECK_SMTP", THEIRS), program="/bin/sh", **how)
            self.assertEqual(old.code, code if theirs is None else theirs, old.out + old.err)
            return self.call_ours(line, code, first, **how)

    def call_ours(self, line, code, first, **how):
        outcome = run("-c", line.replace("CHECK_SMTP", str(self.compatible)), program="/bin/sh", **how)
        self.assertEqual(outcome.err, "", outcome.out)
        self.assertEqual(outcome.code, code, outcome.out)
        self.assertRegex(outcome.text, f"^(?:{first})")
        if "TLS not supported" not in outcome.text and not outcome.text.startswith("check_smtp: "):
            self.assertRegex(outcome.out, r"\|time=\d+\.\d{6}s;[^;\s]*;[^;\s]*;0\.000000 ")
        return outcome


class Debian(CallerCase):
    """/etc/nagios-plugins/config/mail.cfg as it is installed."""

    @staticmethod
    def commands():
        text = "\n".join(line for line in MAIL_CFG.read_text().splitlines() if not line.startswith("#"))
        found = {}
        for body in re.findall(r"define command\s*\{(.*?)\}", text, re.S):
            settings = dict(line.split(None, 1) for line in body.strip().splitlines())
            if "/check_smtp " in settings["command_line"]:
                found[settings["command_name"]] = settings["command_line"].strip()
        return found

    @classmethod
    def line(cls, name, argument, address="127.0.0.1"):
        line = cls.commands()[name].replace("$HOSTADDRESS$", address).replace("$ARG1$", argument)
        return line.replace("/usr/lib/nagios/plugins/check_smtp", "CHECK_SMTP")

    def test_which_there_are(self):
        self.assertEqual(list(self.commands()), ["check_smtp", "check_smtp_4"])

    def test_a_port(self):
        for name in self.commands():
            self.call(self.line(name, f"-p{postfix.ports['starttls']}"), OK, FINE)
            self.call(self.line(name, f"-p{postfix.ports['banner554']}"), WARNING,
                      r"SMTP WARNING - banner: 554 5\.7\.1 ")
            self.call(self.line(name, f"-p{peers.closed_port()}"), CRITICAL,
                      r"connect to address 127\.0\.0\.1 and port \d+: Connection refused$")

    def test_at_port_25(self):
        for changes, argument, code, first in (
                ({}, "", OK, FINE), (TLS, "", OK, FINE), (TLS, "-S", OK, FINE + r", 250 at ehlo_tls, TLSv1\.3$"),
                ({}, "-S", WARNING, NO_TLS)):
            with namespaces.own_network():
                server = Server(changes, self.certificates, 25)
                try:
                    for name in self.commands():
                        self.call(self.line(name, argument), code, first)
                finally:
                    server.stop()

    def test_nobody_at_port_25(self):
        with namespaces.own_network():
            for name in self.commands():
                self.call(self.line(name, ""), CRITICAL, REFUSED_25)
                self.call(self.line(name, "-S"), CRITICAL, REFUSED_25)
                self.call(self.line(name, "", "mx.invalid"), UNKNOWN,
                          r"check_smtp: Invalid hostname/address - mx\.invalid$")

    def test_without_an_address(self):
        self.call(self.line("check_smtp", "", ""), UNKNOWN, "check_smtp: --hostname: empty, expected ")

    def test_two_words_in_one_argument(self):
        """In Debian's quotes '-p 587' is one word: to getopt -p and its value, with a blank that no number minds."""
        self.call(self.line("check_smtp", f"-p {postfix.ports['starttls']}"), OK, FINE)
        self.call(self.line("check_smtp", f"-S -p {postfix.ports['starttls']}"), UNKNOWN,
                  r"check_smtp: -S: more options in the same word, expected a word for each; are there quotes around "
                  r"\$ARG1\$\?$")


class Mailcow(CallerCase):
    """Its watchdog adds the exit codes up."""

    def test_a_whole_message(self):
        line = ('CHECK_SMTP -4 -H 127.0.0.1 -p {} -f "watchdog@invalid" -C "RCPT TO:watchdog@localhost" -C DATA -C . '
                '-R 250')
        self.call(line.format(postfix.ports["starttls"]), OK, FINE)
        self.call(line.format(postfix.ports["reject"]), WARNING,
                  r"SMTP WARNING - Invalid response '550 5\.1\.1 .*' to command 'RCPT TO:watchdog@localhost'")
        self.call(line.format(postfix.ports["defer"]), WARNING, r"SMTP WARNING - Invalid response '450 4\.7\.1 ")
        self.call(line.format(postfix.ports["mail530"]), CRITICAL, r"SMTP CRITICAL - mail: 530 5\.7\.0 ",
                  theirs=WARNING)

    def test_starttls(self):
        line = "CHECK_SMTP -4 -H 127.0.0.1 -p {} -S"
        self.call(line.format(postfix.ports["starttls"]), OK, FINE + r", 250 at ehlo_tls, TLSv1\.3$")
        self.call(line.format(postfix.ports["clear"]), WARNING, NO_TLS)

    def test_certificate(self):
        line = "CHECK_SMTP -H 127.0.0.1 -p {} -4 -S -D {}"
        self.call(line.format(postfix.ports["starttls"], 7), OK, GOOD_CERTIFICATE)
        self.call(line.format(postfix.ports["starttls"], 500), WARNING,
                  r"WARNING - Certificate 'mx\.test' expires in 36\d day\(s\) \(")

    def test_lmtp(self):
        line = ('CHECK_SMTP -4 -H 127.0.0.1 -p {} -f "watchdog@invalid" -C "RCPT TO:<{}>" -L -R "User doesn\'t exist"')
        self.call(line.format(dovecot.lmtp_port, "watchdog@invalid"), OK, FINE + ", 550 at command$")
        self.call(line.format(dovecot.lmtp_port, "probe@example.test"), WARNING,
                  r"SMTP WARNING - Invalid response '250 2\.1\.5 .*' to command 'RCPT TO:<probe@example\.test>'")


class Checkmk(CallerCase):

    LINE = ("CHECK_SMTP -e expect -p {} -C cmda -C cmdb -R rspa -R rspb -f home -w 23.0000 -c 42.0000 -t 110 -A LOGIN -U me "
            "-P PASSWORD -S -F at.home.world -D 42,23 {}")

    def test_all_at_once(self):
        server = self.server(EVERYTHING)
        outcome = self.call(self.LINE.format(server.port, "-4 -H 127.0.0.1"), OK, GOOD_CERTIFICATE)
        self.assertRegex(outcome.perfdata["time"], r"^\d+\.\d{6}s;23\.000000;42\.000000;0\.000000$")
        self.assertIn("AUTH", server.said)
        self.assertEqual(server.said[-6:], ["EHLO", "AUTH", "MAIL", "CMDA", "CMDB", "QUIT"])
        six = self.server(EVERYTHING | {"address": "::1"})
        self.call(self.LINE.format(six.port, "-6 -H ::1"), OK, GOOD_CERTIFICATE)

    def test_one_that_is_wrong(self):
        """check_smtp ends with the certificate and sees none of it."""
        for change, code, first in (
                ({"banner": "220 other"}, WARNING, "SMTP WARNING - banner: 220 other "),
                ({"CMDB": "250 else"}, WARNING, "SMTP WARNING - Invalid response '250 else' to command 'cmdb'"),
                ({"secret": "535 5.7.8 No"}, CRITICAL, r"SMTP CRITICAL - auth: 535 5\.7\.8 No "),
                ({"MAIL": "451 4.3.0 Milter"}, CRITICAL, r"SMTP CRITICAL - mail: 451 4\.3\.0 Milter")):
            server = self.server(EVERYTHING | change)
            self.call(self.LINE.format(server.port, "-4 -H 127.0.0.1"), code, first, theirs=OK)
        expired = self.server(EVERYTHING | {"certificate": "expiring"})
        self.call(self.LINE.format(expired.port, "-4 -H 127.0.0.1"), CRITICAL,
                  r"CRITICAL - Certificate 'mx\.test' expires in 5 day")


class Splitting(CallerCase):
    """Nagios XI, Centreon, LQL: the shell splits $ARG1$."""

    def test_arguments(self):
        line = "CHECK_SMTP -H 127.0.0.1 {}"
        port = postfix.ports["starttls"]
        self.call(line.format(f"-p {port}"), OK, FINE)
        self.call(line.format(f"-p {port} -S -f 'a@b.test' -w 5 -c 10"), OK, FINE)
        self.call(line.format(f"-w 5 -c 10 -p {port}"), OK, FINE)
        rcpt = "-f a@b.test -C 'RCPT TO:<u@example.test>' -R ^250"
        self.call(line.format(f"-p {postfix.ports['slow']} -w 1 -c 60 {rcpt}"), WARNING,
                  r"SMTP WARNING - [23]\.\d{3} sec\. response time, command: ")
        self.call(line.format(f"-p {postfix.ports['mail530']} -f a@b.test"), CRITICAL,
                  r"SMTP CRITICAL - mail: 530 5\.7\.0 ", theirs=OK)
        self.call(line.format(f"-p {port} -w -c 10"), UNKNOWN, "check_smtp: --warning: got \"-c\", wanted a range ")


class Nrpe(CallerCase):

    ENVIRONMENT = {"PATH": "/usr/bin:/bin", "NRPE_MULTILINESUPPORT": "1", "NRPE_PROGRAMVERSION": "4.1.0"}
    LINE = "CHECK_SMTP -H localhost -t 3"

    def test_the_sample(self):
        with namespaces.own_network():
            self.call(self.LINE, CRITICAL, "connect to address localhost and port 25: Connection refused$",
                      env=self.ENVIRONMENT)
            server = Server({}, self.certificates, 25)
            try:
                outcome = self.call(self.LINE, OK, FINE, env=self.ENVIRONMENT)
                self.assertLess(len(outcome.out), 1024)  # of older NRPEs one packet
            finally:
                server.stop()

    def test_wrong_ones(self):
        for line, words in ((self.LINE + " --frobnicate", "--frobnicate: unknown option"),
                            (self.LINE + " -w", "--warning: needs a value"),
                            ("CHECK_SMTP -H '' -t 3", "--hostname: empty, expected ")):
            outcome = self.call(line, UNKNOWN, "check_smtp: " + re.escape(words), env=self.ENVIRONMENT)
            self.assert_usage_error(outcome, words)


class Negate(CallerCase):

    def test_states(self):
        fine = f"CHECK_SMTP -H 127.0.0.1 -p {postfix.ports['clear']}"
        nobody = f"CHECK_SMTP -H 127.0.0.1 -p {peers.closed_port()}"
        refused = self.server(TLS | {"STARTTLS": "454 4.7.0 Not now"})
        for words, line, code, first in (
                ("", fine, CRITICAL, FINE),
                ("-s", fine, CRITICAL, r"SMTP CRITICAL - \d+\.\d{3} sec\. response time"),
                ("", nobody, OK, "connect to address "),
                ("-s -o WARNING", fine, WARNING, r"SMTP WARNING - \d+\.\d{3} sec\. response time"),
                ("-s -w OK", fine + " -S", OK, "OK - TLS not supported by server$"),
                ("-s -w CRITICAL", fine + " -S", CRITICAL, "CRITICAL - TLS not supported by server$"),
                ("-s -c UNKNOWN", f"CHECK_SMTP -H 127.0.0.1 -p {refused.port} -S", UNKNOWN,
                 r"SMTP UNKNOWN - starttls: 454 4\.7\.0 "),
                ("-s -u CRITICAL", fine + " --frobnicate", CRITICAL, "check_smtp: --frobnicate: unknown option$"),
                # check_smtp looks at no reply to HELO: to negate that is UNKNOWN where it should be OK.
                ("-s -o UNKNOWN -u OK", f"CHECK_SMTP -H 127.0.0.1 -p {postfix.ports['ehlo']} -F probe.test", OK,
                 r"SMTP OK - ehlo: 550 5\.7\.1 ")):
            theirs = UNKNOWN if "-o UNKNOWN" in words else None
            self.call(f"{NEGATE} -t 30 {words} {line}", code, first, theirs)


class BothFamilies(CallerCase):

    def test_check_v46(self):
        """It calls its check with -4 and with -6, and -H with what it found."""
        four, six = self.server({}), self.server({"address": "::1"})
        for family, address, port in (("-4", "127.0.0.1", four.port), ("-6", "::1", six.port)):
            self.call(f"CHECK_SMTP {family} -H {address} -p {port} -w 5", OK, FINE)
            self.call(f"CHECK_SMTP -p {port} -w 5 -H {address} {family}", OK, FINE)
        self.call(f"CHECK_SMTP -6 -H ::1 -p {peers.closed_port()}", CRITICAL,
                  r"connect to address ::1 and port \d+: Connection refused$")
        self.call(f"CHECK_SMTP -6 -H 127.0.0.1 -p {four.port}", UNKNOWN,
                  'check_smtp: --hostname: target "127.0.0.1" is not of the chosen')


class Icinga(CallerCase):
    """The arguments of CheckCommand "smtp" in the order in which Icinga hands them over: that of their names."""

    FLAGS = ("-4", "-6", "-S")

    def line(self, **values):
        values = {("--" if len(name) > 2 else "-") + name.strip("_").replace("_", "-"): value
                  for name, value in values.items()}
        words = []
        for name in sorted(values):
            if name in self.FLAGS:
                words.append(name)
                continue
            for value in values[name] if isinstance(values[name], list) else [values[name]]:
                words += [name, shlex.quote(str(value))]
        return "CHECK_SMTP " + " ".join(words)

    def everything(self, port, **more):
        return self.line(**{"extra_opts": f"icinga@{self.ini}", "_4": True, "A": "LOGIN", "U": "me", "P": "secret",
                            "C": ["cmda", "cmdb"], "R": ["rspa", "rspb"], "F": "probe.test", "H": "127.0.0.1",
                            "S": True, "e": "expect", "f": "home", "p": port, "q": "true", "t": 30, "w": 20, "c": 25}
                         | more)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ini = cls.folder / "icinga.ini"
        cls.ini.write_text("[icinga]\nexpect = what nobody says\nwarning = 60\n")

    def test_the_library_asks_for_nothing_else(self):
        (body,) = re.findall(r'^object CheckCommand "smtp" \{\n(.*?)^\}', ITL.read_text(), re.S | re.M)
        names = re.findall(r'^\t\t"(-\S+)" = \{\n\t\t\t(value|set_if)', body, re.M)
        self.assertGreaterEqual(len(names), 18)
        self.assertEqual(sorted(name for name, kind in names if kind == "set_if"), sorted(self.FLAGS))
        self.assertIn(("-q", "value"), names)  # the reason why a word behind -q is swallowed
        server = self.server(EVERYTHING | {"address": "::1"})
        asked = self.everything(server.port, _4=None, D="30,10")
        for name, _ in names:
            self.assertTrue(name in ("-4", "-6") or f" {name} " in asked, name)
            usage = run(*([name, "1"] if name not in self.FLAGS else [name]), program=self.compatible, timeout=20)
            self.assertNotIn("unknown option", usage.out)

    def test_all_of_them(self):
        server = self.server(EVERYTHING)
        line = self.everything(server.port)
        self.assertIn(" -p {} -q true -t 30 -w 20".format(server.port), line)
        # check_smtp stops at `true`: it has no -w.
        outcome = self.call(line, OK, FINE + r", 250 at command, TLSv1\.3$")
        self.assertRegex(outcome.perfdata["time"], r"^\d+\.\d{6}s;20\.000000;25\.000000;0\.000000$")
        self.call(self.everything(server.port, D="30,10"), OK, GOOD_CERTIFICATE)
        self.call(self.everything(server.port, w="0.0000001"), WARNING,
                  r"SMTP WARNING - \d+\.\d{3} sec\. response time, ", theirs=OK)
        self.call(self.everything(server.port, R=["rspa", "else"]), WARNING,
                  "SMTP WARNING - Invalid response '250 rspb' to command 'cmdb'")
        silent = self.server({"banner": dropin_server.SILENT})
        self.call_ours(self.everything(silent.port, t=1), CRITICAL,
                       "CRITICAL - Socket timeout after 1 seconds, banner: ")

    def test_extra_opts_with_a_blank(self):
        server = self.server({"banner": "220 expect"})
        self.call(self.line(extra_opts=f"icinga@{self.ini}", H="127.0.0.1", p=server.port, e="expect"), OK, FINE)
        self.call(self.line(extra_opts=f"icinga@{self.ini}", H="127.0.0.1", p=server.port), WARNING,
                  "SMTP WARNING - banner: 220 expect ")

    def test_postfix(self):
        login = {"A": "LOGIN", "U": dovecot.USER, "P": dovecot.PASSWORD, "H": "127.0.0.1", "q": "true", "t": 30}
        self.call(self.line(**login, S=True, p=postfix.ports["auth"]), OK, FINE + r", 235 at auth, TLSv1\.3$")
        self.call(self.line(**login, p=postfix.ports["auth_clear"]), OK, FINE + ", 235 at auth$")
        self.call(self.line(**login | {"P": "wrong"}, p=postfix.ports["auth_clear"]), CRITICAL,
                  r"SMTP CRITICAL - auth: 535 5\.7\.8 ")
        self.call(self.line(**login, p=postfix.ports["clear"]), CRITICAL, "SMTP CRITICAL - auth: AUTH not offered")
        self.call(self.line(_4=True, H="127.0.0.1", p=postfix.ports["ehlo"], F="probe.test"), UNKNOWN,
                  r"SMTP UNKNOWN - ehlo: 550 5\.7\.1 ", theirs=OK)
        self.call(self.line(D="30", H="127.0.0.1", p=postfix.ports["starttls"]), OK, GOOD_CERTIFICATE)


class BadInput(CallerCase):

    def test_a_password_file_that_cannot_be_read(self):
        """As the user of a monitoring system meets it: the file is there, and it is root's."""
        folder = peers.make_folder("callers")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        program, secret = folder / "check_smtp", folder / "password"
        shutil.copy(CHECK, program)
        program.chmod(0o755)
        secret.write_text("secret\n")
        secret.chmod(0o600)
        server = self.server(AUTH)
        words = ["-H", "127.0.0.1", "-p", server.port, "-A", "LOGIN", "-U", "probe", "--authpass-file", secret]
        self.assertEqual(run(*words, program=program).code, OK)
        server.said.clear()
        for more in (words, [*words[:8], f"--extra-opts=check_smtp@{secret}"]):
            outcome = run("--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", program, *more,
                          program="/usr/bin/setpriv", env=environment())
            self.assert_usage_error(outcome, str(more[-1]).split("@")[-1], "Permission denied")
            self.assertNotIn("secret\n", outcome.out)
        self.assertEqual(server.said, [])
