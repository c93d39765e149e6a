"""All stories; importing them registers them."""

from tests.sequences.scenarios import blue_green, canary, direct, edits, lifecycle, people, shadow, trouble, verdicts

__all__ = ["blue_green", "canary", "direct", "edits", "lifecycle", "people", "shadow", "trouble", "verdicts"]
