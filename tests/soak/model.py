"""The model server of the soak: it answers what `exchanges` says, so that the client knows every byte beforehand.

python -m tests.soak.model ARM
"""

import asyncio
import os
import signal
import sys

from tests.soak.exchanges import answer
from tests.traffic.model import ModelServer, Request, Settings

WROTE = "listening on "


class Known(ModelServer):
    """Answers each request as its path says."""

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        known = answer(self.settings.revision, request.path, request.body)
        framing = {"transfer-encoding": "chunked"} if known.chunked else {"content-length": str(len(known.body))}
        if known.status == 204:
            framing = {}
        head = self._head(request, known.status, {**known.headers, **framing})
        if known.cut:
            await asyncio.sleep(known.pause)
            writer.write(head + (known.pieces[0] if known.chunked else known.body)[: len(known.body) // 2])
            await writer.drain()
            raise ConnectionAbortedError("the candidate was told to leave in the middle of its answer")
        for number, piece in enumerate(known.pieces or (b"",)):
            await asyncio.sleep(known.pause)
            framed = b"%x\r\n%b\r\n" % (len(piece), piece) if known.chunked and piece else piece
            writer.write(head + framed if number == 0 else framed)
            await writer.drain()
        if known.chunked:
            writer.write(b"0\r\n\r\n")
            await writer.drain()


async def main() -> None:
    """Serve on any free port until SIGTERM."""
    server = Known(Settings(revision=sys.argv[1], pod="loopback", port=0, term_mode="abrupt"))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, server.terminate)
    await server.start()
    print(f"{WROTE}{server.port}", flush=True)
    await server.wait_until_left()
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main())
