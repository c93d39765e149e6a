"""What the tables are made of: rows of runs, in which every rule is given the same traffic and the clients' harm is counted."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from tests.verdicts.rivals import PROMOTE, ROLLBACK, Rule
from tests.verdicts.traffic import Tick, bad, rarer


@dataclass(frozen=True)
class Outcome:
    """What one rule did in one run.

    Attributes:
        decision: rollback, promote, or empty for none.
        at: seconds until it, or until the end of the run.
        bad: bad requests that the candidate had served by then.
        requests: all requests that it had served by then.
    """

    decision: str
    at: float
    bad: float
    requests: float


MINE = ("ours", "joined")
"""How the names of our rules begin."""
MISNAMED = "misnamed"
"""A rollback that blames something else than what is wrong."""
Outcomes = Mapping[str, Outcome]
"""By rule."""


class Kind(StrEnum):
    """What a row shows."""

    HEALTHY = "healthy"
    """Nothing is wrong: rollbacks are false."""
    BROKEN = "broken"
    """Something is wrong: rollbacks are right, and bad requests until then are the cost."""
    GOOD = "good"
    """The candidate is within the margin: a promotion is right."""
    BAD = "bad"
    """The candidate is at the margin or beyond it: a promotion is wrong."""
    MIRRORED = "mirrored"
    """Each column is a conclusion of its own."""
    PAIRS = "pairs"
    """Copies of requests, pair by pair: each rule ends in a pass or a stop, after so many pairs."""
    DRIFT = "drift"
    """A distribution moves or not: each rule says so or not, after so many of the candidate's requests."""
    CLIMB = "climb"
    """Each column is a way to raise the weight, and ends in a promotion or a rollback."""


@dataclass(frozen=True)
class Row:
    """One scenario.

    Attributes:
        name: in words; unique in its table.
        kind: what it shows.
        seed: of its first run; run n of a row has the generator ``Random("seed-n")``.
        traffic: both arms' requests; None where the rules change what is drawn.
        rules: all rules, each new.
        play: makes one run where giving the same traffic to all rules is not enough.
        twin: the healthy row of the table of false rollbacks with the same traffic, empty if there is none.
        wrong: the decision that is wrong, empty for none; where it is not said, the kind says it.
        right: the decision that ours must come to in nine of ten runs, empty for none; only of the rule named ``ours``.
        begins: seconds after which something is wrong; before, nothing is.
    """

    name: str
    kind: Kind
    seed: int
    traffic: Callable[[Random], Iterable[Tick]] | None = None
    rules: Callable[[], Mapping[str, Rule]] = dict
    play: Callable[[Random], Outcomes] | None = None
    twin: str = ""
    wrong: str = ""
    right: str = ""
    begins: float = 0.0

    def __post_init__(self) -> None:
        if not self.wrong:
            object.__setattr__(self, "wrong", {Kind.HEALTHY: ROLLBACK, Kind.BAD: PROMOTE}.get(self.kind, ""))

    def run(self, number: int, *, until: Mapping[str, float] | None = None, polled: int = 1) -> Outcomes:
        """Make one run; the same number is the same run.

        Args:
            number: of the run.
            until: which rules are played, and for how many seconds at most; None: all, until the traffic ends.
            polled: only each so many polls there is one, which sees what came since.
        """
        if self.play is not None:
            return self.play(self.random(number))
        assert self.traffic is not None
        rules = self.rules()
        if until is not None:
            rules = {name: rules[name] for name in until}
        ticks = self.traffic(self.random(number))
        return play(rarer(ticks, polled) if polled > 1 else ticks, rules, until or {})

    def random(self, number: int) -> Random:
        """Return where the chance of a run comes from."""
        return Random(f"{self.seed}-{number}")


@dataclass(frozen=True)
class Table:
    """Rows that belong together.

    Attributes:
        key: names it on the command line.
        title: its heading.
        words: what was simulated, what the columns are.
        runs: of each row, unless the command line says otherwise.
        rows: in their order.
    """

    key: str
    title: str
    words: str
    runs: int
    rows: tuple[Row, ...]


def play(ticks: Iterable[Tick], rules: Mapping[str, Rule], until: Mapping[str, float]) -> dict[str, Outcome]:
    """Give the same ticks to all rules, until each has decided or is to be asked no more, or the traffic ends."""
    waiting = dict(rules)
    found: dict[str, Outcome] = {}
    harm = requests = at = 0.0
    for tick in ticks:
        at = tick.at
        harm += bad(tick.candidate.tally)
        requests += tick.candidate.tally.total
        for name, rule in tuple(waiting.items()):
            decision = rule.poll(tick)
            if decision or at >= until.get(name, math.inf):
                found[name] = Outcome(decision or "", at, harm, requests)
                del waiting[name]
        if not waiting:
            break
    return {name: found.get(name) or Outcome("", at, harm, requests) for name in rules}
