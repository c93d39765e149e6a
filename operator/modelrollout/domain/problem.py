"""A problem: one thing that is wrong with a spec, where, and what to do about it."""

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Problem:
    """One mistake.

    Attributes:
        path: field path as the API server writes it: ``spec.strategy.canary.steps[1].weight``.
        reason: what is wrong, without a full stop.
        remedy: what to write instead, one sentence with a full stop.
    """

    path: str
    reason: str
    remedy: str

    def __str__(self) -> str:
        """Return it as one line."""
        return f"{self.path}: {self.reason}. {self.remedy}"
