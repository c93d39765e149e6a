"""The bearer token of those who may send labels: a mounted file, read again when it changes."""

import hmac
from pathlib import Path

LONGEST = 4096
"""Bytes."""


class Token:
    """A file that holds a token.

    Args:
        path: may be a link, or lie behind one, as kubelet mounts a Secret; where it leads counts.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: object = ()
        self._token = b""

    def read(self) -> bytes:
        """Return the token without white space around it; empty while there is none."""
        try:
            found = self._path.stat()
            stamp: object = (found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size)
            if stamp != self._stamp:
                with self._path.open("rb") as file:
                    self._token = file.read(LONGEST).strip()
                self._stamp = stamp
        except OSError:
            self._stamp, self._token = (), b""
        return self._token


def presented(token: bytes, header: str) -> bool:
    """Return whether an Authorization header shows a token; how long it takes does not tell how much of it was right."""
    scheme, _, shown = header.partition(" ")
    right = hmac.compare_digest(shown.strip().encode("utf-8", "surrogateescape"), token)
    return right and scheme.lower() == "bearer" and bool(token)
