"""The reference pages say what the programs print: docs/metrics.md, perfdata.md, reply-codes.md, troubleshooting.md."""

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


if __name__ == "__main__":
    unittest.main()
