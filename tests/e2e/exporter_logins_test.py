"""Logins while a client floods the exporter with wrong passwords. It comes from 127.0.0.2, the others from elsewhere."""

import base64
import crypt
import json
import threading
import time

import peers
from exporter import ExporterCase
from http_client import Connection
from probe import SANITIZED

FLOODERS = 70
WITHIN = 10 if not SANITIZED else 30


def login(user, password):
    return [("Authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()),
            ("Connection", "close")]


class Flood(ExporterCase):

    def setUp(self):
        super().setUp()
        users = {f"user{at}": crypt.crypt(f"right{at}", "$2y$10$abcdefghijklmnopqrstuu") for at in range(6)}
        self.exporter = self.start("--web.config.file", self.file("web.yml", json.dumps({"basic_auth_users": users})),
                                   scheme="https")
        self.over = threading.Event()
        self.statuses = []
        self.addCleanup(self.stop)
        self.threads = []

    def stop(self):
        self.over.set()
        for one in self.threads:
            one.join()

    def flood(self, address, count, waits=True):
        def run(number):
            at = 0
            while not self.over.is_set():
                at += 1
                status = self.ask(address, "user0", f"wrong {number} {at}")
                self.statuses.append(status)
                if status == 503:
                    time.sleep(0.05)

        for number in range(count):
            self.threads.append(threading.Thread(target=run, args=(number,)))
            self.threads[-1].start()
        if not waits:
            return
        deadline = time.monotonic() + 30
        while 503 not in self.statuses and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertIn(503, self.statuses)

    def ask(self, address, user, password):
        with Connection(self.exporter.address, source=(address, 0), seconds=60) as connection:
            answer = connection.request("/-/healthy", headers=login(user, password))
            if answer.status == 503:
                assert answer.header("retry-after") == "1", answer
            return answer.status

    def test_other_address_gets_in(self):
        self.flood("127.0.0.2", FLOODERS)
        for at in range(1, 6):
            began = time.monotonic()
            self.assertEqual(self.ask("127.0.0.1", f"user{at}", f"right{at}"), 200)
            self.assertLess(time.monotonic() - began, WITHIN)
        # A wrong one is refused as soon.
        began = time.monotonic()
        self.assertEqual(self.ask("127.0.0.3", "user1", "wrong"), 401)
        self.assertLess(time.monotonic() - began, WITHIN)
        self.assertLessEqual(set(self.statuses), {401, 503})

    def test_several_flooders(self):
        """Each has its turn, and no more."""
        for last in range(2, 7):
            self.flood(f"127.0.0.{last}", 20)
        for at in range(1, 4):
            began = time.monotonic()
            self.assertEqual(self.ask("127.0.0.1", f"user{at}", f"right{at}"), 200)
            self.assertLess(time.monotonic() - began, WITHIN)

    def test_many_addresses(self):
        """More clients with one wrong password after another than may wait."""
        for number in range(300):
            self.flood(f"127.0.{1 + number // 100}.{2 + number % 100}", 1, waits=False)
        peers.wait_until(lambda: self.statuses.count(401) >= 300, "each has failed once")
        for at in range(1, 4):
            began = time.monotonic()
            self.assertEqual(self.ask("127.0.0.1", f"user{at}", f"right{at}"), 200)
            self.assertLess(time.monotonic() - began, WITHIN)

    def test_those_that_hang_up_keep_no_place(self):
        for _ in range(30):
            gone = [Connection(self.exporter.address) for _ in range(10)]
            for at, one in enumerate(gone):
                one.send("GET / HTTP/1.1\r\nHost: x\r\n" + "".join(f"{name}: {value}\r\n" for name, value in
                                                                      login("user1", f"w{at}{id(one)}")) + "\r\n")
            for one in gone:
                one.close()
        began = time.monotonic()
        deadline = began + WITHIN
        while (status := self.ask("127.0.0.1", "user2", "right2")) == 503 and time.monotonic() < deadline:
            time.sleep(0.1)
        self.assertEqual(status, 200)
