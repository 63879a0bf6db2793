"""check_smtp 2.3.3 of the distribution and ours under its name, with the same words against the same servers: the same
exit code and first line, or a difference that stands in the tables behind dropin_rows.py, exactly as it stands there."""

import os
import pathlib
import re
import shlex
import shutil
import tempfile
import unittest

import dropin_rows
from dropin_pairs import THEIRS, Case, Pairs
from probe import CHECK, run

PRINTED = 512


def missing():
    return None if os.access(THEIRS, os.X_OK) else f"not installed: {THEIRS}"


@unittest.skipIf(missing(), missing())
class DropIn(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="smtp-probe-dropin-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.pairs = Pairs(cls.folder)
        cls.addClassCleanup(cls.pairs.stop)

    def assert_printable(self, said):
        """What holds for every output of ours, whatever was asked."""
        self.assertEqual(said.outcome.err, "")
        self.assertIn(said.code, range(4))
        self.assertNotEqual(said.line, "")
        self.assertLessEqual(len(said.outcome.text.encode()), PRINTED)
        self.assertLessEqual(said.outcome.first.count("|"), 1)
        if " sec. response time" in said.outcome.out:
            self.assertIsNotNone(said.thresholds, said.outcome.out)  # `time` comes first, in check_smtp's form

    def test_the_old_one_is_2_3_3(self):
        self.assertIn("v2.3.3 ", run("-V", program=THEIRS).first)

    def test_the_same(self):
        cases = [Case(server, options) for server, lines in dropin_rows.SAME.items() for options in lines]
        cases += [Case("nobody", options, alone=True) for options in dropin_rows.SAME_ALONE]
        self.assertEqual(len(cases), len(set(cases)))
        answers = [(case, self.pairs.theirs_of(case), self.pairs.ours_of(case)) for case in cases]
        for case, theirs, ours in answers:
            with self.subTest(str(case)):
                theirs, ours = theirs.result(), ours.result()
                self.assert_printable(ours)
                self.assertTrue(ours.begins_as(theirs), f"not in the table:\n{theirs}\n{ours}")
                if theirs.thresholds is not None:
                    self.assertEqual(ours.thresholds, theirs.thresholds, ours.outcome.out)

    def test_the_differences(self):
        rows = [(difference, shown, Case(shown.server, shown.options, shown.alone))
                for difference in dropin_rows.DIFFERENCES for shown in difference.shown]
        answers = [(*row, self.pairs.theirs_of(row[2]), self.pairs.ours_of(row[2]),
                    None if row[1].old is None else self.pairs.ours_of(row[2], row[1].old)) for row in rows]
        for difference, shown, case, theirs, ours, with_old in answers:
            with self.subTest(f"{difference.title}: {case}"):
                theirs, ours = theirs.result(), ours.result()
                self.assert_printable(ours)
                self.assertEqual((str(theirs), str(ours)), (shown.theirs, shown.ours))
                if with_old is not None:
                    with_old = with_old.result()
                    self.assertEqual(with_old.code, theirs.code, with_old.line)
        for difference in dropin_rows.DIFFERENCES:
            with self.subTest(difference.title):
                self.assertTrue(difference.shown)

    def test_what_differs_no_longer(self):
        """A line of the table that would pass as the same has no place in it; `-v` differs below the first line."""
        class Line:
            def __init__(self, text):
                code, _, self.line = text.partition(" ")
                self.code = int(code)
        for difference in dropin_rows.DIFFERENCES:
            for shown in difference.shown:
                theirs, ours = Line(shown.theirs), Line(shown.ours)
                with self.subTest(f"{difference.title}: {shown.options}"):
                    self.assertFalse(ours.code == theirs.code and ours.line.startswith(theirs.line))

    def test_what_is_said(self):
        lines = [(wire, self.pairs.pool.submit(self.pairs.wire, wire.server, wire.options, THEIRS),
                  self.pairs.pool.submit(self.pairs.wire, wire.server, wire.options, self.pairs.ours),
                  None if wire.old is None else
                  self.pairs.pool.submit(self.pairs.wire, wire.server, wire.old, self.pairs.ours))
                 for wire in dropin_rows.WIRES]
        for wire, theirs, ours, with_old in lines:
            with self.subTest(f"{wire.options} ({wire.server})"):
                self.assertEqual((theirs.result(), ours.result()), (wire.theirs, wire.ours))
                if with_old is not None:
                    self.assertEqual(with_old.result(), wire.theirs)

    def test_the_dialect_by_option(self):
        """--dialect is as good as the name."""
        for server, options in (("good", "-S"), ("nobody", ""), ("banner 554", "")):
            with self.subTest(server):
                case = Case(server, options)
                _, words = self.pairs.words(case, options)
                by_option = run("--dialect", "check_smtp", *words, program=CHECK)
                by_name = self.pairs.ours_of(case).result().outcome
                self.assertEqual((by_option.code, by_option.text.split(" - 0.")[0]),
                                 (by_name.code, by_name.text.split(" - 0.")[0]))

    def test_the_commands_of_the_document(self):
        """Those that put it in the place of Debian's, and those that take it away, in a system that is a folder."""
        root = self.folder / "root"
        plugins = root / "usr/lib/nagios/plugins"
        for folder in (plugins, root / "var/lib/dpkg/info", root / "var/lib/dpkg/updates"):
            folder.mkdir(parents=True)
        (root / "var/lib/dpkg/status").touch()
        shutil.copy(THEIRS, plugins / "check_smtp")
        (plugins / "check_smtp_probe").symlink_to(CHECK)
        text = dropin_rows.document()
        blocks = [block for block in re.findall(r"```sh\n(.*?)```", text, re.S) if "dpkg-divert" in block]
        self.assertEqual(len(blocks), 2)
        for block, ours in zip(blocks, (True, False)):
            for line in block.replace("sudo ", "").splitlines():
                words = [str(root) + word if word.startswith("/") else word for word in shlex.split(line)]
                if words[0] == "dpkg-divert":
                    words = ["dpkg-divert", f"--root={root}", *shlex.split(line)[1:]]
                done = run(*words[1:], program=shutil.which(words[0], path="/usr/bin:/bin"))
                self.assertEqual(done.code, 0, done.err)
            self.assertIn("(smtp-probe " if ours else "v2.3.3", run("-V", program=plugins / "check_smtp").first)
            self.assertEqual((plugins / "check_smtp.distrib").exists(), ours)

    def test_the_document_is_the_tables(self):
        self.assertEqual(dropin_rows.DOCUMENT.read_text(), dropin_rows.document(), "run tests/e2e/dropin_rows.py --write")
