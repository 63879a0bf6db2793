"""check_smtp_probe --watch into pipes, files and full disks: what it prints, when, and how it ends."""

import fcntl
import json
import os
import pathlib
import re
import signal
import subprocess
import time

import peers
from exporter import Listener
from probe import CRITICAL, OK, SANITIZED, UNKNOWN, WARNING, ScriptedServer, environment, run
from watching import BUSY, GONE, GOOD, HEADING, LINE, PATIENCE, WatchCase

TRANSCRIPTS = pathlib.Path(os.environ["TRANSCRIPTS"])


class Pipe(WatchCase):

    def test_a_line_for_each_probe_and_the_table(self):
        outcome = self.watch(self.serve(GOOD, BUSY, GONE, GOOD), "--watch", "0.1,4")
        lines, summary, table = self.table(outcome.out)
        expected = ("SMTP OK - ", "SMTP WARNING - banner: 421", "SMTP CRITICAL - banner: 554", "SMTP OK - ")
        self.assertEqual(len(lines), len(expected), outcome.out)
        for line, text in zip(lines, expected):
            self.assertRegex(line, "^" + LINE + text)
            self.assertNotIn("|", line)
        self.assertRegex(summary, r"^127\.0\.0\.1:\d+: 4 probes, 2 OK, 1 WARNING, 1 CRITICAL$")
        self.assertEqual(table.pop("last failure"), lines[2])
        self.assertEqual(list(table), ["connect", "banner", "ehlo", "quit", "total"])
        self.assertEqual({step: columns[-1] for step, columns in table.items()},
                         {"connect": "0.0%", "banner": "50.0%", "ehlo": "50.0%", "quit": "0.0%", "total": "50.0%"})
        last, least, median, p95, most = map(float, table["total"][:-1])
        self.assertTrue(least <= median <= p95 <= most and least <= last <= most, table)
        self.assertEqual(outcome.code, CRITICAL)
        self.assertNotIn("\x1b", outcome.out)

    def test_the_last_of_the_worst_gives_the_code(self):
        by_step = ("--exit-code", "step")
        self.assertEqual(self.watch(self.serve(BUSY, GOOD), "--watch", "0.1,2").code, WARNING)
        self.assertEqual(self.watch(self.serve(GOOD), "--watch", "0.1,2", *by_step).code, OK)
        done = run(*self.words(self.serve(GOOD, BUSY, GONE, GOOD), "--watch", "0.1,4", *by_step)[1:])
        self.assertEqual((done.code, done.err), (21, ""))
        # A refusing banner, then a refused connection: both CRITICAL.
        once = self.serve(GONE)
        child = self.start(once, "--watch", "0.1", *by_step)
        child.stdout.readline()
        once.close()
        for line in child.stdout:
            if "connect: connection refused" in line:
                break
        child.send_signal(signal.SIGINT)
        self.assertEqual(child.wait(PATIENCE), 2)

    def test_verbose_has_its_text_below_each_line(self):
        lines, _, _ = self.table(self.watch(self.serve(GOOD), "--watch", "0.1,2", "-vv").out)
        self.assertEqual(sum(line.startswith("step ") for line in lines), 2)
        self.assertEqual(sum(line.endswith(" S: 220 mx.test ESMTP") for line in lines), 2)

    def test_json_is_an_object_a_line(self):
        outcome = run(*self.words(self.serve(GOOD, GONE), "--watch", "0.1,3", "--output", "json", "--exit-code",
                                  "step")[1:])
        probes = [json.loads(line) for line in outcome.out.splitlines()]
        self.assertEqual([(one["state"], one["exit_code"]) for one in probes],
                         [("OK", 0), ("CRITICAL", 21), ("CRITICAL", 21)])
        self.assertEqual(outcome.code, 21)

    def test_in_the_other_dialect(self):
        port = peers.closed_port()
        outcome = run("-H", "127.0.0.1", "-p", port, "--watch", "0.1,2", program=self.compatible)
        self.assertEqual(outcome.code, CRITICAL)
        for line in outcome.out.splitlines()[:2]:
            self.assertRegex(line, f"^{LINE}CRITICAL - connect to address 127.0.0.1 and port {port}: Connection")

    def test_the_lines_come_as_they_happen(self):
        child = self.start(self.serve(GOOD), "--watch", "3600")
        self.assertRegex(child.stdout.readline(), LINE + "SMTP OK")
        child.send_signal(signal.SIGTERM)
        rest = child.stdout.read()
        self.assertEqual(child.wait(PATIENCE), OK, rest)
        self.assertIn(": 1 probe, 1 OK\n", rest)

    def test_a_file_that_is_gone_is_an_error_of_the_users(self):
        server = ScriptedServer(TRANSCRIPTS / "starttls.txt")
        self.addCleanup(server.stop)
        trust = self.file("ca.pem", (server.certificates / "ca.pem").read_bytes())
        child = self.start(server.ports["starttls"], "-S", "--tls-verify", "require", "--tls-name",
                           "mx.test", "--ca-file", trust, "--watch", "0.3")
        self.assertRegex(child.stdout.readline(), LINE + "SMTP OK")
        trust.unlink()
        self.assertIn("SMTP UNKNOWN - --ca-file: ", child.stdout.read())
        self.assertEqual(child.wait(PATIENCE), UNKNOWN)

    def test_messages_differ_and_are_not_for_seconds(self):
        mail = ("-f", "a@b.test", "--to", "c@d.test", "--send")
        refused = self.watch(self.serve(GOOD), *mail, "--watch", "9")
        self.assert_usage_error(refused, "--watch: ", "10 seconds at least")
        module = self.file("module.yml", "modules:\n  mail:\n    tls: {mode: 'off'}\n"
                           "    mail: {from: a@b.test, to: [c@d.test]}\n    message: {subject: s}\n")
        refused = self.watch(self.serve(GOOD), "--config", module, "--module", "mail", "--watch", "1")
        self.assert_usage_error(refused, "--watch: ", "10 seconds at least")
        server = ScriptedServer("--mail")
        self.addCleanup(server.stop)
        done = self.run_clean("-H", "127.0.0.1", "-p", server.ports["mail"], *mail, "--watch", "10,2")
        self.assertEqual(done.code, OK, done.out)
        self.assertGreaterEqual(done.seconds, 10)
        ids = re.findall(r"Message-ID: (<[^>]+>)", server.log())
        self.assertEqual((len(ids), len(set(ids))), (2, 2), server.log())


class Ends(WatchCase):

    def test_at_rest(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            child = self.start(self.serve(GOOD), "--watch", "3600")
            child.stdout.readline()
            began = time.monotonic()
            child.send_signal(number)
            out = child.stdout.read()
            self.assertEqual(child.wait(PATIENCE), OK, out)
            self.assertTrue(HEADING.search(out.splitlines()[2]), out)
            self.assertLess(time.monotonic() - began, 30)

    def test_in_mid_probe(self):
        server = self.serve(GOOD, None)
        child = self.start(server, "--watch", "0.1", "-t", "3000")
        child.stdout.readline()
        peers.wait_until(lambda: len(server.taken) == 2, "a second connection")
        began = time.monotonic()
        child.send_signal(signal.SIGINT)
        out = child.stdout.read()
        self.assertEqual(child.wait(PATIENCE), OK, out)
        self.assertLess(time.monotonic() - began, 30)
        self.assertIn(": 1 probe, 1 OK\n", out)
        peers.wait_until(lambda: server.open == 0, "the end of the connection")

    def test_before_anything_is_known(self):
        server = self.serve(None)
        child = self.start(server, "--watch", "1", "-t", "3000")
        peers.wait_until(lambda: server.taken, "a connection")
        child.send_signal(signal.SIGINT)
        self.assertRegex(child.stdout.read(), r"^\n--- 127\.0\.0\.1:\d+: 0 probes\n$")
        self.assertEqual(child.wait(PATIENCE), UNKNOWN)

    def test_while_a_name_is_looked_up(self):
        # No name server's answer comes back from there; where there is none at all, there is nothing to wait for.
        child = self.start(25, "-H", "name.invalid", "--watch", "1")
        child.stdout.readline()
        child.send_signal(signal.SIGINT)
        self.assertIn("resolve ", child.stdout.read())
        self.assertEqual(child.wait(PATIENCE), UNKNOWN)

    def test_timeout_of_coreutils_which_signals_twice(self):
        done = subprocess.run(["timeout", "--preserve-status", "-s", "INT", "10" if SANITIZED else "5",
                               *self.words(self.serve(GOOD), "--watch", "0.2")], capture_output=True, text=True,
                              timeout=PATIENCE, env=environment(), check=False)
        self.assertEqual((done.returncode, done.stderr), (OK, ""), done.stdout)
        self.assertIn("\n--- ", done.stdout)

    def test_a_second_signal_while_the_process_ends(self):
        port = self.serve(GOOD)
        for milliseconds in range(0, 40, 2):
            child = self.start(port, "--watch", "3600")
            child.stdout.readline()
            child.send_signal(signal.SIGINT)
            time.sleep(milliseconds / 1000)
            child.send_signal(signal.SIGINT)
            out = child.stdout.read()
            self.assertEqual(child.wait(PATIENCE), OK, (milliseconds, out))

    def test_a_signal_that_comes_again_later_kills(self):
        # Nobody reads the pipe, which is full.
        reading, writing = os.pipe()
        self.addCleanup(os.close, reading)
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
        child = self.start(self.serve(GOOD), "--watch", "0.1", "-vvv", stdout=writing)
        os.close(writing)
        blocked = pathlib.Path(f"/proc/{child.pid}/wchan")
        status = pathlib.Path(f"/proc/{child.pid}/syscall")

        def stuck():
            try:
                return "pipe" in blocked.read_text() or status.read_text().startswith("1 ")
            except OSError:
                return False
        peers.wait_until(stuck, "a write that blocks", PATIENCE)

        def gone():
            child.send_signal(signal.SIGINT)
            try:
                return child.wait(1.2) is not None
            except subprocess.TimeoutExpired:
                return False
        peers.wait_until(gone, "the end", PATIENCE)
        self.assertEqual(child.returncode, -signal.SIGINT)

    def test_with_its_reader(self):
        done = subprocess.run(["bash", "-c", '"$@" | head -1; echo "${PIPESTATUS[0]}"', "bash",
                               *self.words(self.serve(GOOD), "--watch", "0.1")], capture_output=True, text=True,
                              timeout=PATIENCE, env=environment(), check=False)
        self.assertRegex(done.stdout, f"^{LINE}SMTP OK - .*\n{UNKNOWN}\n$")
        self.assertEqual(done.stderr, "")

    def test_on_a_full_disk_and_without_output(self):
        words = self.words(self.serve(GOOD), "--watch", "0.1")
        for how in (">/dev/full", ">&-", "<&- >&-"):
            done = subprocess.run(["/bin/sh", "-c", f'exec "$@" {how}', "sh", *words], stderr=subprocess.PIPE,
                                  timeout=PATIENCE, env=environment(), check=False)
            self.assertEqual((done.returncode, done.stderr), (UNKNOWN, b""), how)


class Ticks(WatchCase):

    def test_are_kept_and_never_overtaken(self):
        began, inside, most = [], [], []

        def slow(connection):
            began.append(time.monotonic())
            inside.append(connection)
            most.append(len(inside))
            time.sleep(0.35 if len(began) == 2 else 0)
            lines = connection.makefile("rb")
            connection.sendall(b"220 mx.test ESMTP\r\n")
            for line in lines:
                if line.startswith(b"QUIT"):
                    inside.pop()  # before the client knows that it has ended
                    connection.sendall(b"221 bye\r\n")
                    return
                connection.sendall(b"250 mx.test\r\n")
        server = Listener(slow)
        self.addCleanup(server.close)
        start = time.monotonic()
        outcome = self.watch(server, "--watch", "0.2,4")
        self.assertEqual(outcome.code, OK)
        self.assertEqual(len(began), 4)
        # At ticks 0, 1, 3 (2 has passed meanwhile), 4; later on a busy machine, never earlier.
        for tick, at in zip((0, 1, 3, 4), began):
            self.assertGreaterEqual(at - start, 0.2 * tick)
        self.assertEqual(max(most), 1)

    def test_memory_has_an_end(self):
        server = self.serve(GOOD)
        child = self.start(server, "--watch", "0.1", stdout=subprocess.DEVNULL)

        def resident():
            text = pathlib.Path(f"/proc/{child.pid}/status").read_text()
            return int(re.search(r"VmRSS:\s+(\d+)", text)[1])
        peers.wait_until(lambda: len(server.taken) > 5, "probes", PATIENCE)
        before = resident()
        peers.wait_until(lambda: len(server.taken) > 35, "more probes", PATIENCE)
        # What is freed under a sanitizer goes back later.
        self.assertLess(resident() - before, 65536 if SANITIZED else 512)
        self.assertLess(len(os.listdir(f"/proc/{child.pid}/fd")), 12)
