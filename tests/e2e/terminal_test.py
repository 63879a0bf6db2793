"""check_smtp_probe --watch on a pseudo-terminal of a given size."""

import datetime
import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

from probe import CRITICAL, OK, environment
from watching import FAILURE, GONE, GOOD, HEADING, LINE, PATIENCE, WatchCase


class Terminal(WatchCase):

    def open(self, server, *options, rows=24, columns=80, until=None, **variables):
        """What the terminal gets until the program ends, or `until(bytes)` is true and SIGINT by Ctrl-C ends it."""
        main, side = pty.openpty()
        fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        env = {key: value for key, value in environment().items() if key not in ("NO_COLOR", "TERM")}
        child = subprocess.Popen(self.words(server, *options), stdin=side, stdout=side, stderr=side,
                                 env=env | {"TERM": "xterm"} | variables, start_new_session=True,
                                 preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        os.close(side)
        got, pressed, end = b"", False, time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if until and not pressed and until(got):
                os.write(main, b"\x03")
                pressed = True
            if not select.select([main], [], [], 0.1)[0]:
                continue
            try:
                more = os.read(main, 65536)
            except OSError:  # EIO: the other side is closed
                break
            got += more
        else:
            self.fail(got)
        os.close(main)
        return child.wait(PATIENCE), got.decode()

    @staticmethod
    def screen(text, rows, columns):
        """The lines that stand on a terminal in the end. Knows what the program may use, and nothing else."""
        lines, y, x, top = [""], 0, 0, 0
        for token in re.findall(r"\x1b\[[0-9;]*[A-Za-z]|\r|\n|[^\x1b\r\n]+|\x1b", text):
            if token == "\r":
                x = 0
            elif token == "\n":
                y += 1
                if y == len(lines):
                    lines.append("")
                top = max(top, y - rows + 1)
            elif token.startswith("\x1b["):
                number = int(token[2:-1].split(";")[0] or 1)
                if token[-1] == "A":
                    if y - number < top:
                        raise AssertionError("above the window")
                    y -= number
                elif token[-1] == "K":
                    lines[y] = lines[y][:x]
                elif token[-1] == "J":
                    lines[y] = lines[y][:x]
                    del lines[y + 1:]
                elif token[-1] != "m":
                    raise AssertionError(token)
            elif token == "\x1b":
                raise AssertionError("a bare escape")
            else:
                lines[y] = lines[y].ljust(x)[:x] + token + lines[y][x + len(token):]
                x += len(token)
                if x > columns:
                    raise AssertionError(f"wraps: {lines[y]}")
        return lines

    @staticmethod
    def running(text):
        """Without the last frame, which is as large as it needs to be."""
        return text[:re.search(r".*(\r\x1b\[\d+A)", text, re.DOTALL).start(1)]

    def test_it_is_drawn_in_place(self):
        code, text = self.open(self.serve(GOOD, GONE), "--watch", "0.1,5")
        self.assertEqual(code, CRITICAL)
        self.screen(self.running(text), 24, 80)
        screen = self.screen(text, 24, 120)
        self.assertEqual(len(screen), 10, screen)  # the last one is the cursor's
        self.assertRegex(screen[0], r"^127\.0\.0\.1:\d+: 5 probes, 1 OK, 4 CRITICAL$")
        self.assertRegex(screen[1], f"^{LINE}SMTP CRITICAL - banner: 554 no")
        self.assertEqual(screen[2], FAILURE + screen[1])
        self.assertRegex(screen[3], HEADING)
        self.assertEqual([line.split()[0] for line in screen[4:9]], ["connect", "banner", "ehlo", "quit", "total"])
        self.assertIn("\x1b[32m", text)
        self.assertIn("\x1b[31m", text)

    def test_ctrl_c(self):
        code, text = self.open(self.serve(GOOD), "--watch", "3600", until=lambda got: b"total" in got)
        self.assertEqual(code, OK)
        screen = self.screen(text, 24, 80)
        self.assertEqual((screen[0].split(": ")[1], screen[-1]), ("1 probe, 1 OK", ""))
        self.assertNotIn("^C", "\n".join(screen))
        code, text = self.open(self.serve(GOOD, None), "--watch", "0.1", "-t", "3000",
                               until=lambda got: b"total" in got)
        self.assertEqual((code, self.screen(text, 24, 80)[0].split(": ")[1]), (OK, "1 probe, 1 OK"))

    def test_no_color_has_none_but_draws(self):
        _, text = self.open(self.serve(GOOD), "--watch", "0.1,3", NO_COLOR="1")
        self.assertNotRegex(text, r"\x1b\[[0-9;]*m")
        self.assertRegex(text, r"\x1b\[\d+A")

    def test_a_small_window(self):
        long_banner = "554 " + "x" * 300
        for rows, columns in ((24, 40), (5, 80), (3, 10), (2, 2)):
            _, text = self.open(self.serve(GOOD, long_banner), "--watch", "0.1,3", rows=rows, columns=columns)
            self.assertLessEqual(len(self.screen(self.running(text), rows, columns)), rows)
            # In the end it scrolls.
            end = self.screen(text, 99, 999)
            self.assertTrue(any(HEADING.search(line) for line in end), end)
            self.assertRegex(end[2], f"^{FAILURE}{LINE}SMTP CRITICAL - banner: 554 xxx")
            self.assertRegex(end[-2], r"^total .*66\.7%$")

    def test_the_last_failure_stays_in_sight(self):
        _, text = self.open(self.serve(GONE, GOOD), "--watch", "0.1,4")
        screen = self.screen(text, 24, 120)
        self.assertRegex(screen[1], f"^{LINE}SMTP OK - ")
        self.assertRegex(screen[2], f"^{FAILURE}{LINE}SMTP CRITICAL - banner: 554 no")

    def test_where_nothing_can_be_drawn(self):
        for variables in ({"TERM": "dumb"}, {"TERM": ""}):
            _, text = self.open(self.serve(GOOD), "--watch", "0.1,2", **variables)
            self.assertNotIn("\x1b", text)
            self.assertIn("\n--- ", text.replace("\r", ""))
        _, text = self.open(self.serve(GOOD), "--watch", "0.1,2", "-v")
        self.assertNotRegex(text, r"\x1b\[\d*[AKJ]")
        self.assertIn("step      code", text)
        _, text = self.open(self.serve(GOOD), "--watch", "0.1,2", "--output", "json")
        self.assertEqual(len([json.loads(line) for line in text.splitlines()]), 2)

    def test_the_time_is_the_zones(self):
        before = datetime.datetime.now(datetime.timezone.utc)
        _, text = self.open(self.serve(GOOD), "--watch", "0.1,1", TZ="UTC-5:30", TERM="dumb")
        shown = datetime.datetime.strptime(text[:8], "%H:%M:%S")
        seconds = (shown - shown.replace(hour=0, minute=0, second=0)).seconds
        seconds -= (before - before.replace(hour=0, minute=0, second=0, microsecond=0)).seconds
        self.assertLess((seconds - 5.5 * 3600) % 86400, PATIENCE)
