"""What the tables are made of: rows of runs, in which every rule is given the same traffic and the clients' harm is counted."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from random import Random

from tests.verdicts.rivals import PROMOTE, ROLLBACK, Rule
from tests.verdicts.traffic import Tick, bad


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

    def __post_init__(self) -> None:
        if not self.wrong:
            object.__setattr__(self, "wrong", {Kind.HEALTHY: ROLLBACK, Kind.BAD: PROMOTE}.get(self.kind, ""))

    def run(self, number: int, *, polls: int | None = None, rivals: bool = True) -> Outcomes:
        """Make one run; the same number is the same run.

        Args:
            number: of the run.
            polls: after so many it ends.
            rivals: others' rules are played too.
        """
        if self.play is not None:
            return self.play(self.random(number))
        assert self.traffic is not None
        rules = self.rules()
        if not rivals:
            rules = {name: rule for name, rule in rules.items() if name.startswith(MINE)}
        return play(islice(self.traffic(self.random(number)), polls), rules)

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


def play(ticks: Iterable[Tick], rules: Mapping[str, Rule]) -> dict[str, Outcome]:
    """Give the same ticks to all rules, until each has decided or the traffic ends."""
    waiting = dict(rules)
    found: dict[str, Outcome] = {}
    harm = requests = at = 0.0
    for tick in ticks:
        at = tick.at
        harm += bad(tick.candidate.tally)
        requests += tick.candidate.tally.total
        for name, rule in tuple(waiting.items()):
            decision = rule.poll(tick)
            if decision:
                found[name] = Outcome(decision, at, harm, requests)
                del waiting[name]
        if not waiting:
            break
    return {name: found.get(name) or Outcome("", at, harm, requests) for name in rules}
