"""Addresses of the cluster on the host's 127.0.0.1.

A socket keeps the network namespace it was made in. So the listening sockets are made on the host, and handed to a
process that lives inside the cluster's namespace and connects from there: no route, no address and no firewall rule
of the host is involved, and nothing on the host ever sends a packet to a cluster address.

Run as a program (`python -m tests.cluster.forward FD=HOST:PORT ...`) this file is that process.
"""

import asyncio
import contextlib
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from tests.cluster import enter
from tests.cluster.paths import REPOSITORY, Paths

UNTIL_EOF = "--until-eof"
"""End when standard input ends: a forwarder must not outlive the program that wanted it."""


def listen(port: int = 0) -> socket.socket:
    """Listen on 127.0.0.1; port 0 means any free one."""
    return socket.create_server(("127.0.0.1", port))


class Forward:
    """Open forwards; `addresses` says where each one listens. Close it, or use it as a context manager."""

    def __init__(self, paths: Paths, targets: Mapping[str, str]) -> None:
        listeners = {name: listen() for name in targets}
        self.ports = {name: int(listener.getsockname()[1]) for name, listener in listeners.items()}
        self.addresses = {name: f"127.0.0.1:{port}" for name, port in self.ports.items()}
        numbers = {name: listener.fileno() for name, listener in listeners.items()}
        try:
            self._process = enter.popen(
                paths,
                [sys.executable, "-m", __name__, UNTIL_EOF, *(f"{numbers[name]}={targets[name]}" for name in targets)],
                cwd=REPOSITORY,
                stdin=subprocess.PIPE,
                pass_fds=tuple(numbers.values()),
            )
        finally:
            # Connections made before the process is ready wait in the sockets it inherited.
            for listener in listeners.values():
                listener.close()

    def wait(self) -> None:
        """Wait until the forwarder ends, which by itself it never does."""
        self._process.wait()

    def close(self) -> None:
        """Stop listening and drop open connections."""
        self._process.kill()
        self._process.wait()
        if self._process.stdin:
            self._process.stdin.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        # One side has finished sending; the other may still have much to say.
        writer.write_eof()
    except OSError:
        writer.close()


async def _serve(listener: socket.socket, host: str, port: int) -> asyncio.Server:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.wait_for(asyncio.open_connection(host, port), 5)
        except (OSError, TimeoutError):
            writer.close()
            return
        await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
        for each in (writer, far_writer):
            each.close()
            with contextlib.suppress(OSError):
                await each.wait_closed()

    return await asyncio.start_server(handle, sock=listener)


async def _main(arguments: list[str]) -> None:
    end = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, end.set)
    if arguments[0] == UNTIL_EOF:
        loop.add_reader(0, end.set)
        arguments = arguments[1:]
    servers = []
    for argument in arguments:
        number, _, target = argument.partition("=")
        host, _, port = target.rpartition(":")
        servers.append(await _serve(socket.socket(fileno=int(number)), host, int(port)))
    await end.wait()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1:]))
