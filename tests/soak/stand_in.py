"""Something else where the collector should be: slow, broken, or no HTTP server at all.

python -m tests.soak.stand_in KIND PORT
"""

import asyncio
import os
import random
import signal
import sys

from tests.soak.exchanges import KIB
from tests.soak.model import WROTE
from tests.traffic.model import ModelServer, Request, Settings

SLOW = 5.0
PIECE = 64 * KIB


class StandIn(ModelServer):
    """Answers everything in one way; the settings' revision is its name."""

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        status, body = 200, b""
        match self.settings.revision:
            case "slow":
                await asyncio.sleep(SLOW)
            case "errors":
                status = 500
            case "endless":
                await self._never_end(request, writer)
            case "garbage":
                writer.write(random.randbytes(3000))
                await writer.drain()
                return
            case "closing":
                raise ConnectionAbortedError("it was told to")
        writer.write(self._head(request, status, {"content-length": str(len(body))}) + body)
        await writer.drain()

    async def _never_end(self, request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(self._head(request, 200, {"transfer-encoding": "chunked"}))
        while True:
            writer.write(b"%x\r\n%b\r\n" % (PIECE, bytes(PIECE)))
            await writer.drain()


async def main() -> None:
    """Serve until SIGTERM."""
    kind, port = sys.argv[1:]
    server = StandIn(Settings(revision=kind, port=int(port), term_mode="abrupt"))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, server.terminate)
    await server.start()
    print(f"{WROTE}{server.port}", flush=True)
    await server.wait_until_left()
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main())
