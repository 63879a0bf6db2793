"""The exporter's pages in a real browser: the form, the row that appears, a hostile server's words, and how it looks.
The screenshots stay in ARTIFACTS."""

import json
import os
import pathlib
import shutil
import unittest
import urllib.parse

from chromium import Chromium
from exporter import Exporter, ExporterCase, Listener, talking
from probe import CRITICAL, OK, SANITIZED, ScriptedServer

ARTIFACTS = pathlib.Path(os.environ["ARTIFACTS"])
TRANSCRIPTS = pathlib.Path(os.environ["TRANSCRIPTS"])
# What a server says to whoever shows its words as they are.
HOSTILE = ("554 <script>alert('banner')</script><img src=x onerror=\"alert('img')\"><svg onload=alert(1)>"
           "</td></table></pre>&lt;b&gt;'\"`{{7*7}} javascript:alert(2)")
CLEAR = {"tls": {"mode": "off"}, "helo": "probe.test"}
SIZES = {"desk": (1100, 800, False), "phone": (390, 844, True)}


class Pages(ExporterCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if shutil.which("chromium") is None:
            raise unittest.SkipTest("not installed: chromium")
        cls.server = ScriptedServer(*(TRANSCRIPTS / f"{name}.txt" for name in
                                      ("plain", "rcpt-550", "rcpt-450-greylisted", "starttls-rcpt", "silence-at-ehlo")))
        cls.addClassCleanup(cls.server.stop)
        cls.hostile = Listener(talking(banner=HOSTILE))
        cls.addClassCleanup(cls.hostile.close)
        mail = {"mail": {"from": "a@b.test", "to": ["c@d.test"]}}
        cls.exporter = Exporter(config=json.dumps({"modules": {
            "plain": CLEAR, "rcpt": CLEAR | mail, "hasty": CLEAR | {"timeout": "300ms"},
            "mx": {"helo": "probe.test", "tls": {"mode": "starttls", "verify": "report"}} | mail}}))
        cls.addClassCleanup(cls.exporter.kill)
        cls.browser = Chromium()
        cls.addClassCleanup(cls.browser.stop)

    def setUp(self):
        self.browser.events.clear()
        self.browser.size(*SIZES["desk"])
        self.browser.scheme("light")

    def tearDown(self):
        """Nothing went wrong in the page, no script ran, and nothing was fetched from elsewhere."""
        self.assertEqual(self.browser.seen("Page.javascriptDialogOpening"), [])
        self.assertEqual(self.browser.seen("Runtime.exceptionThrown"), [])
        errors = [one["entry"] for one in self.browser.seen("Log.entryAdded") if one["entry"]["level"] == "error"
                  and "favicon" not in one["entry"].get("url", "")]
        self.assertEqual(errors, [])
        for one in self.browser.seen("Network.requestWillBeSent"):
            url = one["request"]["url"]
            self.assertTrue(url.startswith((self.exporter.url + "/", "data:")), url)

    def target(self, name):
        return f"127.0.0.1:{self.server.ports[name]}"

    def text(self):
        return self.browser.run("document.body.innerText")

    def rows(self):
        """The cells of the recent probes' table."""
        return self.browser.run("[...document.querySelectorAll('table tr')]"
                                ".map(row => [...row.cells].map(cell => cell.innerText.trim()))")

    def row_of(self, target):
        rows = [row for row in self.rows() if any(target in cell for cell in row)]
        self.assertTrue(rows, self.rows())
        return rows[0]

    def shoot(self, name):
        for size, how in SIZES.items():
            self.browser.size(*how)
            for scheme in ("light", "dark"):
                self.browser.scheme(scheme)
                self.browser.screenshot(ARTIFACTS / f"{name}-{size}-{scheme}.png")
                shot = (ARTIFACTS / f"{name}-{size}-{scheme}.png").read_bytes()
                self.assertEqual(shot[:8], b"\x89PNG\r\n\x1a\n")
                # Wide tables scroll in themselves: the page is as wide as its window.
                self.assertLessEqual(self.browser.run("document.documentElement.scrollWidth"), how[0], (name, size))
        self.browser.size(*SIZES["desk"])
        self.browser.scheme("light")

    def probe(self, target, module):
        self.assertEqual(self.exporter.probe(target, module).status, 200)

    def submit(self, target, module):
        """As a user does it: types into the form and presses its button."""
        self.browser.open(self.exporter.url + "/")
        self.browser.run("document.querySelector('form [name=target]').focus()")
        self.browser.call("Input.insertText", text=target)
        modules = self.browser.run("[...document.querySelectorAll('form select[name=module] option')]"
                                   ".map(option => option.value)")
        self.assertIn(module, modules)
        self.browser.run(f"document.querySelector('form select[name=module]').value = {json.dumps(module)}")
        self.browser.loaded(lambda: self.browser.run(
            "document.querySelector('form button, form input[type=submit]').click()"))

    def test_form(self):
        target = self.target("rcpt-550")
        self.submit(target, "rcpt")
        address = self.browser.run("location.href")
        self.assertRegex(address, r"/logs\?id=\d+$")
        said = self.text()
        for word in (target, "rcpt", "reply_5xx", "550", "C: RCPT TO:<c@d.test>", "S: 550", "probe_smtp_state",
                     "quit", "banner"):
            self.assertIn(word, said)
        self.assertIn("critical", said.lower())
        self.shoot("probe-refused")
        # Back to where the probe was started, and there it is.
        home = self.browser.run("[...document.links].map(a => a.href)"
                                f".find(href => new URL(href).pathname == '/')")
        self.assertTrue(home)
        self.browser.open(home)
        row = self.row_of(target)
        for word in ("rcpt", "550"):
            self.assertTrue(any(word in cell for cell in row), row)
        self.assertTrue(any("critical" in cell.lower() for cell in row), row)
        # The row leads to the same page.
        link = self.browser.run("[...document.links].map(a => a.href).find(href => href.includes('logs?id='))")
        self.assertEqual(link, address)

    def test_good_probe(self):
        target = self.target("starttls-rcpt")
        self.submit(target, "mx")
        said = self.text()
        for word in ("C: STARTTLS", "TLSv1.3", "ehlo_tls", "probe_success"):
            self.assertIn(word, said)
        # The steps are bars on a time axis: something has a width of its own, in the order of the walk.
        self.assertGreater(self.browser.run("document.querySelectorAll('svg rect, [style*=width], .bar').length"), 5)
        self.shoot("probe-good")

    def test_wrong_target(self):
        """Says what was wrong, in words, and does not show it as markup."""
        self.browser.open(self.exporter.url + "/")
        self.browser.run("document.querySelectorAll('form input').forEach(one => { one.required = false;"
                         " one.removeAttribute('pattern'); one.removeAttribute('maxlength'); })")
        self.browser.run("document.querySelector('form [name=target]').value = '<img src=x onerror=alert(1)>'")
        self.browser.loaded(lambda: self.browser.run(
            "document.querySelector('form button, form input[type=submit]').click()"))
        self.assertIn("target", self.text())
        self.assertEqual(self.browser.run("document.querySelectorAll('img').length"), 0)
        home = self.browser.run("[...document.links].map(a => a.href)")
        self.assertEqual(home, [self.exporter.url + "/"])
        self.browser.events[:] = [one for one in self.browser.events if one[0] != "Log.entryAdded"]  # the 400 itself

    def test_blanks_around_a_pasted_target(self):
        self.submit(f"  {self.target('plain')}\t ", "plain")
        self.assertRegex(self.browser.run("location.href"), r"/logs\?id=\d+$")

    def test_a_bad_configuration_on_disk(self):
        good = self.exporter.config_file.read_text()
        self.exporter.config_file.write_text("modules:\n  '<b>bold</b>': {untl: ehlo}\nfoo: 1\n")
        self.assertEqual(self.exporter.request("/-/reload", "POST").status, 500)
        self.browser.open(self.exporter.url + "/")
        said = self.browser.run("document.querySelector('[role=alert]').innerText")
        self.assertIn(f"The last reload was refused: {self.exporter.config_file}:2: modules.<b>bold</b>", said)
        self.assertIn(f"{self.exporter.config_file}:3: foo: unknown key", said)
        self.assertEqual(self.faint(), [])
        self.browser.scheme("dark")
        self.assertEqual(self.faint(), [])
        self.shoot("home-bad-configuration")
        self.exporter.config_file.write_text(good)
        self.assertEqual(self.exporter.request("/-/reload", "POST").status, 200)
        self.browser.open(self.exporter.url + "/")
        self.assertEqual(self.browser.run("document.querySelectorAll('[role=alert]').length"), 0)

    def test_the_state_is_seen_on_a_small_screen(self):
        self.probe(self.target("rcpt-550"), "rcpt")
        self.browser.size(*SIZES["phone"])
        self.browser.open(self.exporter.url + "/")
        edge = self.browser.run("document.querySelector('td .state').getBoundingClientRect().right")
        self.assertLess(edge, SIZES["phone"][0])

    def test_hostile_banner_is_text(self):
        self.submit(self.hostile.target, "plain")
        for where in ("probe", "home"):
            if where == "home":
                self.browser.open(self.exporter.url + "/")
                self.assertTrue(self.row_of(self.hostile.target))
            else:
                said = self.text()
                self.assertIn("<script>alert('banner')</script>", said)
                self.assertIn("<img src=x onerror=", said)
                self.assertIn("&lt;b&gt;", said)
            for kind in ("script", "img", "[onerror]", "[onload]", "b"):
                self.assertEqual(self.browser.run(f"document.querySelectorAll({json.dumps(kind)}).length"), 0, kind)
            # Time for what would run later.
            self.browser.run("new Promise(done => setTimeout(done, 200))")
            if where == "probe":
                self.shoot("probe-hostile")

    def test_home(self):
        for name, module, times in (("plain", "plain", 3), ("rcpt-550", "rcpt", 1), ("rcpt-450-greylisted", "rcpt", 1),
                                    ("silence-at-ehlo", "hasty", 1), ("starttls-rcpt", "mx", 1)):
            for _ in range(times):
                self.probe(self.target(name), module)
        self.browser.open(self.exporter.url + "/")
        said = self.text()
        for word in ("plain", "rcpt", "hasty", "mx", "smtp_starttls", "submissions", "smtp_probe_exporter"):
            self.assertIn(word, said)
        states = {name: self.row_of(self.target(name)) for name in ("plain", "rcpt-550", "rcpt-450-greylisted",
                                                                     "silence-at-ehlo")}
        for name, words in (("plain", ("ok",)), ("rcpt-550", ("critical", "rcpt", "550")),
                            ("rcpt-450-greylisted", ("warning", "rcpt", "450")),
                            ("silence-at-ehlo", ("critical", "ehlo"))):
            cells = " ".join(states[name]).lower()
            for word in words:
                self.assertIn(word, cells)
        # The latest is above.
        order = [row for row in self.rows() if any("127.0.0.1:" in cell for cell in row)]
        self.assertIn(self.target("starttls-rcpt"), " ".join(order[0]))
        for path in ("/metrics", "/config"):
            linked = self.browser.run(f"[...document.links].some(a => new URL(a.href).pathname == '{path}')")
            self.assertTrue(linked, path)
        self.shoot("home")

    def test_reads_without_scripts(self):
        self.browser.call("Emulation.setScriptExecutionDisabled", value=True)
        self.addCleanup(self.browser.call, "Emulation.setScriptExecutionDisabled", value=False)
        self.probe(self.target("plain"), "plain")
        self.browser.open(self.exporter.url + "/")
        self.assertIn(self.target("plain"), self.text())

    def test_contrast(self):
        """Text is to be told from its background in both schemes: WCAG's 4.5 to 1."""
        self.probe(self.target("rcpt-550"), "rcpt")
        page = self.exporter.probe(self.target("rcpt-450-greylisted"), "rcpt", view="page").header("location")
        for url in (self.exporter.url + "/", urllib.parse.urljoin(self.exporter.url + "/probe", page)):
            self.browser.open(url)
            for scheme in ("light", "dark"):
                self.browser.scheme(scheme)
                self.assertEqual(self.faint(), [], (url, scheme))

    def faint(self):
        """What is hard to tell from its background."""
        return self.browser.run("""(() => {
          const parse = text => (text.match(/[\\d.]+/g) || []).map(Number);
          const light = ([r, g, b]) => { const one = c => { c /= 255;
            return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
            return 0.2126 * one(r) + 0.7152 * one(g) + 0.0722 * one(b); };
          const behind = element => { for (let e = element; e; e = e.parentElement) {
            const c = parse(getComputedStyle(e).backgroundColor);
            if (c.length == 3 || c[3] > 0.5) return c; } return [255, 255, 255]; };
          const found = [];
          for (const e of document.querySelectorAll('body *')) {
            if (!e.checkVisibility() || e.closest('svg')) continue;
            if (![...e.childNodes].some(n => n.nodeType == 3 && n.data.trim())) continue;
            const a = light(parse(getComputedStyle(e).color)), b = light(behind(e));
            const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
            if (ratio < 4.5) found.push([e.tagName, e.className, e.innerText.slice(0, 30), ratio]);
          } return found; })()""")


class History(ExporterCase):
    """Failures stay longer than successes, and all of it is bounded."""

    def test_failures_outlive_successes(self):
        good, bad = Listener(talking()), Listener(talking(banner="554 no"))
        self.addCleanup(good.close)
        self.addCleanup(bad.close)
        exporter = self.start("--history.limit", 5)
        self.assert_exposed(exporter.probe(bad.target).metrics, CRITICAL, ("banner", "reply_5xx"))
        first = exporter.probe(good.target, view="page").header("location")
        for _ in range(20):
            self.assert_exposed(exporter.probe(good.target).metrics, OK)
        home = exporter.get("/").text
        self.assertIn(bad.target, home)
        self.assertLessEqual(home.count(good.target), 5)
        self.assertEqual(exporter.get(urllib.parse.urljoin("/probe", first)).status, 404)

    def test_none_at_all(self):
        good = Listener(talking())
        self.addCleanup(good.close)
        exporter = self.start("--history.limit", 0)
        self.assert_exposed(exporter.probe(good.target).metrics, OK)
        self.assertNotIn(good.target, exporter.get("/").text)

    def test_bytes_are_bounded(self):
        """A server that says much fills no memory."""
        lines = "\r\n".join(f"250-X-{'Y' * 60}{at:03} {'z' * 400}" for at in range(90)) + "\r\n250 HELP"
        server = Listener(talking(ehlo=lines))
        self.addCleanup(server.close)
        exporter = self.start("--history.limit", 100000)
        for _ in range(50):
            exporter.probe(server.target)
        before = exporter.resident_kib()
        for _ in range(600):
            exporter.probe(server.target)
        # 600 of 45 KB would be 27 MB, of transcript and replies the double.
        if not SANITIZED:  # the sanitizer keeps what was freed
            self.assertLess(exporter.resident_kib() - before, 24 * 1024)
        self.assertEqual(exporter.get("/").status, 200)
