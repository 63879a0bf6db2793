"""The time of a step is the server's, whatever becomes of the wall clock meanwhile, and where the kernel gives no
receive timestamps. A shim (tests/fault_shims) sets the clock that the programs see; the machine's stays."""

import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import time
import unittest

from exporter import ExporterCase, Listener
from probe import BUSY, OK, environment, run, step

SHIM = pathlib.Path(__file__).resolve().parents[1] / "fault_shims" / "clock_step.c"
PAUSE = 0.2
SLACK = 0.5  # less than the smallest step of the clock
TRIES = 5  # a busy machine is late now and then, a clock that is believed is wrong every time
STEPS = ("banner", "ehlo", "quit")
PLAIN = "max_probes_per_host: 0\nmodules: {plain: {tls: {mode: off}, timeout: 5s}}\n"


def deliberate(taken):
    """Takes its time for each reply; how long it was in truth, on a busy machine, is added to `taken`."""
    def pause():
        began = time.monotonic()
        time.sleep(PAUSE)
        taken.append(time.monotonic() - began)

    def serve(connection):
        lines = connection.makefile("rb")
        pause()
        connection.sendall(b"220 mx.test ESMTP\r\n")
        for line in lines:
            pause()
            connection.sendall(b"221 bye\r\n" if line.startswith(b"QUIT") else b"250 mx.test\r\n")
    return serve


@unittest.skipIf(shutil.which("cc") is None, "no cc")
class ClockCase(ExporterCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.shim = cls.folder / "clock_step.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o", cls.shim, SHIM],
                       check=True)
        cls.taken = []
        cls.server = Listener(deliberate(cls.taken))
        cls.addClassCleanup(cls.server.close)

    def shimmed(self, **settings):
        # The sanitizer's runtime need not be the first library: the shim calls the kernel alone.
        options = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
        return environment(LD_PRELOAD=str(self.shim), ASAN_OPTIONS=options, **settings)

    def check(self, **settings):
        for _ in range(TRIES):
            outcome, said = self.measured(settings)
            if said is None:
                return outcome
        return self.fail(said)

    def measured(self, settings):
        """The outcome, and what is wrong with its times; None where they are true."""
        self.taken.clear()
        outcome = run("-H", "127.0.0.1", "-p", self.server.port, "--output", "json", env=self.shimmed(**settings))
        result = self.assert_verdict(outcome, OK, "ehlo")
        took = {name: step(result, name)["seconds"] for name in STEPS}
        # A busy machine may take notice of the connection late, and the banner is on its way by then.
        for seconds, truth, early in zip(took.values(), self.taken, (0.1, 0.005, 0.005)):
            if not truth - early <= seconds <= truth + SLACK:
                return outcome, (settings, took, self.taken)
        truth = sum(self.taken[:2])
        if not truth - 0.1 <= result["response_time_seconds"] <= truth + 3 * SLACK:
            return outcome, outcome.out
        return outcome, None


class Check(ClockCase):

    def test_the_shim_is_there(self):
        """Else the rest would prove nothing."""
        self.assertNotIn("2126-", self.check().json["results"][0]["started"])
        century = 100 * 365 * 86400 + 25 * 86400
        ahead = self.check(CLOCK_STEPS=f"0:{century}").json["results"][0]["started"]
        self.assertGreater(int(ahead[:4]), time.gmtime().tm_year + 98)

    def test_set_before_a_reply(self):
        for seconds in (3600, -3600, 1, 86400 * 365):
            for at in (100, 300):
                with self.subTest(seconds=seconds, at=at):
                    self.check(CLOCK_STEPS=f"{at}:{seconds}")

    def test_set_back_and_forth(self):
        self.check(CLOCK_STEPS="50:3600,120:-3600,170:0,250:3600,330:-3600,390:7200")
        self.check(CLOCK_PERIOD="7:3600")
        self.check(CLOCK_PERIOD="1:-3600")

    def test_set_between_a_reply_and_its_reading(self):
        for number in (1, 2, 3):
            for seconds in (3600, -3600, 1, -1):
                with self.subTest(number=number, seconds=seconds):
                    self.check(CLOCK_STEP_ON_READ=f"{number}:{seconds}")

    def test_no_timestamps(self):
        self.check(NO_TIMESTAMPS="1")


class Exporter(ClockCase):

    def probes(self, **settings):
        exporter = self.start(config=PLAIN, env=self.shimmed(**settings))
        with concurrent.futures.ThreadPoolExecutor(10) as pool:
            answers = [one.result() for one in
                       [pool.submit(exporter.probe, self.server.target, "plain") for _ in range(30)]]
        for answer in answers:
            metrics = self.assert_exposed(answer.metrics, OK)
            took = metrics.by("probe_smtp_step_duration_seconds", "step")
            for name in STEPS:
                self.assertTrue(PAUSE - (0.1 if name == "banner" else 0.005) <= took[name] <= max(self.taken) + BUSY, (settings, took))
            self.assertLess(metrics.value("probe_duration_seconds"), 3 * max(self.taken) + 3 * BUSY)
        return exporter

    def test_set_back_and_forth(self):
        for period in ("100:3600", "3:-3600"):
            exporter = self.probes(CLOCK_PERIOD=period)
            # What waits by a clock waits by the one that nobody sets.
            silent = Listener(lambda connection: connection.recv(1) and None)
            self.addCleanup(silent.close)
            answer = exporter.probe(silent.target, "plain", timeout="1.5")
            self.assertEqual(answer.metrics.failure, ("banner", "timeout"))
            self.assertTrue(0.95 < answer.seconds < 1 + BUSY, answer.seconds)
            lag = exporter.metrics()
            self.assertLess(lag.value("smtp_probe_exporter_event_loop_lag_seconds_sum"), 60)

    def test_no_timestamps(self):
        self.probes(NO_TIMESTAMPS="1")
