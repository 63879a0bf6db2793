"""Thousands of probes of a silent server at once: an HTTP client with one connection for each, on one epoll."""

import select
import socket
import time

SENDS_PER_SECOND = 5000  # as Prometheus spreads its scrapes: a burst would measure the burst
ANSWER_LIMIT = 64 * 1024


class HangingProbes:
    """Opened by the constructor, asked by send(), collected by answers(), closed by close()."""

    def __init__(self, exporter, path, count):
        self.request = f"GET {path} HTTP/1.1\r\nHost: {exporter.name}\r\n\r\n".encode()
        self.connections = {}
        for _ in range(count):
            connection = socket.create_connection(("127.0.0.1", exporter.port), timeout=10)
            connection.setblocking(False)
            self.connections[connection.fileno()] = connection
        self.sent = {}
        self.answered = {}

    def send(self):
        began = time.monotonic()
        for number, (descriptor, connection) in enumerate(self.connections.items()):
            ahead = number / SENDS_PER_SECOND - (time.monotonic() - began)
            if ahead > 0.001:
                time.sleep(ahead)
            self.sent[descriptor] = time.monotonic()
            connection.send(self.request)

    def answers(self, seconds):
        """Of each probe that is answered within `seconds` from now: how long it took, and the whole answer."""
        end = time.monotonic() + seconds
        poll = select.epoll()
        for descriptor in self.connections:
            poll.register(descriptor, select.EPOLLIN)
        received = {descriptor: b"" for descriptor in self.connections}
        while len(self.answered) < len(self.connections) and time.monotonic() < end:
            for descriptor, _ in poll.poll(max(0, end - time.monotonic()), 1000):
                part = self.connections[descriptor].recv(ANSWER_LIMIT)
                received[descriptor] += part
                if not part or is_whole(received[descriptor]):
                    poll.unregister(descriptor)
                    took = time.monotonic() - self.sent[descriptor]
                    self.answered[descriptor] = (took, received[descriptor])
        poll.close()
        return list(self.answered.values())

    def close(self):
        for connection in self.connections.values():
            connection.close()


def is_whole(answer):
    """Whether an HTTP answer is there to its last byte: by its length, or by its last chunk."""
    head, blank, body = answer.partition(b"\r\n\r\n")
    if not blank:
        return False
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(body) >= int(line.split(b":")[1])
        if line.startswith(b"transfer-encoding:"):
            return body.endswith(b"0\r\n\r\n")
    return False


def is_failed_probe(answer):
    """200, and the probe did not succeed."""
    return answer.startswith(b"HTTP/1.1 200") and b"\nprobe_success 0\n" in answer
