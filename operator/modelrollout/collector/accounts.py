"""All ledgers, by extraction and part of the traffic, and the newest requests in which the two versions differ."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from modelrollout.collector.compare import Comparison, Outcome
from modelrollout.collector.ledger import Ledger
from modelrollout.collector.prediction import Prediction, Reader
from modelrollout.collector.table import Entry
from modelrollout.domain.capture import Capture

EXAMPLES = 10

Row = tuple[str, str, str, float]
"""Extraction, part of the traffic, series, and its value."""
Predictions = tuple[Prediction, ...]


@dataclass(frozen=True)
class Example:
    """A request to which the two versions answered differently.

    Attributes:
        id: the request's.
        parts: of the traffic that it belongs to; more when they become known.
        stable: what stable predicted; empty unless the spec asks for it.
        candidate: likewise.
    """

    id: str
    parts: list[str]
    stable: str
    candidate: str

    def page(self) -> dict[str, object]:
        """Return it as JSON."""
        page: dict[str, object] = {"id": self.id, "slice": sorted(part for part in self.parts if part)}
        if self.stable or self.candidate:
            page |= {"stable": self.stable, "candidate": self.candidate}
        return page


@dataclass
class Account:
    """What there is of one extraction.

    Attributes:
        comparison: compares its predictions.
        ledgers: by the name of the part, all of the traffic being the empty one.
        examples: the newest ones.
    """

    comparison: Comparison
    ledgers: dict[str, Ledger] = field(default_factory=dict)
    examples: deque[Example] = field(default_factory=lambda: deque(maxlen=EXAMPLES))


class Accounts:
    """Accounts of all extractions of a capture."""

    def __init__(self) -> None:
        self._accounts: dict[str, Account] = {}

    def open(self, capture: Capture, reader: Reader) -> None:
        """Have accounts for what a capture asks for; those that were there go on."""
        names = ("", *(part.name for part in capture.parts))
        before, self._accounts = self._accounts, {}
        for extractor in reader.extractors:
            key = extractor.extraction.key
            account = before.get(key)
            # What must not be told any more is forgotten.
            if account is None or account.comparison.hidden != extractor.hidden:
                account = Account(Comparison(extractor.extraction, hidden=extractor.hidden))
            account.ledgers = {name: account.ledgers.get(name, Ledger()) for name in names}
            self._accounts[key] = account

    def forget_examples(self) -> None:
        """Drop all examples."""
        for account in self._accounts.values():
            account.examples.clear()

    def compare(self, entry: Entry, stable: Predictions, candidate: Predictions, chance: float) -> tuple[Outcome, ...]:
        """Compare two answers for each extraction, and remember those that differ."""
        outcomes: list[Outcome] = []
        for account, one, two in zip(self._accounts.values(), stable, candidate, strict=True):
            outcome = account.comparison.compare(one, two, chance)
            if outcome.differs:
                account.examples.append(Example(entry.id, entry.parts, one.shown, two.shown))
            outcomes.append(outcome)
        return tuple(outcomes)

    def beyond(
        self, stable: Predictions, candidate: Predictions, again: Predictions, chance: float
    ) -> tuple[Outcome, ...]:
        """Compare the candidate's answers with stable's second ones, for each extraction."""
        found = zip(self._accounts.values(), stable, candidate, again, strict=True)
        return tuple(account.comparison.beyond(one, two, other, chance) for account, one, two, other in found)

    def add(self, outcomes: Sequence[Outcome], parts: Iterable[str]) -> None:
        """Count what a request amounts to, in some parts of the traffic."""
        for account, outcome in zip(self._accounts.values(), outcomes, strict=True):
            for part in parts:
                account.ledgers[part].add(outcome)

    def same(self, outcome: Outcome) -> tuple[Outcome, ...]:
        """Return one outcome for each extraction."""
        return (outcome,) * len(self._accounts)

    def rows(self) -> Iterator[Row]:
        """Yield all counters."""
        for key, account in self._accounts.items():
            for part, ledger in account.ledgers.items():
                for series, value in ledger.rows():
                    yield key, part, series, value

    def examples(self) -> dict[str, list[dict[str, object]]]:
        """Return the examples of each extraction as JSON, the newest first."""
        return {key: [example.page() for example in reversed(item.examples)] for key, item in self._accounts.items()}
