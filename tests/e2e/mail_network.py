"""A network of the test's own in which names lead to mail servers on port 25, so that configurations run as they are
written. Needs root and namespaces, see namespaces.py."""

import contextlib
import pathlib
import shutil
import struct
import subprocess
import tempfile
import unittest

import namespaces
from dns_server import A, NameServer, wire

MX = 15
FOLDER = pathlib.Path(tempfile.mkdtemp(prefix="smtp-probe-network-"))
RESOLV_CONF = FOLDER / "resolv.conf"


def begin():
    """For setUpModule(): whatever this process starts from now on asks the name server of its network."""
    lacking = namespaces.missing()
    if lacking:
        raise unittest.SkipTest(lacking)
    unittest.addModuleCleanup(shutil.rmtree, FOLDER, ignore_errors=True)
    RESOLV_CONF.write_text("nameserver 127.0.0.1\n")
    namespaces.private_mounts()
    namespaces.show_as(RESOLV_CONF, "/etc/resolv.conf")


class Names(NameServer):
    """Answers from `addresses`, name -> [127.0.0.x], and `exchangers`, domain -> [name]. Both may change."""

    def __init__(self, addresses, exchangers=()):
        self.addresses, self.exchangers = dict(addresses), dict(exchangers)
        super().__init__()

    def behaviour(self, question):
        if question.type == MX and question.name in self.exchangers:
            return question.reply(*((b"\xc0\x0c", MX, struct.pack(">H", 10) + wire(*name.encode().split(b".")))
                                    for name in self.exchangers[question.name]))
        if question.name not in self.addresses and question.name not in self.exchangers:
            return question.reply(code=3)
        found = self.addresses.get(question.name, []) if question.type == A else []
        return question.reply(*((b"\xc0\x0c", A, bytes(map(int, one.split(".")))) for one in found))


class NetworkMixin:
    """For a test case with addClassCleanup()."""

    @classmethod
    def make_network(cls, addresses, exchangers=(), extra=()):
        network = contextlib.ExitStack()
        network.enter_context(namespaces.own_network())
        cls.addClassCleanup(network.close)
        for address in extra:
            subprocess.run(["ip", "address", "add", address, "dev", "lo"], check=True)
        cls.names = Names(addresses, exchangers)
        cls.addClassCleanup(cls.names.close)
