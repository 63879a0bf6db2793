"""A name server by script, over UDP and TCP: the first label of a name, up to a dash, says what is done to it.
`silent-7.test` is never answered, `nxdomain.test` is not there, `good.test` is 127.0.0.1."""

import os
import socket
import struct
import threading
import time

A, CNAME, AAAA = 1, 5, 28
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = range(6)
TRUNCATED = 0x0200
SLOW_SECONDS = 0.3
# As many as one message of 65,535 bytes holds.
MOST_ADDRESSES = {A: 4090, AAAA: 2330}
HOSTILE_LABEL = b"\x1b[31m|\x00\n\"'<b>\x07"


class Question:

    def __init__(self, packet, tcp):
        self.packet, self.tcp = packet, tcp
        self.id = packet[:2]
        labels, at = [], 12
        while packet[at]:
            labels.append(packet[at + 1:at + 1 + packet[at]])
            at += 1 + packet[at]
        self.name = b".".join(labels).decode("latin-1").lower()
        self.type = struct.unpack_from(">H", packet, at + 1)[0]
        self.section = packet[12:at + 5]

    def reply(self, *records, code=NOERROR, flags=0, section=None, number=None, count=None):
        """The answer with these records: (owner as on the wire, type, data)."""
        body = b"".join(owner + struct.pack(">HHIH", kind, 1, 60, len(data)) + data for owner, kind, data in records)
        header = struct.pack(">HHHHH", 0x8180 | flags | code, 1, len(records) if count is None else count, 0, 0)
        return (number or self.id) + header + (section or self.section) + body

    def address(self, last=1, owner=b"\xc0\x0c"):
        """127.0.0.`last`, or its like in IPv6, which no one has."""
        if self.type == A:
            return owner, A, bytes((127, 0, last >> 8 & 255, last & 255))
        return owner, AAAA, b"\x20\x01\x0d\xb8" + last.to_bytes(12, "big")


def wire(*labels):
    return b"".join(bytes((len(one),)) + one for one in labels) + b"\0"


def good(question):
    """IPv4 alone."""
    return question.reply(question.address()) if question.type == A else question.reply()


def after(seconds):
    def slowly(question):
        time.sleep(seconds)
        return good(question)
    return slowly


def two(question):
    """127.0.0.2 before 127.0.0.1."""
    return question.reply(question.address(2), question.address(1)) if question.type == A else question.reply()


def many(question):
    addresses = [question.address(one + 1) for one in range(MOST_ADDRESSES[question.type])]
    return question.reply(*addresses) if question.tcp else question.reply(flags=TRUNCATED)


def by_alias(*labels):
    """The address belongs to another name, which the asked one is an alias of."""
    def answer(question):
        alias = wire(*labels)
        records = [(b"\xc0\x0c", CNAME, alias)]
        answers = [question.address(owner=alias)] if question.type == A else []
        return question.reply(*records, *answers)
    return answer


def loop(question):
    other = wire(b"loop", b"elsewhere")
    return question.reply((b"\xc0\x0c", CNAME, other), (other, CNAME, question.section[:-4]))


def failing(code):
    return lambda question: question.reply(code=code)


def by_type(a, aaaa):
    """What the two families get, each by a behaviour of its own."""
    return lambda question: (a if question.type == A else aaaa)(question)


def silent(question):
    return None


def six(question):
    """IPv6 alone; the address is the loopback's."""
    return question.reply((b"\xc0\x0c", AAAA, bytes(15) + b"\1")) if question.type == AAAA else question.reply()


BEHAVIOURS = {
    "good": good,
    "slow": after(SLOW_SECONDS),
    "silent": lambda question: None,
    "servfail": failing(SERVFAIL), "nxdomain": failing(NXDOMAIN), "refused": failing(REFUSED),
    "notimp": failing(NOTIMP), "formerr": failing(FORMERR),
    "nodata": lambda question: question.reply(),
    "noise": lambda question: os.urandom(64),
    "noisybody": lambda question: question.id + b"\x81\x80" + b"\xff" * 60,
    "short": lambda question: question.packet[:7],
    "wrongid": lambda question: question.reply(question.address(), number=bytes(255 - one for one in question.id)),
    "wrongquestion": lambda question: question.reply(question.address(), section=wire(b"other", b"test") + b"\0\1\0\1"),
    "torn": lambda question: question.reply(question.address())[:-2],
    "missing": lambda question: question.reply(question.address(), count=40),
    "selfpointer": lambda question: question.reply((b"\xc0" + bytes((12 + len(question.section),)), A, b"\x7f\0\0\1")),
    "shortaddress": lambda question: question.reply((b"\xc0\x0c", question.type, b"\x7f\0")),
    "truncated": lambda question: good(question) if question.tcp else question.reply(flags=TRUNCATED),
    "mute": lambda question: None if question.tcp else question.reply(flags=TRUNCATED),
    "loop": loop,
    "alias": by_alias(b"real", b"test"),
    "hostile": by_alias(HOSTILE_LABEL, b"test"),
    "dead": lambda question: question.reply((b"\xc0\x0c", CNAME, wire(HOSTILE_LABEL))),
    "two": two,
    "many": many,
    "nosix": by_type(good, silent), "nofour": by_type(silent, six),
    "sixfails": by_type(good, failing(SERVFAIL)), "fourfails": by_type(failing(SERVFAIL), six),
    "oversized": lambda question: question.reply(*(question.address(one + 1) for one in range(2000))),
}


class NameServer:
    """Answers until close(). `asked` counts the questions by their names."""

    def __init__(self, address="127.0.0.1", port=53, behaviours=None):
        self.behaviours = BEHAVIOURS | (behaviours or {})
        self.asked = {}
        self.lock = threading.Lock()
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.udp.bind((address, port))
        self.tcp = socket.create_server((address, port), backlog=512)
        self.taken = []
        for run in (self._serve_udp, self._serve_tcp):
            threading.Thread(target=run, daemon=True).start()

    def behaviour(self, question):
        """That of the whole name, else of its first label."""
        by_label = self.behaviours.get(question.name.split(".")[0].split("-")[0], failing(NXDOMAIN))
        return self.behaviours.get(question.name, by_label)(question)

    def _answer(self, packet, tcp, send):
        try:
            question = Question(packet, tcp)
            with self.lock:
                self.asked[question.name] = self.asked.get(question.name, 0) + 1
            answer = self.behaviour(question)
            if answer is not None:
                send(answer)
        except (OSError, IndexError, struct.error):
            pass

    def _serve_udp(self):
        while True:
            try:
                packet, peer = self.udp.recvfrom(4096)
            except OSError:
                return
            threading.Thread(target=self._answer, daemon=True,
                             args=(packet, False, lambda answer, to=peer: self.udp.sendto(answer, to))).start()

    def _serve_tcp(self):
        while True:
            try:
                one = self.tcp.accept()[0]
            except OSError:
                return
            self.taken.append(one)
            threading.Thread(target=self._talk, args=(one,), daemon=True).start()

    def _talk(self, one):
        try:
            one.settimeout(30)
            with one.makefile("rb") as stream:
                while size := stream.read(2):
                    packet = stream.read(int.from_bytes(size, "big"))
                    self._answer(packet, True,
                                 lambda answer: one.sendall(len(answer).to_bytes(2, "big") + answer))
        except OSError:
            pass

    def close(self):
        for one in (self.udp, self.tcp, *self.taken):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            one.close()
