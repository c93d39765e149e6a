"""All stories, by name; importing their modules registers them."""

from tests.sequences.scenario import SCENARIOS
from tests.sequences.scenarios import (
    blue_green,
    canary,
    direct,
    edits,
    evidence,
    golden,
    ladder,
    lifecycle,
    monitoring,
    people,
    predictions,
    shadow,
    trouble,
    verdicts,
)

MODULES = (
    blue_green,
    canary,
    direct,
    edits,
    evidence,
    golden,
    ladder,
    lifecycle,
    monitoring,
    people,
    predictions,
    shadow,
    trouble,
    verdicts,
)

__all__ = ["MODULES", "SCENARIOS"]
