"""Many probes at once, up to thousands: an HTTP client with one connection for each, on one epoll."""

import select
import socket
import time

SENDS_PER_SECOND = 5000  # as Prometheus spreads its scrapes: a burst would measure the burst
ANSWER_LIMIT = 64 * 1024


class ProbesAtOnce:
    """One probe for each of `paths`. Opened by the constructor, asked by send(), collected by answers(), closed by
    close()."""

    def __init__(self, exporter, paths):
        self._requests = []
        self._connections = {}
        self._sent = {}
        for path in paths:
            connection = socket.create_connection(("127.0.0.1", exporter.port), timeout=10)
            connection.setblocking(False)
            self._connections[connection.fileno()] = connection
            self._requests.append(f"GET {path} HTTP/1.1\r\nHost: {exporter.name}\r\n\r\n".encode())

    def send(self, per_second=SENDS_PER_SECOND):
        began = time.monotonic()
        for number, (descriptor, connection) in enumerate(self._connections.items()):
            ahead = number / per_second - (time.monotonic() - began)
            if ahead > 0.001:
                time.sleep(ahead)
            self._sent[descriptor] = time.monotonic()
            connection.send(self._requests[number])

    def answers(self, seconds):
        """Of each path in turn how long it took, and the whole answer; None where there was none within `seconds`
        from now."""
        end = time.monotonic() + seconds
        answered = {}
        received = {descriptor: b"" for descriptor in self._connections}
        with select.epoll() as poll:
            for descriptor in self._connections:
                poll.register(descriptor, select.EPOLLIN)
            while len(answered) < len(self._connections) and time.monotonic() < end:
                for descriptor, _ in poll.poll(max(0, end - time.monotonic()), 1000):
                    part = self._connections[descriptor].recv(ANSWER_LIMIT)
                    received[descriptor] += part
                    if not part or is_whole(received[descriptor]):
                        poll.unregister(descriptor)
                        answered[descriptor] = (time.monotonic() - self._sent[descriptor], received[descriptor])
        return [answered.get(descriptor) for descriptor in self._connections]

    def close(self):
        for connection in self._connections.values():
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


def is_good_probe(answer):
    return answer.startswith(b"HTTP/1.1 200") and b"\nprobe_success 1\n" in answer
