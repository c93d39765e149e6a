"""``python -m modelrollout.collector``: the process beside Envoy in the router's pod."""

import asyncio
import logging
import signal
import sys
from argparse import ArgumentParser
from pathlib import Path

from pythonjsonlogger.json import JsonFormatter

from modelrollout.collector.config import CaptureFile
from modelrollout.collector.server import PORT, Server
from modelrollout.domain.capture import CAPTURE_FILE
from modelrollout.errors import RolloutError

FILE = Path("/etc/router") / CAPTURE_FILE


def main() -> int:
    """Serve until SIGTERM; return the exit code."""
    parser = ArgumentParser(prog="python -m modelrollout.collector", description="Compare answers to copied requests.")
    parser.add_argument("--file", type=Path, default=FILE, help="what to compare (default: %(default)s)")
    parser.add_argument("--port", type=int, default=PORT, help="on loopback (default: %(default)s)")
    options = parser.parse_args()
    _configure_logging()
    try:
        asyncio.run(_serve(options.file, options.port))
    except RolloutError as exc:
        sys.stderr.write(f"{exc}\n")
        return 1
    return 0


async def _serve(file: Path, port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await Server(CaptureFile(file)).run(port, stop)


def _configure_logging() -> None:
    handler = logging.StreamHandler()
    renamed = {"asctime": "time", "levelname": "level", "name": "logger", "message": "event"}
    handler.setFormatter(JsonFormatter("%(asctime)s %(levelname)s %(name)s %(message)s", rename_fields=renamed))
    logging.basicConfig(level=logging.INFO, handlers=[handler])


if __name__ == "__main__":
    sys.exit(main())
