"""Capabilities: what a data plane can do, so that a wish it cannot honour is refused by name."""

from enum import StrEnum


class Capability(StrEnum):
    """What a router can do; what it cannot is refused by name, never ignored."""

    MIRROR = "mirror"
    PREVIEW = "previewHeader"
    VERIFY = "verify"
    """It says what it runs; without it the fact is what the objects say, and TrafficVerified is Unknown."""
    SIGNALS = "signals"
    """It counts requests per revision, so the source ``router`` works."""
    CAPTURE = "capture"
    """It shows requests and answers to a collector, so the source ``predictions`` and ``analysis.inputs`` work."""
