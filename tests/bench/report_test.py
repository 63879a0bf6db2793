"""bench/report.py on recorded figures: what was measured is on the page, and a ratio is what it is said to be."""

import json
import pathlib
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "bench"))

import report  # noqa: E402


class Report(unittest.TestCase):
    def setUp(self):
        self.figures = json.loads((HERE / "figures.json").read_text())

    def page(self):
        return report.page(self.figures, 8, 2000)

    def rows(self, first):
        """The cells of each line of a table whose first cell is that."""
        lines = (line for line in self.page().splitlines() if line.startswith(f"| {first} |"))
        return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]

    def test_every_program_and_version_is_there(self):
        self.assertEqual(len(self.rows("**check_smtp_probe**")), 4)
        self.assertEqual(len(self.rows("swaks")), 4 + 1)  # and its version
        self.assertEqual(len(self.rows("smtp-source")), 1 + 1)
        for version in self.figures["about"]["versions"].values():
            self.assertIn(version, self.page())

    def test_every_load_is_there(self):
        self.assertEqual([row[1] for row in self.rows("STARTTLS, verified")][:3], ["1", "64", "2,000"])
        self.assertEqual([row[0] for row in self.rows("10") + self.rows("1,000")], ["10", "1,000"])

    def test_tables_are_whole(self):
        width = None
        for line in self.page().splitlines():
            if not line.startswith("|"):
                width = None
                continue
            width = width or line.count("|")
            self.assertEqual(line.count("|"), width, line)

    def test_a_ratio_is_that_of_a_repetition(self):
        row = self.figures["in_flight"][0]
        row["ours"]["cpu_us"], row["blackbox"]["cpu_us"] = [10, 60, 20], [100, 120, 50]
        # The ratio of the medians would be 0.20.
        self.assertEqual(self.rows("plain")[0][3:6], ["20 (10 to 60)", "100 (50 to 120)", "0.40 (0.10 to 0.50)"])

    def test_a_spread_is_quartiles_of_many_and_extremes_of_few(self):
        self.assertEqual(report.spread([5], 1), "5.0")
        self.assertEqual(report.spread([3, 1, 2], 0), "2 (1 to 3)")
        self.assertEqual(report.spread([1] + [10] * 9 + [1000], 0), "10 (10 to 10)")

    def test_what_a_peer_cannot_do_is_told(self):
        row = self.figures["in_flight"][2]
        row["blackbox"] = {"cpu_us": [], "peak_mb": [], "failed": "blackbox needs more than 2000 MB"}
        self.assertEqual([cell for cell in self.rows("plain")[2] if cell == "not done"], ["not done"] * 2)
        self.assertIn("- blackbox_exporter, plain, 2,000 at once: blackbox needs more than 2000 MB\n", self.page())

    def test_a_peer_that_fails_half_way_is_told(self):
        row = self.figures["in_flight"][2]
        row["ours"]["cpu_us"] *= 3
        row["blackbox"]["failed"] = "why"
        self.assertIn("2,000 at once: why\n", self.page())

    def test_targets_are_held_against_the_fewest(self):
        self.figures["targets"] = [{"count": 10, "ours": {"cpu_us": [100, 200]}, "blackbox": {"cpu_us": [400, 400]}},
                                   {"count": 99, "ours": {"cpu_us": [110, 260]}, "blackbox": {"cpu_us": [400, 800]}}]
        self.assertEqual(self.rows("99"),
                         [["99", "185 (110 to 260)", "1.20 (1.10 to 1.30)", "600 (400 to 800)", "1.50 (1.00 to 2.00)"]])

    def test_a_short_run_says_so(self):
        self.assertIn("no figures to quote", self.page())
        self.figures["about"]["quick"] = False
        self.assertNotIn("no figures to quote", self.page())


if __name__ == "__main__":
    unittest.main()
