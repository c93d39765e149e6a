"""What a metric of labels can be asked, and which signals need what."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from modelrollout.schema import ApiModel, Rule


class Signal(StrEnum):
    """What can be measured."""

    WRONG = "wrong"
    MISSED = "missed"
    FALSE_ALARMS = "falseAlarms"
    ERROR = "error"
    EVENTS = "events"
    ACCURACY = "accuracy"
    PRECISION = "precision"
    RECALL = "recall"
    F1 = "f1"
    PARITY = "parity"
    RATIO = "ratio"
    EQUAL_OPPORTUNITY = "equalOpportunity"


OF_CLASSES = frozenset({Signal.MISSED, Signal.FALSE_ALARMS, Signal.PRECISION, Signal.RECALL, Signal.F1})
"""Signals about one class, which ``of`` names."""
OF_NUMBERS = frozenset({Signal.ERROR})
FAIR = frozenset({Signal.PARITY, Signal.RATIO, Signal.EQUAL_OPPORTUNITY})
"""Signals that compare groups."""
_NAMED = [*sorted(map(str, OF_CLASSES)), "events"]


class LabelsConfig(ApiModel):
    """What became known later about answers that clients got: labels, and events such as clicks.

    It is measured where the candidate answers clients, in steps and in the bake, and by the router envoy alone. Without labels
    it has no number, which is never a pass.
    """

    signal: Signal = Signal.WRONG
    """Shares that should be small, for compare and for max: wrong: of all labels; missed: of what is labelled `of`, predicted as
    something else; falseAlarms: of what is predicted as `of`, labelled as something else; events: see goal.
    error: 99th percentile of the distance between prediction and label, for compare and for max.
    Numbers that are held against min or max alone: accuracy; precision, recall and f1 of the class `of`;
    parity: largest difference of the share of positive predictions between two groups; ratio: the smallest such share divided by
    the largest; equalOpportunity: largest difference of the share of positive predictions among what is labelled positive."""
    of: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    """Which class, for missed, falseAlarms, precision, recall and f1; which event, for events."""
    per: Annotated[str, Field(min_length=1, max_length=40)] | None = None
    """Of which requests events are counted: those that have this event, such as shown. Absent: all."""
    goal: Literal["more", "less"] | None = None
    """What is good of an event. less: the value is the share of requests with it. more: the value is the share of requests
    *without* it, so that less is better again, and compare can be used with both.
    Absent: the share with it, held against min or max alone."""

    rules = (
        Rule(
            lambda config: (config.of is not None) == (str(config.signal) in _NAMED),
            f"has(self.of) == (has(self.signal) && self.signal in {_NAMED})",
            f"names a class or an event, for {', '.join(_NAMED)}. Write it there, and leave it out elsewhere.",
            "of",
        ),
        Rule(
            lambda config: config.signal is Signal.EVENTS or (config.per is None and config.goal is None),
            "(has(self.signal) && self.signal == 'events') || (!has(self.per) && !has(self.goal))",
            "stands beside per or goal, which are for events. Write signal: events, or leave both out.",
            "signal",
        ),
        Rule(
            lambda config: config.per is None or config.per != config.of,
            "!has(self.per) || !has(self.of) || self.per != self.of",
            "is the event that is counted itself. Name what comes before it, or leave it out.",
            "per",
        ),
    )
