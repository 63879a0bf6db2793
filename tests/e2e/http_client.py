"""A client of HTTP/1.1 on plain sockets, which can also say what no HTTP client would."""

import dataclasses
import gzip
import socket
import time

from exposition import EXPOSITION, Exposition
from probe import SANITIZED

PLAIN_TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"
# A sanitizer, and a machine with other work, are slower than the exporter.
PATIENCE = 60 if SANITIZED else 30


@dataclasses.dataclass
class Answer:
    version: str
    status: int
    headers: list  # of (name in lower case, value), as they came
    body: bytes
    seconds: float = 0.0

    def header(self, name):
        """None when it is absent; the values of a header that came twice would be a fault of the server's."""
        values = [value for one, value in self.headers if one == name.lower()]
        assert len(values) < 2, self.headers
        return values[0] if values else None

    @property
    def text(self):
        body = gzip.decompress(self.body) if self.header("content-encoding") == "gzip" else self.body
        return body.decode()

    @property
    def metrics(self):
        assert self.status == 200 and self.header("content-type") == EXPOSITION, (self.status, self.headers, self.body)
        return Exposition(self.text)


class Connection:
    """One client connection of HTTP/1.1 (or of whatever is sent). Every wait ends after `seconds`."""

    def __init__(self, address, context=None, server_name="localhost", seconds=PATIENCE, source=None):
        self.socket = socket.create_connection(address, seconds, source)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context:
            try:
                self.socket = context.wrap_socket(self.socket, server_hostname=server_name)
            except BaseException:
                self.socket.close()
                raise
        self.rest = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))

    def _more(self):
        piece = self.socket.recv(65536)
        self.rest += piece
        return bool(piece)

    def _until(self, mark):
        while mark not in self.rest:
            if not self._more():
                raise ConnectionError(f"the server closed after {self.rest!r}")
        head, self.rest = self.rest.split(mark, 1)
        return head

    def _exactly(self, count):
        while len(self.rest) < count:
            if not self._more():
                raise ConnectionError(f"the server closed after {len(self.rest)} of {count} bytes")
        body, self.rest = self.rest[:count], self.rest[count:]
        return body

    def answer(self, method="GET"):
        head = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        version, status = head[0].split(" ", 2)[:2]
        headers = [(name.lower(), value.strip()) for name, value in (line.split(":", 1) for line in head[1:])]
        answer = Answer(version, int(status), headers, b"")
        length = answer.header("content-length")
        if method == "HEAD" or answer.status in (204, 304):
            return answer
        if (answer.header("transfer-encoding") or "").lower() == "chunked":
            while size := int(self._until(b"\r\n").split(b";")[0], 16):
                answer.body += self._exactly(size)
                assert self._exactly(2) == b"\r\n"
            self._until(b"\r\n")
        elif length is not None:
            answer.body = self._exactly(int(length))
        else:
            answer.body = self.everything()
        return answer

    def request(self, path, method="GET", headers=(), body=b"", version="HTTP/1.1"):
        began = time.monotonic()
        lines = [f"{method} {path} {version}", "Host: localhost", *(f"{name}: {value}" for name, value in headers)]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)
        answer = self.answer(method)
        answer.seconds = time.monotonic() - began
        return answer

    def everything(self):
        """What comes until the server closes."""
        while self._more():
            pass
        everything, self.rest = self.rest, b""
        return everything

    def closed(self):
        """Whether the server closes without another byte, by FIN or RST."""
        try:
            return self.everything() == b""
        except ConnectionError:
            return True
