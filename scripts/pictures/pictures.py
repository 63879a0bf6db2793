"""Makes docs/images: mail servers with good names in a network of our own, the exporter before them, a real Prometheus
behind it. The exporter's page is what Chromium shows; the dashboards' panels are drawn from their JSON (panels.tsx)
with what Prometheus answers to their queries. Run by scripts/pictures.sh."""

import base64
import functools
import http.server
import json
import math
import os
import pathlib
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

import namespaces  # noqa: E402
import peers  # noqa: E402
from chromium import Chromium  # noqa: E402
from exporter import Exporter, Service  # noqa: E402
from servers import Authority, MailServer  # noqa: E402

PANELS = pathlib.Path(os.environ["PANELS"])  # the bundle
IMAGES = pathlib.Path(os.environ.get("IMAGES", ROOT / "docs" / "images"))
SECONDS = float(os.environ.get("SECONDS_OF_STORY", 360))
INTERVAL = 3
WIDTH = 1280
# Dashboard -> how many units of its grid the picture shows.
SHOWN = {"smtp_overview": 35, "smtp_target": 40}
SHOWN_TARGET = {"instance": "mx2.example.net", "module": "mx"}
ADDRESS = "127.0.0.1:9725"


def between(begin, end, what):
    return lambda share: what if begin <= share < end else {}


def mx2(share):
    """The one that the target's dashboard shows: slow, then without STARTTLS, in the end it refuses."""
    if 0.15 <= share < 0.35:
        return {"slow": 0.9 * math.sin((share - 0.15) / 0.2 * math.pi)}
    if 0.5 <= share < 0.62:
        return {"starttls": False}
    return {"rcpt": "550 5.7.1 {to}: Recipient address rejected: Access denied"} if share >= 0.85 else {}


GREY = {"rcpt": "450 4.2.0 {to}: Recipient address rejected: Greylisted, see http://postgrey.example.org/"}
# name, address, pace in seconds, days of the certificate, newest TLS, mood
SERVERS = (
    ("mx1.example.net", "192.0.2.11", 0.004, 71, None, lambda share: {}),
    ("mx2.example.net", "192.0.2.12", 0.006, 64, None, mx2),
    ("mx3.example.net", "2001:db8::13", 0.009, 12, None, lambda share: {}),
    ("mx4.example.net", "192.0.2.14", 0.012, 48, None, between(0.7, 2, GREY)),
    ("mx5.example.net", "192.0.2.15", 0.005, 80, None, between(0.25, 0.4, {"refuses": True})),
    ("mail.example.org", "198.51.100.25", 0.021, 33, ssl.TLSVersion.TLSv1_2, between(0.45, 0.48, {"slow": 1.7})),
    ("mx.example.com", "198.51.100.80", 0.015, -2, None, lambda share: {}),
    ("relay.example.com", "203.0.113.5", 0.015, 58, None, between(0.78, 2, {"refuses": True})),
)
MX = {
    "helo": "probe.example.net", "until": "rcpt",
    "tls": {"mode": "starttls", "verify": "require", "ca_file": "@CA@", "expiry": {"warning": "21d", "critical": "7d"}},
    "mail": {"from": "probe@example.net", "to": ["postmaster@example.net"]},
    "thresholds": {"rcpt": {"warning": "0.5", "critical": "2"}},
}
# A server that relays to strangers is CRITICAL.
NO_RELAY = {"helo": "probe.example.net", "mail": {"from": "probe@example.net", "to": ["someone@example.com"]},
            "tls": {"mode": "opportunistic", "ca_file": "@CA@"},
            "expect": {"rcpt": ["454", "530", "550", "551", "553", "554"]}}
PROBED = {"mx": [one[0] for one in SERVERS], "no_relay": ["mx1.example.net"]}


class Story:
    """Where in it we are, from 0 to 1."""

    def __init__(self):
        self.begun, self.stopped_at = None, 0.0

    def __call__(self):
        return (time.monotonic() - self.begun) / SECONDS if self.begun else self.stopped_at


def make_network(folder):
    """Addresses and names of the servers; only we and what we start see them."""
    hosts = folder / "hosts"
    hosts.write_text("127.0.0.1 localhost\n" + "".join(f"{one[1]} {one[0]}\n" for one in SERVERS))
    namespaces.private_mounts()
    namespaces.show_as(hosts, "/etc/hosts")
    for _, address, *_ in SERVERS:
        prefix = 128 if ":" in address else 32
        subprocess.run(["ip", "address", "add", f"{address}/{prefix}", "dev", "lo"], check=True)


def start_exporter(authority):
    config = json.dumps({"modules": {"mx": MX, "no_relay": NO_RELAY}}).replace("@CA@", str(authority.root))
    return Exporter("--web.listen-address", ADDRESS, config=config)


class Camera:
    """Writes a picture, reduced to 256 colours."""

    def __init__(self):
        self.browser = Chromium(WIDTH, 900)

    def _size(self, width, height):
        self.browser.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1.5, mobile=False)

    def shoot(self, url, name, width, height, scheme="light", ready="true"):
        """`height`: of what is shown, or an expression in the page for it. `ready`: when it is drawn."""
        self.browser.scheme(scheme)
        self._size(width, 900)
        self.browser.open("about:blank")  # what differs only behind the # would not load again
        self.browser.open(url)
        peers.wait_until(lambda: self.browser.run(ready), f"{url} does not get ready", 60)
        complaint = self.browser.run("document.body.dataset.error")
        if complaint:
            raise RuntimeError(f"{url}: {complaint}")
        height = height if isinstance(height, int) else round(self.browser.run(height))
        self._size(width, height)
        # Canvases follow the new size: two frames later they have.
        self.browser.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        shot = self.browser.call("Page.captureScreenshot", format="png",
                                 clip={"x": 0, "y": 0, "width": width, "height": height, "scale": 1})
        path = IMAGES / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(shot["data"]))
        subprocess.run(["pngquant", "--force", "--strip", "--speed", "1", "--output", path, path], check=True)
        print(f"{path.name}: {path.stat().st_size // 1024} KiB", flush=True)


def refused(name):
    """Whether nobody listens there now."""
    try:
        socket.create_connection((name, 25), 5).close()
    except ConnectionRefusedError:
        return True
    return False


def page(camera, exporter, story):
    """The exporter's page after a handful of probes, each at its moment of the story."""
    for share, target, module in ((0.0, "mx1.example.net", "mx"), (0.9, "relay.example.com", "mx"),
                                  (0.0, "mx1.example.net", "no_relay"), (0.0, "mx.example.com", "mx"),
                                  (0.8, "mx4.example.net", "mx"), (0.0, "mx3.example.net", "mx"),
                                  (0.25, "mx2.example.net", "mx"), (0.9, "mx2.example.net", "mx"),
                                  (0.0, "mx5.example.net", "mx")):
        story.stopped_at = share
        if share == 0.9:
            peers.wait_until(lambda: refused("relay.example.com"), "it does not refuse")
        answer = exporter.probe(target, module, timeout="10")
        assert answer.status == 200, answer
    url = f"http://{ADDRESS}"
    camera.shoot(f"{url}/", "page", 1000, "document.documentElement.scrollHeight")
    link = camera.browser.run("[...document.querySelectorAll('tr')].find(row => row.innerText.includes('mx2.example.net')"
                              ").querySelector('a[href*=logs]').href")
    # Down to the transcript; below are the metrics.
    camera.shoot(link, "probe", 1000, "[...document.querySelectorAll('h2')].pop().getBoundingClientRect().top")


def start_prometheus(folder):
    config = {"global": {"scrape_interval": f"{INTERVAL}s", "scrape_timeout": f"{INTERVAL}s"}, "scrape_configs": [
        {"job_name": "smtp", "metrics_path": "/probe",
         "static_configs": [{"targets": targets, "labels": {"module": module}} for module, targets in PROBED.items()],
         "relabel_configs": [
             {"source_labels": ["__address__"], "target_label": "__param_target"},
             {"source_labels": ["module"], "target_label": "__param_module"},
             {"source_labels": ["__param_target"], "target_label": "instance"},
             {"target_label": "__address__", "replacement": ADDRESS}]},
        {"job_name": "smtp_probe_exporter", "static_configs": [{"targets": [ADDRESS]}]}]}
    (folder / "prometheus.yml").write_text(json.dumps(config))
    return Service("prometheus", f"--config.file={folder}/prometheus.yml", "--storage.tsdb.path=@FOLDER@/data",
                   "--web.listen-address=127.0.0.1:0")


def answers(prometheus, dashboard, begin, end):
    """What Prometheus says to every query, its variables filled in as Grafana would: panel's id -> an answer a target."""
    chosen = {one["name"]: one.get("allValue") or SHOWN_TARGET.get(one["name"]) for one in dashboard["templating"]["list"]}
    chosen |= {"__rate_interval": f"{4 * INTERVAL}s", "__interval": f"{INTERVAL}s", "__range": f"{end - begin:.0f}s"}
    found = {}
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            query = {"query": re.sub(r"\$\{?(\w+)\}?", lambda match: chosen[match[1]], target["expr"])}
            if target.get("instant"):
                path = "/api/v1/query?" + urllib.parse.urlencode(query | {"time": end})
            else:
                path = "/api/v1/query_range?" + urllib.parse.urlencode(query | {"start": begin, "end": end, "step": INTERVAL})
            found.setdefault(panel["id"], []).append(prometheus.json(path)["data"]["result"])
    return found


def ask(prometheus, end):
    """What Prometheus says to the dashboards, as files for draw()."""
    begin = end - (SECONDS - 30) // INTERVAL * INTERVAL
    for name in SHOWN:
        dashboard = json.loads((ROOT / "dashboards" / f"{name}.json").read_text())
        (PANELS / f"{name}.json").write_text(json.dumps({
            "answers": answers(prometheus, dashboard, begin, end), "from": begin, "to": end,
            "step": INTERVAL}))


class Files(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def draw(camera):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Files, directory=PANELS)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for name, rows in SHOWN.items():
            dashboard = json.loads((ROOT / "dashboards" / f"{name}.json").read_text())
            told = json.loads((PANELS / f"{name}.json").read_text())
            (PANELS / f"{name}.json").write_text(json.dumps(told | {"dashboard": dashboard}))
            count = sum(one["type"] != "row" for one in dashboard["panels"])
            camera.shoot(f"http://127.0.0.1:{server.server_address[1]}/panels.html#{name}", name.removeprefix("smtp_"),
                         WIDTH, rows * 38 + 8, "dark",
                         f"document.body.dataset.error || document.querySelectorAll('.panel > *').length == {count}")
        server.shutdown()


def main():
    if sys.argv[1:] == ["draw"]:
        draw(Camera())
        return
    lacking = namespaces.missing()
    if lacking:
        sys.exit(f"pictures: {lacking}")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="smtp-probe-pictures-"))
    try:
        with namespaces.own_network():
            make_network(folder)
            authority, story = Authority(folder), Story()
            for name, address, pace, days, newest, mood in SERVERS:
                MailServer(name, address, pace, authority.context(name, days, newest), story, mood)
            camera = Camera()
            exporter = start_exporter(authority)
            page(camera, exporter, story)
            exporter.kill()
            exporter = start_exporter(authority)
            story.begun = time.monotonic()
            prometheus = start_prometheus(folder)
            print(f"Prometheus scrapes for {SECONDS:.0f} s", flush=True)
            time.sleep(SECONDS)
            ask(prometheus, time.time() // INTERVAL * INTERVAL)
            draw(camera)
            for one in (prometheus, camera.browser):
                one.stop()
            exporter.kill()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
