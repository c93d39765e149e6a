"""``python -m modelrollout.collector``: the process beside Envoy in the router's pod."""

import asyncio
import logging
import os
import signal
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from pythonjsonlogger.json import JsonFormatter

from modelrollout.collector.bearer import Token
from modelrollout.collector.config import CaptureFile
from modelrollout.collector.peers import Peers, by_name
from modelrollout.collector.server import PORT, Server
from modelrollout.domain.capture import CAPTURE_FILE, LABELS_HOST, LABELS_PORT, LABELS_TOKEN
from modelrollout.errors import RolloutError

FILE = Path("/etc/router") / CAPTURE_FILE
TOKEN = Path(LABELS_TOKEN)


def main() -> int:
    """Serve until SIGTERM; return the exit code."""
    parser = ArgumentParser(prog="python -m modelrollout.collector", description="Compare answers to copied requests.")
    parser.add_argument("--file", type=Path, default=FILE, help="what to compare (default: %(default)s)")
    parser.add_argument("--port", type=int, default=PORT, help="on loopback (default: %(default)s)")
    parser.add_argument("--labels-port", type=int, default=LABELS_PORT, help="for labels (default: %(default)s)")
    parser.add_argument(
        "--token", type=Path, default=TOKEN, help="what who sends labels must show (default: %(default)s)"
    )
    options = parser.parse_args()
    _configure_logging()
    try:
        asyncio.run(_serve(options))
    except RolloutError as exc:
        sys.stderr.write(f"{exc}\n")
        return 1
    return 0


async def _serve(options: Namespace) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    peers = Peers(by_name(os.environ.get(LABELS_HOST, ""), options.labels_port))
    server = Server(CaptureFile(options.file), Token(options.token), peers, options.labels_port)
    await server.run(options.port, stop)


def _configure_logging() -> None:
    handler = logging.StreamHandler()
    renamed = {"asctime": "time", "levelname": "level", "name": "logger", "message": "event"}
    handler.setFormatter(JsonFormatter("%(asctime)s %(levelname)s %(name)s %(message)s", rename_fields=renamed))
    logging.basicConfig(level=logging.INFO, handlers=[handler])


if __name__ == "__main__":
    sys.exit(main())
