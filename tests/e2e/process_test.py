"""check_smtp_probe as a process: memory, threads, what others can see of it, its streams, and its time."""

import base64
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

import peers
from probe import BUSY, CHECK, CRITICAL, OK, SANITIZED, UNKNOWN, WARNING, ProbeCase, ScriptedServer, environment, run

TRANSCRIPTS = pathlib.Path(os.environ["TRANSCRIPTS"])
MOST_RESIDENT_KIB = 12 * 1024
SECRET = "hunter2-Xyzzy"


class SilentServer:
    """Takes connections and says nothing; `heard()` is what the peer said."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.taken = []

    def accept(self, seconds=20):
        self.listener.settimeout(seconds)
        self.taken.append(self.listener.accept()[0])
        return self.taken[-1]

    def close(self):
        for one in (*self.taken, self.listener):
            one.close()


class Memory(ProbeCase):

    # The kernel counts what a process was before its exec, too: a small parent keeps that below the limit.
    MEASURE = ("import os, sys\n"
               "child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ,\n"
               "    file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)])\n"
               "_, status, usage = os.wait4(child, 0)\n"
               "print(os.waitstatus_to_exitcode(status), usage.ru_maxrss)\n")

    def peak(self, *arguments):
        """Exit code and peak resident KiB."""
        done = subprocess.run([sys.executable, "-I", "-S", "-c", self.MEASURE, CHECK, *map(str, arguments)],
                              stdout=subprocess.PIPE, env=environment(), timeout=60, check=True)
        return tuple(map(int, done.stdout.split()))

    def test_peak_of_every_kind_of_check(self):
        secret = self.file("secret", "secret")
        names = ("plain", "starttls", "implicit-tls", "mdaemon", "lmtp-two-recipients", "auth-plain-mail", "auth-scram",
                 "banner-endless-line", "ehlo-550")
        server = ScriptedServer("--mail", *(TRANSCRIPTS / f"{name}.txt" for name in names))
        self.addCleanup(server.stop)
        trust = ("--ca-file", server.certificates / "ca.pem", "--tls-name", "mx.test", "--tls-verify", "require")
        mail = ("-f", "a@b.test", "--to", "c@d.test")
        scram = ("-A", "SCRAM-SHA-256", "-U", "probe", "--authpass-file", secret)
        big = self.file("big", ("x" * 78 + "\n") * 12000)
        checks = (
            ("plain", OK, ()), ("starttls", OK, ("-S", *trust)), ("implicit-tls", OK, ("-s", *trust)),
            # The system's own trust, as without --ca-file.
            ("starttls", CRITICAL, ("-S", "--tls-verify", "require", "--tls-name", "mx.test")),
            ("mdaemon", OK, (*mail, "--send")), ("mail", OK, (*mail, "--send", "--body-file", big)),
            ("lmtp-two-recipients", OK, ("-L", *mail, "--to", "e@f.test", "--send")),
            ("auth-scram", CRITICAL, scram), ("banner-endless-line", CRITICAL, ("-vvv",)),
            ("starttls", OK, ("-S", *trust, "-vvv")), ("mdaemon", OK, (*mail, "--send", "-vvv")))
        for name, state, options in checks:
            for output in ((), ("--output", "json")):
                with self.subTest(name=name, options=(*options, *output)):
                    code, peak = self.peak("-H", "127.0.0.1", "-p", server.ports[name], "-F", "probe.test", *options,
                                           *output)
                    self.assertEqual(code, state)
                    # A sanitizer's shadow is not the check's.
                    if not SANITIZED:
                        self.assertLessEqual(peak, MOST_RESIDENT_KIB)

    def test_peak_of_what_needs_no_server(self):
        for arguments in (("--help",), ("--explain", "550"), ("-H", "127.0.0.1", "-p", "x"),
                          ("-H", "no-such-host.invalid", "-t", "2")):
            code, peak = self.peak(*arguments)
            self.assertIn(code, (OK, UNKNOWN))
            if not SANITIZED:
                self.assertLessEqual(peak, MOST_RESIDENT_KIB)


class WhatOthersSee(ProbeCase):

    def setUp(self):
        self.server = SilentServer()
        self.addCleanup(self.server.close)

    def hanging(self, *options):
        """The check, waiting for a banner."""
        child = subprocess.Popen([CHECK, "-H", "127.0.0.1", "-p", str(self.server.port), "-t", "30", *options],
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment())
        self.addCleanup(child.stdout.close)
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        self.server.accept()
        return child

    def test_one_thread(self):
        secret = self.file("secret", SECRET)
        for options in ((), ("-S",), ("-U", "u", "--authpass-file", str(secret)), ("--output", "json", "-vvv")):
            child = self.hanging(*options)
            for _ in range(10):
                self.assertEqual(os.listdir(f"/proc/{child.pid}/task"), [str(child.pid)])
                time.sleep(0.02)

    def test_one_thread_while_a_name_is_resolved(self):
        child = subprocess.Popen([CHECK, "-H", "localhost", "-p", str(self.server.port), "-t", "30"],
                                 stdout=subprocess.DEVNULL, env=environment())
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        most = 0
        while not most or child.poll() is None:
            try:
                most = max(most, len(os.listdir(f"/proc/{child.pid}/task")))
            except FileNotFoundError:
                break
            self.server.listener.settimeout(0.001)
            try:
                self.server.taken.append(self.server.listener.accept()[0])
                break
            except TimeoutError:
                continue
        self.assertEqual(most, 1)

    def test_password_is_wiped(self):
        for words in (("-P", SECRET), (f"-P{SECRET}",), (f"--authpass={SECRET}",), ("--authpass", SECRET)):
            with self.subTest(words):
                child = self.hanging("-U", "user", *words)
                command_line = pathlib.Path(f"/proc/{child.pid}/cmdline").read_bytes()
                self.assertNotIn(SECRET.encode(), command_line)
                self.assertNotIn(SECRET[2:].encode(), command_line)
                # The rest of it stands: operators look for their checks in ps.
                self.assertIn(b"\0-H\x00127.0.0.1\0-p\0" + str(self.server.port).encode(), command_line)

    def test_nothing_is_left_open(self):
        child = self.hanging("-S", "-vv")

        def sockets():
            return [name for name in peers.open_files(child.pid) if name.startswith("socket:")]
        # The connection is there as soon as the kernel has made it: what was open for it may be closed later.
        peers.wait_until(lambda: len(sockets()) == 1, "more than the connection stays open")

    def test_ends_by_a_signal(self):
        child = self.hanging()
        child.send_signal(signal.SIGTERM)
        self.assertEqual(child.wait(60), -signal.SIGTERM)


class Secrets(ProbeCase):

    def test_are_in_no_output(self):
        names = ("auth-plain-mail", "auth-login-wrong", "auth-535", "auth-cram-md5", "auth-scram")
        server = ScriptedServer(*(TRANSCRIPTS / f"{name}.txt" for name in names))
        self.addCleanup(server.stop)
        mechanisms = {"auth-login-wrong": "LOGIN", "auth-cram-md5": "CRAM-MD5", "auth-scram": "SCRAM-SHA-256"}
        hidden = [SECRET, SECRET.encode().hex()]
        for text in (SECRET, f"\0probe\0{SECRET}"):
            hidden.append(base64.b64encode(text.encode()).decode().rstrip("="))
        for name in names:
            for output in (("-vvv",), ("--output", "json"), ("--output", "json", "-vvv")):
                outcome = self.run_clean("-H", "127.0.0.1", "-p", server.ports[name], "-F", "probe.test", "-U", "probe",
                                         "-A", mechanisms.get(name, "PLAIN"), "-P", SECRET, *output)
                for one in hidden:
                    self.assertNotIn(one, outcome.out)
                self.assertIn("AUTH " + mechanisms.get(name, "PLAIN"), outcome.out)


class Streams(ProbeCase):

    def setUp(self):
        self.server = ScriptedServer(TRANSCRIPTS / "plain.txt")
        self.addCleanup(self.server.stop)
        self.arguments = [CHECK, "-H", "127.0.0.1", "-p", str(self.server.ports["plain"]), "-F", "probe.test"]

    def test_output_that_nobody_takes_is_unknown(self):
        with open("/dev/full", "w", encoding="ascii") as full:
            done = subprocess.run(self.arguments, stdout=full, stderr=subprocess.PIPE, timeout=60, env=environment())
        self.assertEqual((done.returncode, done.stderr), (UNKNOWN, b""))

    def test_closed_output(self):
        done = subprocess.run(["/bin/sh", "-c", 'exec "$@" >&-', "sh", *self.arguments], stderr=subprocess.PIPE,
                              timeout=60, env=environment())
        self.assertEqual((done.returncode, done.stderr), (UNKNOWN, b""))

    def test_reader_that_went_away(self):
        reading, writing = os.pipe()
        os.close(reading)
        done = subprocess.run(self.arguments, stdout=writing, stderr=subprocess.PIPE, timeout=60, env=environment())
        os.close(writing)
        self.assertEqual((done.returncode, done.stderr), (UNKNOWN, b""))

    def test_closed_input(self):
        done = subprocess.run(["/bin/sh", "-c", 'exec "$@" <&-', "sh", *self.arguments], capture_output=True,
                              timeout=60, env=environment())
        self.assertEqual((done.returncode, done.stdout[:10]), (OK, b"SMTP OK - "))

    def test_all_standard_streams_closed(self):
        # The probe's socket must not become descriptor 1 and get the result line.
        done = subprocess.run(["/bin/sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *self.arguments], timeout=60,
                              env=environment())
        self.assertEqual(done.returncode, UNKNOWN)
        said = [line.split("C: ", 1)[1] for line in self.server.log().splitlines() if " C: " in line]
        self.assertEqual([line.replace("\\r\\n", "") for line in said], ["EHLO probe.test", "QUIT"])


class Time(ProbeCase):

    def setUp(self):
        self.server = SilentServer()
        self.addCleanup(self.server.close)
        self.target = ("-H", "127.0.0.1", "-p", self.server.port)

    def test_the_overall_limit(self):
        for options, state, word in ((("-t", "1"), CRITICAL, "CRITICAL"), (("-t", "1:UNKNOWN"), UNKNOWN, "UNKNOWN"),
                                     (("-t", "1:warning"), WARNING, "WARNING"), (("-to", "1"), CRITICAL, "CRITICAL")):
            with self.subTest(options):
                outcome = self.run_clean(*self.target, *options)
                self.assertEqual(outcome.code, state, outcome.out)
                self.assertTrue(outcome.text.startswith(f"SMTP {word} - banner: "), outcome.out)
                self.assertTrue(0.95 <= outcome.seconds <= 1 + BUSY, outcome.seconds)
                self.assertRegex(outcome.perfdata["time"], r"^(0\.9|[1-9]\d*\.)\d+s;;;0\.000000$")

    def test_a_full_accept_queue(self):
        listener = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.addCleanup(listener.close)
        port = listener.getsockname()[1]
        waiting = []
        for _ in range(4):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
            waiting.append(one)
            self.addCleanup(one.close)
        outcome = self.run_clean("-H", "127.0.0.1", "-p", port, "-t", "1")
        self.assertEqual(outcome.code, CRITICAL, outcome.out)
        self.assertRegex(outcome.text, r"^SMTP CRITICAL - (connect|banner): ")
        self.assertLessEqual(outcome.seconds, 1 + BUSY)

    def test_a_drip_does_not_push_the_limit(self):
        server = ScriptedServer(TRANSCRIPTS / "drip-for-ever.txt")
        self.addCleanup(server.stop)
        outcome = self.run_clean("-H", "127.0.0.1", "-p", server.ports["drip-for-ever"], "-t", "1")
        self.assertEqual(outcome.code, CRITICAL)
        self.assertTrue(outcome.text.startswith("SMTP CRITICAL - banner: "), outcome.out)
        self.assertLessEqual(outcome.seconds, 1 + BUSY)

    def test_nothing_is_said_before_the_banner(self):
        run(*self.target, "-t", "1")
        heard = self.server.accept().recv(100)
        self.assertEqual(heard, b"")


class Surroundings(ProbeCase):

    def test_locale_changes_nothing(self):
        server = ScriptedServer("--mail")
        self.addCleanup(server.stop)
        shapes = set()
        for locale in ("C", "de_DE.UTF-8", "de_DE@euro", "tr_TR.UTF-8", "fr_FR.UTF-8"):
            outcome = self.run_clean("-H", "127.0.0.1", "-p", server.ports["mail"], "-w", "0.5", "-c", "1.5",
                                     env=environment(LC_ALL=locale, LANG=locale, LANGUAGE="de"))
            self.assertEqual(outcome.code, OK, outcome.out)
            self.assertRegex(outcome.perfdata["time"], r"^\d+\.\d{6}s;0\.500000;1\.500000;0\.000000$")
            shapes.add(re.sub(r"\d+\.\d+", "N", outcome.out))
        self.assertEqual(len(shapes), 1, shapes)
        wrong = {run("-H", "127.0.0.1", "-w", "1,5", env=environment(LC_ALL=locale)).out for locale in ("C", "de_DE")}
        self.assertEqual(len(wrong), 1)

    def test_extra_opts(self):
        server = ScriptedServer("--mail")
        self.addCleanup(server.stop)
        port = server.ports["mail"]
        content = (f"# comment\n[other]\nport = 1\n\n[check_smtp_probe]\nhostname = 127.0.0.1\nport = {port}\n"
                   f"[check_smtp]\nH = 127.0.0.1\np = {port}\n[mail]\nhostname=127.0.0.1\nport={port}\n"
                   "; rest\nfrom = \"a@b.test\"\nto = c@d.test\nto = 'e@f.test'\nstarttls\nverbose = 2\n")
        ini = self.file("plugins.ini", content)
        configured = environment(MP_CONFIG_FILE=str(ini))
        for words, how in ((("--extra-opts=mail@" + str(ini),), {}), (("--extra-opts", "mail@" + str(ini)), {}),
                           (("--extra-opts=mail",), {"env": configured}),
                           (("--extra-opts=mail@-",), {"stdin": content})):
            with self.subTest(words):
                outcome = self.run_clean(*words, **how)
                self.assertEqual(outcome.code, OK, outcome.out)
                self.assertIn("C: RCPT TO:<e@f.test>", outcome.out)
                self.assertIn("C: STARTTLS", outcome.out)
        for program in (CHECK, self.compatible):
            by_name = self.run_clean("--extra-opts", program=program, env=configured)
            self.assertEqual(by_name.code, OK, by_name.out)
        by_path = self.run_clean("--extra-opts=mail", env=environment(NAGIOS_CONFIG_PATH=f"/nonexistent:{self.folder}"))
        self.assertEqual(by_path.code, OK, by_path.out)
        # The command line beats the file, wherever it stands.
        closed = peers.closed_port()
        for words in ((f"-p{closed}", f"--extra-opts=mail@{ini}"), (f"--extra-opts=mail@{ini}", f"-p{closed}")):
            self.assertEqual(self.run_clean(*words).code, CRITICAL)

    def test_word_lists(self):
        for words, code, start in ((("--help",), UNKNOWN, "check_smtp_probe v"),
                                   (("-V",), UNKNOWN, "check_smtp_probe v"),
                                   (("--explain", "550"), OK, "550"), (("-?",), UNKNOWN, "Usage: ")):
            outcome = self.run_clean(*words)
            self.assertEqual((outcome.code, outcome.out[:len(start)]), (code, start))
