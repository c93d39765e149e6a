"""The collector's file: read again when it changes, and nothing compared while it cannot be read."""

import logging
from pathlib import Path

from pydantic import ValidationError

from modelrollout.domain.capture import Capture

_log = logging.getLogger(__name__)


class CaptureFile:
    """A file that holds a :class:`Capture`.

    Args:
        path: may be a link, or lie behind one, as kubelet mounts a ConfigMap; where it leads counts.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: object = ()

    def changed(self) -> Capture | None:
        """Return what the file says if it is another one than last time; a missing or broken one compares nothing."""
        stamp = self._look()
        if stamp == self._stamp:
            return None
        self._stamp = stamp
        capture = self._read()
        if capture.stable and capture.candidate:
            _log.info("comparing", extra={"stable": capture.stable, "candidate": capture.candidate})
        return capture

    def _look(self) -> tuple[int, ...] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size

    def _read(self) -> Capture:
        try:
            return Capture.model_validate_json(self._path.read_bytes())
        except OSError as exc:
            _log.warning("%s cannot be read (%s): nothing is compared until it can.", self._path, exc.strerror)
        except ValidationError as exc:
            where = sorted({".".join(map(str, error["loc"])) or "the document" for error in exc.errors()})
            _log.warning(
                "%s is broken at %s: nothing is compared until it is replaced.", self._path, ", ".join(where[:5])
            )
        return Capture()
