"""What a hostile client does beside a soak, in short rounds until its end: takes as many places as it gets and keeps
them, asks with ever new parameters, has servers probed that answer with all they may, leaves requests half sent. It
comes from another address than everybody else, and its probes have a module of their own, so that they can be left out
of what is counted. Reloads are not among it: each would be one that the soak did not make, of a file it is writing."""

import asyncio
import itertools

import soak_client

ADDRESS = "127.0.0.2"
MODULE = "attacked"
HELD, HOSTILE, SLOW = 150, 40, 20
ROUND_SECONDS = 4
DISTINCT = 40  # requests in one write
LINES = 60


def asking(target, more="", timeout=300, method="GET"):
    return (f"{method} {soak_client.probe_path(target, MODULE)}{more} HTTP/1.1\r\nHost: soak\r\n"
            f"X-Prometheus-Scrape-Timeout-Seconds: {timeout}\r\n\r\n").encode()


async def long_answers(reader, writer):
    """A banner and a reply to EHLO of 60,000 bytes each, and then nothing."""
    try:
        for code in ("220", "250"):
            lines = [f"{code}-X{number} " + "y" * 900 for number in range(LINES)] + [f"{code} end"]
            writer.write("".join(line + "\r\n" for line in lines).encode())
            await writer.drain()
            await reader.readline()
        await reader.read()
    except OSError:
        pass
    finally:
        writer.close()


class Attackers:

    def __init__(self, address, silent, closed):
        self.address, self.silent, self.closed = address, silent, closed
        self.rejected = 0  # answers 503, which are counted without their module
        self.asked = 0

    async def run(self, begin, end):
        """Both of the loop's clock."""
        await asyncio.sleep(begin - asyncio.get_running_loop().time())
        hostile = await asyncio.start_server(long_answers, "127.0.0.1", 0)
        target = "127.0.0.1:%d" % hostile.sockets[0].getsockname()[1]
        loop = asyncio.get_running_loop()
        numbers = itertools.count()
        async with hostile:
            while loop.time() + ROUND_SECONDS < end:
                await asyncio.gather(
                    *(self.hold(asking(self.silent)) for _ in range(HELD)),
                    *(self.hold(asking(target)) for _ in range(HOSTILE)),
                    *(self.hold(b"GET /metrics HTTP/1.1\r\nHost:") for _ in range(SLOW)),
                    self.ask_differently(numbers, loop.time() + ROUND_SECONDS))

    async def connect(self):
        return await asyncio.open_connection(*self.address, local_addr=(ADDRESS, 0))

    async def hold(self, request):
        """Until the round ends or an answer comes."""
        reader, writer = await self.connect()
        try:
            writer.write(request)
            self.asked += 1
            head = await asyncio.wait_for(reader.read(12), ROUND_SECONDS)
            self.rejected += head.endswith(b" 503")
        except (OSError, asyncio.TimeoutError):
            pass
        finally:
            writer.close()

    async def ask_differently(self, numbers, end):
        """Each answer is read: what is refused has to be counted."""
        reader, writer = await self.connect()
        try:
            while asyncio.get_running_loop().time() < end:
                for _ in range(DISTINCT):
                    writer.write(asking(self.closed, f"&x=h{next(numbers)}", 5, "HEAD"))
                self.asked += DISTINCT
                for _ in range(DISTINCT):
                    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), soak_client.PATIENCE)
                    self.rejected += head.startswith(b"HTTP/1.1 503")
                await asyncio.sleep(0.1)
        finally:
            writer.close()
