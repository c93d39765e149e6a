"""Which requests are looked at: chosen by a hash of their id, so that whoever sees a request makes the same choice.

The router's filters choose by the same formula, written in Lua in ``routers/_envoy_capture.py``.
"""

LARGEST_ID = 128
"""Bytes. A client may send an id of its own; one that is longer is no id."""


def sampled(request: str, percent: int) -> bool:
    """Return whether a request is among so many percent. Who is chosen at one share is chosen at every larger one."""
    text = request.encode("utf-8", "surrogatepass")
    if not 0 < len(text) <= LARGEST_ID:
        return False
    found = 0
    for byte in text:
        found = (found * 31 + byte) % 2**32
    return found % 100 < percent
