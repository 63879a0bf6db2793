"""HTTP/1.1 on asyncio with as little as a client needs: hundreds of requests a second beside the exporter."""

import asyncio
import re
import urllib.parse

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
PATIENCE = 60


class Client:
    """Keeps connections for the next request; `get()` takes one or opens it."""

    def __init__(self, address):
        self.address = address
        self.idle = []

    async def _send(self, method, path):
        reader, writer = self.idle.pop() if self.idle else await asyncio.open_connection(*self.address)
        writer.write(f"{method} {path} HTTP/1.1\r\nHost: soak\r\n\r\n".encode())
        await writer.drain()
        return reader, writer

    async def request(self, path, method="GET"):
        """Status and body."""
        reader, writer = await asyncio.wait_for(self._send(method, path), PATIENCE)
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
            body = await asyncio.wait_for(reader.readexactly(int(LENGTH.search(head)[1])), PATIENCE)
        except BaseException:
            writer.close()
            raise
        self.idle.append((reader, writer))
        return int(head.split(b" ", 2)[1]), body.decode()

    async def hang_up(self, path, seconds):
        """Asks, and is gone before the answer: whether none had come by then."""
        reader, writer = await self._send("GET", path)
        try:
            await asyncio.wait_for(reader.read(1), seconds)
            return False
        except asyncio.TimeoutError:
            return True
        finally:
            writer.close()

    async def close(self):
        for _, writer in self.idle:
            writer.close()
        for _, writer in self.idle:
            try:
                await writer.wait_closed()
            except OSError:
                pass
        self.idle = []


def probe_path(target, module):
    return "/probe?" + urllib.parse.urlencode({"target": target, "module": module})
