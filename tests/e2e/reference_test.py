"""The reference pages say what the programs print: docs/metrics.md, perfdata.md, reply-codes.md, troubleshooting.md."""

import re
import unittest

import reference_pages
import troubleshooting_page
from documents import ROOT


class Pages(unittest.TestCase):

    maxDiff = None

    def test_pages_are_what_the_programs_print(self):
        for name, text in reference_pages.pages().items():
            with self.subTest(name):
                self.assertEqual((ROOT / "docs" / name).read_text(), text,
                                 "write it anew: tests/e2e/reference_pages.py --write")

    def test_every_reason_has_its_words(self):
        self.assertEqual(set(troubleshooting_page.REASONS), set(troubleshooting_page.reasons_of_source()) - {"ok"})

    def test_every_step_has_its_words(self):
        self.assertEqual(list(troubleshooting_page.STEPS), troubleshooting_page.steps_of_source())

    def test_the_samples_agree_on_what_refuses_to_relay(self):
        """postfix_test.py shows why 454 is one of them."""
        samples = [ROOT / "README.md"]
        for folder, kinds in (("docs", (".md", ".8", ".5")), ("deploy", (".yml", ".cfg", ".conf", ".json"))):
            samples += [one for one in sorted((ROOT / folder).rglob("*")) if one.suffix in kinds]
        found = [(one.name, re.findall(r"\d+", codes)) for one in samples
                 for codes in re.findall(r"rcpt(?:=|: \[)([\d,\" ]*\b55\d\b[\d., \"]*)", one.read_text())]
        self.assertGreaterEqual(len(found), 10)
        wanted = ["454", "530", "550", "551", "553", "554"]
        self.assertEqual([(name, codes) for name, codes in found if codes != wanted], [])


if __name__ == "__main__":
    unittest.main()
