"""Servers on loopback: one that does to each request exactly what a test says, and the test model itself."""

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import asynccontextmanager

from tests.traffic.model import ModelServer, Settings

OK = b"HTTP/1.1 200 OK\r\nx-model-revision: a\r\ncontent-length: 2\r\n\r\nok"


def reset(transport: asyncio.Transport) -> None:
    # Lingering for 0 seconds makes the kernel send a reset instead of an orderly end.
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def close(transport: asyncio.Transport) -> None:
    transport.close()


def silence(_: asyncio.Transport) -> None:
    pass


def say(data: bytes, then: Callable[[asyncio.Transport], None] = silence) -> Callable[[asyncio.Transport], None]:
    def act(transport: asyncio.Transport) -> None:
        transport.write(data)
        then(transport)

    return act


class _Peer(asyncio.Protocol):
    def __init__(self, server) -> None:
        self.server = server

    def connection_made(self, transport) -> None:
        self.transport = transport
        self.server.connections.append(transport)

    def data_received(self, data) -> None:
        # Every request of the client fits into one packet.
        assert data.count(b"POST ") == 1
        self.server.requests.append(data)
        self.server.act(len(self.server.requests))(self.transport)


class Scripted:
    """Asks `act` with the number of the request (from 1) what to do."""

    def __init__(self, act) -> None:
        self.act = act
        self.requests: list[bytes] = []
        self.connections: list[asyncio.Transport] = []
        self.port = 0


@asynccontextmanager
async def scripted(act):
    server = Scripted(act)
    listening = await asyncio.get_running_loop().create_server(lambda: _Peer(server), "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        for transport in server.connections:
            transport.abort()
        await asyncio.sleep(0.01)  # let both ends notice


@asynccontextmanager
async def serving(**settings):
    server = ModelServer(Settings(**({"port": 0, "delay_ms": 1, "revision": "r1", "pod": "p1"} | settings)))
    await server.start()
    try:
        yield server
    finally:
        server._leave()
        await asyncio.sleep(0.01)
