"""Everything that a user can get wrong: exit 3, at most three lines on stdout, of which the first names the option,
what it got and what it wanted; nothing on stderr and nothing on the network."""

import socket

import peers
from probe import OK, ProbeCase, environment, run

NO_HOST = "no host"  # in place of the listener's address

# What is told, and what the first line must hold.
OPTIONS = [
    # Names of options.
    (["--frobnicate"], ["--frobnicate", "unknown"]),
    (["-Z"], ["-Z", "unknown"]),
    (["--tls-v"], ["--tls-verify", "value"]),
    (["--authx=1"], ["--authx", "unknown"]),
    (["--auth=1"], ["--auth", "ambiguous", "--authtype", "--authuser"]),
    (["--starttls=yes"], ["--starttls", "no value"]),
    (["--subject"], ["--subject", "value"]),
    (["-f"], ["--from", "value"]),
    # Targets.
    ([NO_HOST], ["--hostname", "missing"]),
    ([NO_HOST, "-H", ""], ["--hostname", "empty", "a name"]),
    ([NO_HOST, "-H", "a b"], ["--hostname", "a b", "blank"]),
    ([NO_HOST, "-H", "127.0.0.1\r\nX"], ["--hostname", "control"]),
    ([NO_HOST, "-H", "http://127.0.0.1"], ["--hostname", "http://127.0.0.1", "smtp"]),
    ([NO_HOST, "-H", "127.0.0.1:0"], ["--hostname", "127.0.0.1:0", "65535"]),
    ([NO_HOST, "-H", "127.0.0.1:65536"], ["--hostname", "65535"]),
    ([NO_HOST, "-H", "[::1"], ["--hostname", "[::1"]),
    ([NO_HOST, "-H", "1.2.3"], ["--hostname", "1.2.3"]),
    ([NO_HOST, "-H", "127.0.0.1.5"], ["--hostname", "127.0.0.1.5"]),
    ([NO_HOST, "-H", "user@127.0.0.1"], ["--hostname", "no credentials"]),
    ([NO_HOST, "-H", "smtp://127.0.0.1/x"], ["--hostname", "path"]),
    ([NO_HOST, "-H", "-x.test"], ["--hostname", "-x.test"]),
    ([NO_HOST, "-H", "a" * 64 + ".test"], ["--hostname", "63"]),
    ([NO_HOST, "-H", "a." * 150 + "test"], ["--hostname", "253"]),
    ([NO_HOST, "-H", "m\u00fcller.test"], ["--hostname", "ASCII"]),
    ([NO_HOST, "-H", "unix:relative"], ["--hostname", "unix:relative", "absolute"]),
    ([NO_HOST, "-H", "unix:/" + "x" * 120], ["--hostname", "107"]),
    ([NO_HOST, "one.test", "two.test"], ["--hostname", "expected one host"]),
    ([NO_HOST, "-H", "unix:/tmp/x", "-p", "25"], ["--port", "25", "unix"]),
    ([NO_HOST, "-S", "smtps://127.0.0.1"], ["--starttls", "TLS"]),
    # Numbers, ranges, times.
    (["-p", "0"], ["--port", "'0'", "65535"]),
    (["-p", "65536"], ["--port", "'65536'", "65535"]),
    (["-p", "-25"], ["--port", "'-25'", "65535"]),
    (["-p", "25x"], ["--port", "'25x'", "65535"]),
    (["-p", ""], ["--port", "''", "65535"]),
    (["-w", "x"], ["--warning", '"x"', "range"]),
    (["-w", "5:1"], ["--warning", '"5:1"']),
    (["-c", "1,5"], ["--critical", '"1,5"', "range"]),
    (["-ct", "@"], ["--critical", '"@"', "range"]),
    (["-w", ""], ["--warning", '""', "range"]),
    (["-c", "1e999"], ["--critical", "1e999"]),
    (["-c", "nan"], ["--critical", '"nan"', "range"]),
    (["-t", "x"], ["--timeout", "'x'", "seconds"]),
    (["-t", "-1"], ["--timeout", "'-1'", "seconds"]),
    (["-t", "1.5"], ["--timeout", "'1.5'", "whole seconds"]),
    (["-t", "5:broken"], ["--timeout", "5:broken", "unknown"]),
    (["-t", "99999999999"], ["--timeout", "99999999999", "86400"]),
    (["-D", "x"], ["--certificate", "'x'", "days"]),
    (["-D", "30,"], ["--certificate", "'30,'", "days"]),
    (["-D", "-1"], ["--certificate", "'-1'", "days"]),
    (["--step-warning", "rcpt"], ["--step-warning", "rcpt", "STEP=RANGE"]),
    (["--step-warning", "lunch=1"], ["--step-warning", "lunch=1", "rcpt"]),
    (["--step-critical", "rcpt=x"], ["--step-critical", '"x"', "range"]),
    # Choices.
    (["--until", "lunch"], ["--until", "lunch", "rcpt"]),
    (["--until", "quit"], ["--until", "quit", "message"]),
    (["--until", "rcpt"], ["--until", "rcpt"]),
    (["--tls-verify", "maybe", "-S"], ["--tls-verify", "maybe", "require"]),
    (["--tls-min-version", "1.4", "-S"], ["--tls-min-version", "1.4", "1.3"]),
    (["--proxy-protocol", "v3"], ["--proxy-protocol", "v3", "v1, v2, local"]),
    (["--greylisting-pattern", "a("], ["--greylisting-pattern", "a(", "POSIX extended regular expression"]),
    (["--greylisting-pattern", ""], ["--greylisting-pattern", "nothing", "POSIX extended regular expression"]),
    (["--greylisting", "unknown"], ["--greylisting", "unknown", "ok, warning, critical"]),
    (["--dialect", "klingon"], ["--dialect", "klingon", "native, check_smtp"]),
    (["--output", "xml"], ["--output", "xml", "text, json"]),
    (["--output-format", "mp-test-json"], ["--output-format", "mp-test-json", "multi-line", "--output json"]),
    (["-A", "GSSAPI", "-U", "u", "-P", "p"], ["--authtype", "GSSAPI", "SCRAM-SHA-256"]),
    (["--expect", "lunch=250"], ["--expect", "lunch=250", "rcpt"]),
    (["--expect", "rcpt="], ["--expect"]),
    (["--expect", "rcpt=25"], ["--expect", "25"]),
    (["--expect", "rcpt=999"], ["--expect", "999"]),
    (["--expect", "connect=250"], ["--expect", "connect"]),
    (["--require-extension", "SIZE 10"], ["--require-extension", "SIZE 10", "EHLO keyword"]),
    (["--forbid-extension", ""], ["--forbid-extension", "''", "EHLO keyword"]),
    (["--source", "here"], ["--source", "'here'", "address"]),
    (["--source", "::1", "-4"], ["--source"]),
    (["--explain", "999"], ["--explain", "999", "200"]),
    (["--explain", "hello"], ["--explain", "hello", "5.7.1"]),
    # Mail: recipients are never invented.
    (["--send"], ["--send", "--from and --to"]),
    (["--send", "-f", "a@b.test"], ["--send", "--from and --to"]),
    (["--send", "--to", "c@d.test"], ["--from"]),
    (["--to", "c@d.test"], ["--to", "--from"]),
    (["--until", "message"], ["--until", "--from and --to"]),
    (["--send", "-f", "a@b.test", "--to", "c@d.test", "--until", "rcpt"], ["--send", "--until"]),
    (["--subject", "x"], ["--subject", "--send"]),
    (["--header", "X: y"], ["--header", "--send"]),
    (["-f", "two words@b.test"], ["--from", "two words@b.test"]),
    (["-f", "a@"], ["--from", "a@"]),
    (["-f", "a@b..test"], ["--from", "a@b..test"]),
    (["-f", "@b.test"], ["--from", "@b.test"]),
    (["-f", "x" * 65 + "@b.test"], ["--from", "64"]),
    (["-f", "a@b.test", "--to", ""], ["--to"]),
    (["-f", "a@b.test", "--to", "<>"], ["--to"]),
    (["-f", "a@b.test", "--to", "j\u00f6rg@d.test"], ["--to", "ASCII"]),
    (["-F", ""], ["--fqdn"]),
    (["-F", "a b"], ["--fqdn", "a b"]),
    (["-F", "x" * 300], ["--fqdn"]),
    (["-R", "x"], ["--response", "--command"]),
    (["-C", "NOOP", "-R", "("], ["--response", "regular expression"]),
    (["-C", "NOOP", "-R", "a", "-R", "b"], ["--response", "2", "1", "--command"]),
    (["-C", "X" * 2000], ["--command"]),
    # What excludes each other, or lacks a part.
    (["-4", "-6"], ["--use-ipv4", "--use-ipv6"]),
    (["-s", "-S"], ["--ssl", "--starttls"]),
    (["-r", "--proxy-protocol", "v2"], ["--proxy", "v1"]),
    (["--helo", "-S"], ["--helo"]),
    (["--tls-verify", "require"], ["--tls-verify", "TLS"]),
    (["--tls-min-version", "1.2"], ["--tls-min-version", "TLS"]),
    (["--tls-legacy"], ["--tls-legacy", "needs TLS"]),
    (["--tls-legacy", "--tls-min-version", "1.2", "-S"], ["--tls-legacy", "TLSv1.2", "TLSv1.0"]),
    (["--tls-name", "mx.test"], ["--tls-name", "needs TLS"]),
    (["--until", "ehlo_tls"], ["--until", "ehlo_tls"]),
    (["--until", "auth"], ["--until", "auth"]),
    (["-A", "PLAIN"], ["--auth", "--authuser"]),
    (["-U", "u"], ["--authuser", "password"]),
    (["-P", "p"], ["--authpass", "--authuser"]),
    (["-A", "XOAUTH2", "-U", "u", "-P", "p"], ["--authtype", "XOAUTH2", "--authtoken-file"]),
    (["-U", "", "-P", "p"], ["--authuser", "a user name"]),
    (["-U", "u", "-P", ""], ["--authpass", "empty"]),
    (["--client-key", "/etc/hostname", "-S"], ["--client-key"]),
    (["--tls-name", "a b", "-S"], ["--tls-name", "a b", "host name"]),
    (["--tls-name", "x.test:25", "-S"], ["--tls-name", "x.test:25", "host name"]),
    (["--ca-file", "", "-S"], ["--ca-file", "''", "a file"]),
    (["--module", "no_such"], ["--module", "no_such", "smtp_starttls"]),
]

# A line end in a value that would reach the wire; behind it stands what the server would take for a command.
SMUGGLED = ["\r\nRSET", "\nRSET", "\rRSET"]
ON_THE_WIRE = [
    (["-F", "x.test{}"], "--fqdn"),
    (["-f", "a@b.test{}"], "--from"),
    (["-f", "a@b.test", "--to", "c@d.test{}"], "--to"),
    (["-C", "NOOP{}"], "--command"),
    (["-U", "user{}", "-P", "p"], "--authuser"),
    (["-U", "user", "-P", "secret{}"], "--authpass"),
    (["-f", "a@b.test", "--to", "c@d.test", "--send", "--subject", "hello{}"], "--subject"),
    (["-f", "a@b.test", "--to", "c@d.test", "--send", "--header", "X-A: b{}"], "--header"),
    (["-f", "a@b.test", "--to", "c@d.test", "--send", "--header", "X{}-A: b"], "--header"),
    (["-S", "--tls-name", "mx.test{}"], "--tls-name"),
]


class BadInput(ProbeCase):

    def setUp(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(self.listener.close)
        self.listener.setblocking(False)
        self.port = self.listener.getsockname()[1]

    def assert_nothing_was_sent(self):
        connections = 0
        try:
            while True:
                self.listener.accept()[0].close()
                connections += 1
        except BlockingIOError:
            self.assertEqual(connections, 0)

    def refused(self, words, *expected, program=None, **how):
        """The option under test comes behind the listener's address, which is a good one."""
        target = [] if words[:1] == [NO_HOST] else ["-H", "127.0.0.1"]
        if target and "-p" not in words:
            target += ["-p", str(self.port)]
        words = [word for word in words if word != NO_HOST]
        with self.subTest(" ".join(words)[:100]):
            outcome = run(*target, *words, timeout=60, **how, **({"program": program} if program else {}))
            self.assert_nothing_was_sent()
            self.assert_usage_error(outcome, *expected)
            self.assertTrue(outcome.first.startswith("SMTP UNKNOWN - " if not program else "check_smtp: "), outcome.out)
            self.assertNotIn("|", outcome.out)

    def test_the_listener_is_one(self):
        # Were the rest in order, there would be a connection to see.
        run("-H", "127.0.0.1", "-p", self.port, "-t", "1")
        self.listener.accept()[0].close()

    def test_options(self):
        for words, expected in OPTIONS:
            self.refused(words, *expected)

    def test_options_in_the_dialect(self):
        for words, expected in OPTIONS[::9]:
            if words != [NO_HOST]:
                self.refused(words, *expected, program=self.compatible)

    def test_line_ends_on_the_wire(self):
        for words, option in ON_THE_WIRE:
            for smuggled in SMUGGLED:
                self.refused([word.format(smuggled) for word in words], option)

    def test_secrets_are_not_shown(self):
        for words in (["-U", "user", "-P", "hunter2\nRSET"], ["-U", "u", "--authpass=hunter2\r"], ["-Phunter2"],
                      ["-P", "hunter2", "--frobnicate"], ["-Phunter2", "-p", "x"]):
            outcome = run("-H", "127.0.0.1", *words)
            self.assert_usage_error(outcome)
            self.assertNotIn("hunter2", outcome.out)

    def test_nul_and_line_ends_in_ini_files(self):
        for key, good in (("fqdn", "x.test"), ("from", "a@b.test"), ("authuser", "u"), ("authpass", "p"),
                          ("command", "NOOP"), ("subject", "s"), ("tls-name", "mx.test")):
            ini = self.file("nul.ini", f"[check]\n{key} = {good}".encode() + b"\0RSET\n")
            self.refused([f"--extra-opts=check@{ini}"], "nul.ini", "NUL")
            # A CR in the middle; at the end of a line it is the line's end.
            ini = self.file("cr.ini", f"[check]\nstarttls\n{key} = {good}\rRSET\n".encode())
            more = {"authpass": ["-U", "u"], "authuser": ["-P", "p"],
                    "subject": ["-f", "a@b.test", "--to", "c@d.test", "--send"]}.get(key, [])
            self.refused([f"--extra-opts=check@{ini}", *more], key if key != "authpass" else "authpass")

    def test_secret_files(self):
        folder = self.folder / "folder"
        folder.mkdir()
        files = (("absent", self.folder / "absent", "No such file"), ("folder", folder, ""),
                 ("empty", self.file("empty", ""), "empty"), ("line end", self.file("blank", "\n"), "empty"),
                 ("two lines", self.file("two", "one\ntwo\n"), "line end"), ("NUL", self.file("nul", b"a\0b"), "NUL"),
                 ("big", self.file("big", "x" * 70000), ""))
        for name, path, what in files:
            for option in ("--authpass-file", "--authtoken-file"):
                with self.subTest(name):
                    self.refused(["-U", "u", "-A", "PLAIN" if "pass" in option else "XOAUTH2", option, str(path)],
                                 option, str(path), what)
        self.refused(["-U", "u", "-P", "p", "--authpass-file", "/dev/null"], "--authpass-file", "/dev/null")
        self.refused(["-U", "u", "-P", "p", "--authpass-file", str(self.file("fine", "p"))], "--authpass")

    def test_message_files(self):
        send = ["-f", "a@b.test", "--to", "c@d.test", "--send"]
        self.refused([*send, "--body-file", str(self.folder / "absent")], "--body-file", "absent", "No such file")
        self.refused([*send, "--body-file", str(self.folder)], "--body-file", str(self.folder))
        self.refused([*send, "--body-file", ""], "--body-file", "a file")
        self.refused([*send, "--body-file", str(self.file("vast", "x\n" * 600000))], "--body-file", "vast", "1048576")
        self.refused([*send, "--header", "no colon"], "--header", "no colon", "Name: text")
        self.refused([*send, "--header", "Bad Name: x"], "--header")
        self.refused([*send, "--header", ": x"], "--header")
        self.refused([*send, "--subject", "x" * 2000], "--subject")

    def test_certificate_files(self):
        certificates = peers.write_certificates(self.folder / "certificates")
        pem, key = certificates / "client.pem", certificates / "client.key"
        rubbish = self.file("rubbish.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        for tls in ("-S", "-s"):
            self.refused([tls, "--ca-file", "/nonexistent/ca.pem"], "--ca-file", "/nonexistent/ca.pem", "No such file")
            self.refused([tls, "--ca-file", str(rubbish)], "--ca-file", "rubbish.pem", "PEM")
            self.refused([tls, "--ca-file", str(self.file("empty.pem", ""))], "--ca-file", "empty.pem", "PEM")
            self.refused([tls, "--ca-path", "/nonexistent"], "--ca-path", "/nonexistent")
            self.refused([tls, "--ca-path", str(pem)], "--ca-path", "client.pem", "director")
            self.refused([tls, "--client-cert", "/nonexistent.pem"], "--client-cert", "/nonexistent.pem")
            self.refused([tls, "--client-cert", str(rubbish)], "--client-cert", "rubbish.pem")
            self.refused([tls, "--client-cert", str(pem)], "--client-")
            self.refused([tls, "--client-cert", str(pem), "--client-key", "/nonexistent.key"], "--client-key",
                         "/nonexistent.key")
            self.refused([tls, "--client-cert", str(pem), "--client-key", str(rubbish)], "--client-key", "rubbish.pem")
            self.refused([tls, "--client-cert", str(pem), "--client-key", str(certificates / "server.key")],
                         "--client-key", "server.key")
        self.assertTrue(key.exists())

    def test_ini_files(self):
        def ini(content):
            return f"--extra-opts=check@{self.file('options.ini', content)}"

        self.refused([f"--extra-opts=check@{self.folder}/absent.ini"], "--extra-opts", "absent.ini", "No such file")
        self.refused([f"--extra-opts=check@{self.folder}"], "--extra-opts", str(self.folder))
        self.refused([ini("[other]\nport = 25\n")], "--extra-opts", "[check]", "options.ini")
        self.refused(["--extra-opts", ini("[other]\n").split("=", 1)[1]], "--extra-opts", "[check]")
        self.refused([ini("[check]\nfrobnicate = 1\n")], "options.ini:2", "frobnicate", "name of an option")
        self.refused([ini("[check]\nwarning = often\n")], "options.ini:2", "warning", "often", "range")
        self.refused([ini("[check]\n\n# x\ntimeout = soon\n")], "options.ini:4", "timeout", "soon", "seconds")
        self.refused([ini("[check]\nfrom\n")], "options.ini:2", "from", "value")
        self.refused([ini("[check]\nstarttls = maybe\n")], "options.ini:2", "starttls", "yes or no")
        self.refused([ini("[check\nport = 25\n")], "options.ini:1", "[SECTION]")
        self.refused([ini("[check]\nextra-opts = x\n")], "options.ini:2", "extra-opts")
        self.refused([ini("[check]\nssl\nstarttls\n")], "--ssl", "--starttls")
        self.refused([ini("[check]\npassword hunter2\n")], "options.ini:2", "got a line without")
        self.refused(["--extra-opts=check@-"], "--extra-opts", "standard input", stdin="[other]\n")
        for variable, value in (("MP_CONFIG_FILE", f"{self.folder}/absent.ini"),):
            self.refused(["--extra-opts=check"], "--extra-opts", "absent.ini", env=environment(**{variable: value}))

    def test_configurations(self):
        def config(content, name="m"):
            return ["--config", str(self.file("config.yml", content)), "--module", name]

        module = "modules:\n  m:\n"
        self.refused(["--config", "/nonexistent.yml", "--module", "m"], "--config", "/nonexistent.yml", "No such file")
        self.refused(["--config", str(self.folder), "--module", "m"], "--config")
        self.refused(config(module + "    until: ehlo\n")[:2], "--config", "--module", "m")
        self.refused(config(module + "    until: ehlo\n", "n"), "--module", "'n'", "m")
        self.refused(config("modules: [\n"), "--config", "config.yml")
        self.refused(config(module + "    untill: ehlo\n"), "--config", "config.yml:3", "untill")
        self.refused(config(module + "    until: lunch\n"), "--config", "config.yml:3", "lunch", "rcpt")
        self.refused(config(module + "    timeout: 10 parsecs\n"), "--config", "config.yml:3", "10 parsecs")
        self.refused(config(module + "    mail: {from: \"a@b.test\\r\\nRSET\"}\n"), "--config", "config.yml:3", "from")
        self.refused(config(module + "    mail: {from: \"a\\0b@b.test\"}\n"), "--config", "config.yml:3", "from")
        self.refused(config(module + "    helo: \"x\\0y\"\n"), "--config", "config.yml:3", "helo")
        self.refused(config(module + "    helo: \"x\\ny\"\n"), "--config", "config.yml:3", "helo")
        self.refused(config(module + "    until: rcpt\n"), "config.yml", "m")
        self.refused(config(module + "    auth: {username: u, password_file: /nonexistent, targets: [\"x.test\"]}\n"),
                     "--config", "password_file", "No such file")
        secret = self.file("secret", "p")
        self.refused(config(module + f"    auth: {{username: u, password_file: {secret}, targets: [\"x.test\"]}}\n"),
                     "--module", "127.0.0.1")
        self.refused(config(module + "    tls: {mode: starttls, ca_file: /nonexistent.pem}\n"), "/nonexistent.pem")
        self.refused(config("allowed_targets: [\"192.0.2.0/33\"]\n" + module + "    until: ehlo\n"), "--config",
                     "config.yml:1", "192.0.2.0/33")

    def test_good_input_is_not_refused(self):
        # The neighbours of what is refused above.
        for words in (["-p", "65535"], ["-t", "1"], ["-w", "~:10"], ["-c", "@10:20"], ["-f", "<>"], ["-f", "home"],
                      ["-e", ""], ["-q", "true"], ["--expect", "ehlo=5xx,5.7.1"], ["-F", "[127.0.0.1]"],
                      ["-C", "NOOP", "-R", "^250"], ["-w", "1", "-w", "2"]):
            with self.subTest(words):
                outcome = run("-H", "127.0.0.1", "-p", peers.closed_port(), *words)
                self.assertNotIn("--help", outcome.out)
                self.assertNotEqual(outcome.code, OK)
