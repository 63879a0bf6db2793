"""Every row of hostile_rows.py against both programs, in clear and in TLS: the verdict, the time, the memory, and that
what is printed is printable. One line a row is printed, and docs/hostile-servers.md is what the table makes of itself."""

import collections
import concurrent.futures
import json
import os
import pathlib
import queue
import re
import subprocess
import threading
import time
import warnings

import hostile_peers
import hostile_rows
from exporter import Exporter, ExporterCase, Listener, server_context
from exporter_transcripts_test import NOT_IN_YAML, module_of
from exposition import Exposition, promtool
from hostile_certificates import Maker
from hostile_output import LOGFMT, Strict, controls
from hostile_rows import CLEAR, EVERYWHERE, ROWS, STARTTLS, Place, Script
from probe import CHECK, SANITIZED, STATES, ScriptedServer, environment
from scripted_test import options_of

WORKERS = 6
AT_ONCE = 4  # probes of the exporter's at one server, for its memory
SLACK = 6.0 if SANITIZED else 0.1  # seconds over the deadline
MOST_EXTRA_KIB = 2048
FIRST_LINE_BYTES, DEFAULT_BYTES = 512, 4096
SECRET = "secret"
# The ways in which a secret could be shown: itself and as base64 of it and of whole SASL responses with it.
SECRETS = (SECRET, "c2VjcmV0", "AHByb2JlAHNlY3JldA==")
# A good session of the same kind, by whose memory a hostile one is measured.
YARDSTICKS = {"plain": "plain", "auth": "auth-plain-mail", "message": "mdaemon"}
# In a network of its own, with an address and without a route or IPv6.
ALONE = ["unshare", "-n" if os.geteuid() == 0 else "-rn", "sh", "-c",
         'ip addr add 198.51.100.7/32 dev lo && exec "$@"', "sh"]

Trial = collections.namedtuple("Trial", "row case mode name target module options limit yardstick")


class Line:
    """What a row came to."""

    def __init__(self, row):
        self.row = row
        self.failures = []
        self.ran = set()
        self.seconds = self.kib = 0.0

    def word(self, kind):
        if kind not in self.ran:
            return "-"
        return "FAILED" if any(kind in failed for failed, *_ in self.failures) else "ok"

    def __str__(self):
        if not self.ran:
            held = ", ".join(sorted({file for file, *_ in self.row.elsewhere}))
            return f"{self.row.id:<4} {self.row.title:<52} " + (f"held by {held}" if held else "not built")
        return (f"{self.row.id:<4} {self.row.title:<52} check: {self.word('check')}  exporter: {self.word('exporter')}  "
                f"tls: {self.word('tls')}  worst {self.seconds:.3f} s  {self.kib / 1024:+.1f} MiB")


class HostileServers(ExporterCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.counter = iter(range(10**6))
        cls.lock = threading.Lock()
        cls.secret = cls.folder / "credential"
        cls.secret.write_text(SECRET)
        cls.held = []
        cls.expositions = {}
        cls.modules = {}
        cls.start_scripts()
        cls.trials = [cls.trial(row, case, mode) for row in ROWS for case in row.cases for mode in case.modes()]

    @classmethod
    def tearDownClass(cls):
        for one in cls.held:
            one.close()
        super().tearDownClass()

    @classmethod
    def start_scripts(cls):
        """One scripted server with every transcript of the table over every channel, and with the good ones."""
        wanted = {(case.name, mode): case for row in ROWS for case in row.cases if isinstance(case, Script)
                  for mode in case.modes()}
        wanted |= {(name, mode): Script(name) for name in YARDSTICKS.values() for mode in Script(name).modes()}
        files = []
        for (name, mode), case in wanted.items():
            as_written = dict(case.settings("plan:")).get("tls", "off") != "off" or mode == CLEAR
            path = cls.folder / f"{name}.{mode}.txt"
            path.write_text(case.path.read_text() if as_written else case.moved(mode))
            files.append(path)
        cls.scripts = {(name, mode): path for (name, mode), path in zip(wanted, files)}
        cls.server = ScriptedServer(*files)
        cls.addClassCleanup(cls.server.stop)
        Maker(cls.server.certificates).write_all()

    @classmethod
    def trial(cls, row, case, mode):
        name = f"{row.id}-{next(cls.counter)}-{mode}"
        if isinstance(case, Script):
            return cls.script_trial(row, case, mode, name)
        module = {"helo": "probe.test", "timeout": "10s"} | dict(case.plan)
        verify = module.pop("verify", "report")
        legacy = module.pop("legacy", False)
        if isinstance(case, Place):
            place = case.make() if case.make else None
            cls.held += [place] if place else []
            target = case.target or f"127.0.0.1:{place.port}"
        else:
            listener = cls.listener(case, mode)
            target = listener.target
        module["tls"] = {"mode": "off" if mode == CLEAR else mode}
        if mode != CLEAR:
            own = cls.server.certificates / f"{case.certificate}.pem"
            authority = own if case.certificate not in ("server", "hostile", "old") else cls.server.certificates / "ca.pem"
            module["tls"] |= {"verify": verify, "server_name": "mx.test", "ca_file": str(authority)} | \
                ({"legacy": True} if legacy else {})
        if "auth" in module:
            auth = dict(module["auth"])
            auth.pop("password")
            module["auth"] = auth | {"password_file": str(cls.secret), "targets": [target]}
        cls.modules[name] = module
        limit = 1.0 if module["timeout"] == "1s" else 10.0
        return Trial(row, case, mode, name, target, name, None, limit, "auth" if "auth" in module else "plain")

    @classmethod
    def script_trial(cls, row, case, mode, name):
        plan = [one for one in case.settings("plan:") if one[0] != "tls"] + [("tls", mode)] * (mode != CLEAR)
        if mode == "opportunistic" or dict(case.settings("plan:")).get("tls") == "implicit":
            plan = case.settings("plan:")
        port = cls.server.ports[f"{case.name}.{mode}"]
        said = dict(plan)
        limited = any(key == "timeout" or key.startswith("limit.") for key in said)
        yardstick = "auth" if "auth" in said else "message" if "message" in said else "plain"
        if any(key in NOT_IN_YAML for key in said):
            options = options_of(plan, lambda _: cls.secret)
            if mode != CLEAR:
                options += ["--ca-file", cls.server.certificates / "ca.pem", "--tls-name", "mx.test"]
            return Trial(row, case, mode, name, f"127.0.0.1:{port}", None, options, 1.0 if limited else 10.0, yardstick)
        cls.modules[name] = module_of(plan, port, cls.server.certificates / "ca.pem", lambda _: cls.secret)
        return Trial(row, case, mode, name, f"127.0.0.1:{port}", name, None, 1.0 if limited else 10.0, yardstick)

    @classmethod
    def listener(cls, case, mode):
        context = None
        if mode != CLEAR:
            context = server_context(cls.server.certificates, "server" if case.certificate == "old" else case.certificate) \
                if case.serve != "not-its-type" else None
            if case.certificate == "old":
                context.set_ciphers("ALL:@SECLEVEL=0")
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", DeprecationWarning)
                    context.minimum_version = context.maximum_version = hostile_peers.ssl.TLSVersion.TLSv1
            if context:
                context.folder = cls.server.certificates
        serve = case.serve
        if serve == "not-its-type":
            serve = hostile_peers.certificate_and_silence((cls.server.certificates / "not-its-type.pem").read_text())
        listener = Listener(lambda connection: serve(connection, mode, context))
        cls.held.append(listener)
        return listener

    # One trial.

    def checked(self, trial, *output):
        """One run of the check: exit code, stdout, seconds, peak KiB."""
        with self.lock:
            peak = self.folder / f"peak-{next(self.counter)}"
        words = ["time", "-q", "-f", "%M", "-o", peak, CHECK, *(["-H", trial.target])]
        if trial.options is None:
            words += ["--config", self.own_config(trial), "--module", trial.module]
        else:
            words += trial.options
        prefix = ALONE if getattr(trial.case, "alone", False) else []
        began = time.monotonic()
        done = subprocess.run([*prefix, *map(str, words), *output], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, errors="surrogateescape", timeout=120, env=environment(), check=False)
        seconds = time.monotonic() - began
        kib = int(peak.read_text())
        peak.unlink()
        return done.returncode, done.stdout, done.stderr, seconds, kib

    def own_config(self, trial):
        """A configuration with its module alone: reading all of them would take longer than most probes."""
        path = self.folder / f"{trial.name}.yml"
        with self.lock:
            if not path.exists():
                path.write_text(json.dumps({"modules": {trial.module: self.modules[trial.module]}}))
        return path

    def assert_printable(self, text, trial):
        self.assertEqual(controls(text), [], text)
        if trial.yardstick == "auth":
            for secret in SECRETS:
                self.assertNotIn(secret, text.replace("<secret>", ""))  # which stands for one in a configuration

    def try_check(self, trial, line):
        state, step, reason = trial.case.outcome(trial.mode)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            text_run = pool.submit(self.checked, trial, "-vvv")
            code, out, err, seconds, kib = self.checked(trial, "--output", "json")
            verbose = text_run.result()
        self.assertEqual((err, verbose[2]), ("", ""))
        whole = json.loads(out)
        first = whole["findings"][0] if whole["findings"] else {"step": None, "reason": None}
        self.assertEqual((STATES[code], first["step"], first["reason"]), (state, step, reason), out)
        self.assertEqual(whole["exit_code"], code)
        said = [one["detail"] or "" for one in whole["results"][0]["steps"]] + [one["text"] for one in whole["findings"]]
        self.assertIn(getattr(trial.case, "text", ""), "\n".join(said))
        self.assert_printable(out, trial)
        self.assertEqual(verbose[0], code, verbose[1])
        self.assert_printable(verbose[1], trial)
        self.assertEqual(verbose[1].count("|"), 1, verbose[1])
        head = verbose[1].split("|")[0]
        self.assertNotIn("\n", head)
        self.assertLessEqual(len(head.encode()), FIRST_LINE_BYTES)
        # Without -v there is the first line alone.
        self.assertLessEqual(len(verbose[1].split("\n")[0].encode()), DEFAULT_BYTES)
        self.note_time(trial, line, "check", seconds, lambda: self.checked(trial, "--output", "json")[3])
        if not SANITIZED:
            extra = kib - self.yardsticks[trial.yardstick, trial.mode if trial.mode in EVERYWHERE else STARTTLS]
            line.kib = max(line.kib, extra)
            self.assertLessEqual(extra, MOST_EXTRA_KIB, "KiB over a good session")

    @staticmethod
    def took(answer):
        return max(answer.seconds, answer.metrics.value("probe_duration_seconds"))

    def note_time(self, trial, line, kind, seconds, again):
        """One that was too late is measured again when nothing else of ours runs."""
        if seconds <= trial.limit + SLACK:
            line.seconds = max(line.seconds, seconds)
        else:
            self.late.put((trial, line, kind, again))

    def measure_the_late_again(self):
        while not self.late.empty():
            trial, line, kind, again = self.late.get()
            # Where others keep the processors busy, late is as late as they make it.
            slack = SLACK * max(1.0, os.getloadavg()[0] / os.cpu_count())
            seconds = again()
            for _ in range(9):  # what is late by itself is late every time
                if seconds > trial.limit + slack:
                    seconds = min(seconds, again())
            line.seconds = max(line.seconds, seconds)
            if seconds > trial.limit + slack:
                line.failures.append(({kind}, f"{trial.name} {kind}: {seconds:.3f} s, allowed {trial.limit} s"))

    def assert_answer(self, trial, metrics):
        state, step, reason = trial.case.outcome(trial.mode)
        self.assert_exposed(metrics, STATES.index(state), (step, reason) if reason else None)
        self.assert_printable(metrics.text, trial)
        with self.lock:
            self.expositions.setdefault((trial.row.id, trial.name), metrics.text)

    def try_alone(self, trial, line):
        """--once, where the exporter could not be asked."""
        began = time.monotonic()
        done = subprocess.run([*ALONE, os.environ["EXPORTER"], "--once", trial.target, "--module", trial.module,
                               "--config.file", self.own_config(trial)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=60, env=environment(), check=False)
        line.seconds = max(line.seconds, time.monotonic() - began)
        text = done.stdout
        metrics = Exposition(text)
        state, step, reason = trial.case.outcome(trial.mode)
        self.assertEqual((metrics.value("probe_smtp_state"), metrics.failure), (STATES.index(state), (step, reason)), text)
        self.assertEqual(done.returncode, STATES.index(state))

    def try_exporter(self, trial, line, exporter):
        if getattr(trial.case, "alone", False):
            return self.try_alone(trial, line)
        before, _ = self.memory(exporter, reset=True)
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            plain = [pool.submit(exporter.probe, trial.target, trial.module) for _ in range(AT_ONCE - 2)]
            others = [pool.submit(exporter.probe, trial.target, trial.module, **how)
                      for how in ({"debug": "true"}, {"view": "page"})]
            answers = [one.result() for one in plain]
            debug, page = [one.result() for one in others]
        _, peak = self.memory(exporter)
        for answer in answers:
            self.assert_answer(trial, answer.metrics)
        self.note_time(trial, line, "exporter", max(self.took(one) for one in answers),
                       lambda: self.took(exporter.probe(trial.target, trial.module)))
        self.assertEqual((debug.status, page.status), (200, 303))
        self.assert_printable(debug.text, trial)
        shown = exporter.get("/" + page.header("location"))
        self.assertEqual(shown.status, 200)
        self.assertEqual(Strict(shown.text).strange, [])
        self.assert_printable(shown.text, trial)
        if not SANITIZED:
            extra = (peak - before) / AT_ONCE
            line.kib = max(line.kib, extra)
            self.assertLessEqual(extra, MOST_EXTRA_KIB, "KiB for a session of the exporter's")

    @staticmethod
    def memory(exporter, reset=False):
        """Resident and peak KiB of the exporter; with `reset` the peak begins anew."""
        folder = pathlib.Path(f"/proc/{exporter.process.pid}")
        if reset:
            (folder / "clear_refs").write_text("5")
        status = (folder / "status").read_text()
        return tuple(int(re.search(rf"{name}:\s+(\d+) kB", status)[1]) for name in ("VmRSS", "VmHWM"))

    # All of them.

    def try_row(self, row):
        line = Line(row)
        exporter = self.exporters.get()
        try:
            for trial in self.trials:
                if trial.row is not row:
                    continue
                tls = {"tls"} if trial.mode != CLEAR else set()
                kinds = [("check", lambda: self.try_check(trial, line))]
                if trial.module:
                    kinds.append(("exporter", lambda: self.try_exporter(trial, line, exporter)))
                for kind, attempt in kinds:
                    line.ran |= {kind} | tls
                    try:
                        attempt()
                    except Exception as error:  # every case is to be heard
                        title = trial.case.name if isinstance(trial.case, Script) else trial.case.title
                        line.failures.append(({kind} | tls, f"{row.id} {title} ({trial.mode}) {kind}: "
                                              f"{type(error).__name__}: {error}"))
        finally:
            self.exporters.put(exporter)
        return line

    def measure_yardsticks(self):
        self.yardsticks = {}
        for kind, name in YARDSTICKS.items():
            for mode in Script(name).modes():
                trial = self.script_trial(None, Script(name), mode, f"good-{kind}-{mode}")
                self.good.append(trial)
        self.config_file.write_text(json.dumps({"max_probes_per_host": 0, "modules": self.modules}))
        for trial in self.good:
            kind = trial.yardstick
            code, out, _, _, kib = self.checked(trial, "--output", "json")
            self.assertEqual(code, 0, out)
            self.yardsticks[kind, trial.mode] = kib

    def test_every_row(self):
        self.good = []
        self.config_file = self.folder / "modules.yml"
        self.measure_yardsticks()
        self.exporters, self.late = queue.Queue(), queue.Queue()
        every = []
        for number in range(WORKERS):
            exporter = self.start("--history.limit", "2", "--log.format", "json" if number % 2 else "logfmt",
                                  config=self.config_file.read_text())
            for trial in self.good * 2:  # what the first sessions need stays
                with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
                    for one in [pool.submit(exporter.probe, trial.target, trial.module) for _ in range(AT_ONCE)]:
                        self.assertEqual(one.result().metrics.value("probe_smtp_state"), 0)
            every.append(exporter)
            self.exporters.put(exporter)
        # Those that wait longest go first.
        waits = {row.id: sum(trial.limit < 5 for trial in self.trials if trial.row is row) for row in ROWS}
        with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
            lines = {row.id: pool.submit(self.try_row, row) for row in sorted(ROWS, key=lambda row: -waits[row.id])}
        lines = [lines[row.id].result() for row in ROWS]
        self.measure_the_late_again()
        print(*lines, sep="\n", flush=True)
        for line in lines:
            for _, words in line.failures:
                with self.subTest(line.row.id):
                    self.fail(words)
        self.assertEqual([line.row.id for line in lines], [f"H{number}" for number in range(1, 67)])
        for exporter in every:
            self.assertEqual(Strict(exporter.get("/").text).strange, [])
            self.assert_log(exporter.log())
            self.assertEqual(exporter.own("probes_in_flight"), 0)
        self.assert_promtool()

    def assert_log(self, text):
        self.assertEqual(controls(text), [])
        for secret in SECRETS:
            self.assertNotIn(secret, text)
        for one in text.splitlines():
            self.assertTrue(json.loads(one) if one.startswith("{") else LOGFMT.fullmatch(one), one)

    def assert_promtool(self):
        """It has nothing to say about a sample of them; all were read strictly when they came."""
        self.assertGreater(len(self.expositions), 300)
        sample = {key: self.expositions[key] for key in sorted(self.expositions)[::2]}
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            said = {key: pool.submit(promtool, "check", "metrics", stdin=text) for key, text in sample.items()}
        for key, words in said.items():
            with self.subTest(key):
                self.assertEqual(words.result(), (0, ""), self.expositions[key])

    def test_texts_make_no_series(self):
        """Servers that say something else each time: the same samples, by name and labels."""
        exporter = self.start(config=json.dumps({"modules": {"m": {"tls": {"mode": "off"}, "mail": {"from": "a@b.test"}}}}))
        series = set()
        for seed in range(20):
            serve = hostile_peers.random_noise(seed)
            listener = Listener(lambda connection, serve=serve: serve(connection, CLEAR, None))
            self.held.append(listener)
            metrics = exporter.probe(listener.target, "m").metrics
            self.assertEqual(metrics.failure, ("mail", "reply_5xx"), metrics.text)
            series.add(tuple(sorted((one.name, tuple(sorted(one.labels.items()))) for one in metrics.all)))
        self.assertEqual(len(series), 1, series)

    def test_the_document_is_the_tables(self):
        self.assertEqual(hostile_rows.DOCUMENT.read_text(), hostile_rows.document(),
                         "run tests/e2e/hostile_rows.py --write")

    def test_what_others_hold_is_there(self):
        for row in ROWS:
            self.assertTrue(row.cases or row.elsewhere or row.not_built, row.id)
            for file, name, _ in row.elsewhere:
                path = hostile_rows.ROOT / file
                self.assertTrue(path.exists(), f"{row.id}: {file}")
                defined = rf"(?m)^\s*(class|def) {name}\(|^TEST(_F|_P)?\(({name}, |\w+,\s+{name}\))"
                self.assertRegex(path.read_text(), defined, f"{row.id}: {file}")
