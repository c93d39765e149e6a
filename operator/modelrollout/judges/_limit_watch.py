"""The watch over a limit when one version answers everything, for as long as it does.

A test about the limit would grow tired: evidence for a healthy month would have to be undone first, and its chance of an error
is for one rollout. A change detector does neither. As long as the value is within the limit it has a stated time to a false
alarm, 10,000 blocks on average at least. A block is a poll, so at one a minute that is a week.

The detector is stopped a little above its alarm. So when the value is within the limit again a bad hour need not be undone by
another hour before that shows; the time to a false alarm is the time to the first one, and stays what it is.
"""

import math
from dataclasses import dataclass, replace
from typing import Annotated, Any

from pydantic import Field

from modelrollout.domain.evidence import Evidence
from modelrollout.domain.problem import Problem
from modelrollout.domain.reading import Reading, State
from modelrollout.domain.tally import Block, Histogram, Rate
from modelrollout.domain.verdict import Gate, Verdict
from modelrollout.evidence.pair import Pair
from modelrollout.judges import _watch, _words
from modelrollout.judges._base import DEFAULT_BETA, Question, Weigher
from modelrollout.judges._bounds import above
from modelrollout.judges._case import Damping, average, counts
from modelrollout.judges._limit import DEFAULT_QUANTILE, allowed
from modelrollout.judges._quantile import label
from modelrollout.judges._stored import down, fields, number, numbers, short
from modelrollout.judges._watch import DETECTOR, GRID, Watch
from modelrollout.schema import ApiModel

VERSION = 1
"""Of stored ledgers, see ``compare.py``."""
KEPT = 0.9
"""What each block leaves of the requests before it in the value that is shown: it speaks of about the last ten."""
ABOVE = math.log(20.0)
"""How far above its alarm the detector is stopped, as a logarithm."""
_FORMS: dict[str, type] = {"rate": Rate, "histogram": Histogram}


class LimitWatchConfig(ApiModel):
    """The limit that goes on being watched."""

    max: Annotated[float, Field(allow_inf_nan=False)]
    """The value must not be above this."""


@dataclass(frozen=True)
class LimitWatchLedger:
    """What was seen so far.

    Attributes:
        question: what it is about.
        watch: of about the last ten blocks; of a histogram, bad are the values above the limit.
    """

    question: Question
    watch: Watch


class LimitWatch(Weigher[LimitWatchConfig, LimitWatchLedger]):
    """Passes until the detector speaks, and again once it does not. Not a judge that people choose: ``threshold`` does."""

    name = "limitWatch"
    config = LimitWatchConfig

    def problems(
        self,
        config: LimitWatchConfig,  # noqa: ARG002  # what is wrong with the limit has been said of ``threshold``
        *,
        counts: bool,  # noqa: ARG002  # as above
        fraction: bool = False,  # noqa: ARG002  # as above
        forms: frozenset[type] = frozenset(),  # noqa: ARG002  # as above
    ) -> tuple[Problem, ...]:
        """Return nothing."""
        return ()

    def min_requests(self, config: LimitWatchConfig) -> int:  # noqa: ARG002  # the detector has its own
        """Return that each request counts."""
        return 1

    def forms(self, config: LimitWatchConfig) -> frozenset[type]:  # noqa: ARG002  # the same for all limits
        """Return what tallies can be watched."""
        return frozenset(_FORMS.values())

    def begin(self, config: LimitWatchConfig, question: Question) -> LimitWatchLedger:  # noqa: ARG002  # as above
        """Return the ledger before the first block."""
        return LimitWatchLedger(question, _watch.begin(1, KEPT))

    def weigh(
        self, config: LimitWatchConfig, ledger: LimitWatchLedger, block: Block, noise: float, cap: float
    ) -> LimitWatchLedger:
        """Fold one block in."""
        seen = _counts(config, ledger, block)
        if seen is None:
            return ledger
        limit, damping = allowed(config.max, ledger.question), Damping(max(noise, 1.0), cap)
        watch = _watch.look(ledger.watch, [limit], [seen.kc], seen.nc, damping)
        return replace(ledger, watch=replace(watch, state=_stopped(watch.state)))

    def evidence(self, config: LimitWatchConfig, ledger: LimitWatchLedger) -> Evidence:
        """Return what was seen, as it is shown."""
        watch = ledger.watch
        rate = watch.rate(0)
        return Evidence(
            about=_shown(ledger, config),
            alarm=watch.speaks,
            candidate=float(f"{rate:.6g}") if rate is not None else None,
            requests=round(watch.requests),
            enough=rate is not None,
        )

    def dump(self, ledger: LimitWatchLedger) -> list[Any]:
        """Return a ledger as JSON values."""
        name = next(name for name, form in _FORMS.items() if form is ledger.question.form)
        watch = ledger.watch
        counted = ((*watch.bad, watch.total), (*watch.risen, watch.risen_total))
        seen = [[short(number) for number in pair] for pair in counted]
        return [VERSION, name, ledger.question.quantile or 0, *seen, [down(part) for part in watch.state]]

    def load(self, config: LimitWatchConfig, question: Question, raw: object) -> LimitWatchLedger:  # noqa: ARG002  # as above
        """Return the ledger that was dumped.

        Raises:
            ValueError: it is of another version, or damaged.
        """
        version, name, quantile, lately, risen, state = fields(raw, 6)
        if version != VERSION or not isinstance(name, str) or name not in _FORMS:
            raise ValueError("The ledger is of another version.")
        q = number(quantile)
        (bad, total), (bad_risen, total_risen) = (numbers(pair, 2, 2) for pair in (lately, risen))
        if not 0 <= q < 1 or not 0 <= bad <= total or not 0 <= bad_risen <= total_risen:
            raise ValueError("The ledger holds more bad requests than requests, or a quantile that is none.")
        asked = replace(question, form=_FORMS[name], quantile=q or None)
        parts = tuple(max(part, 0.0) for part in numbers(state, len(GRID), len(GRID)))
        return LimitWatchLedger(asked, Watch(parts, (bad,), (bad_risen,), total, total_risen, KEPT))

    def judge(
        self,
        config: LimitWatchConfig,
        reading: Reading,
        gate: Gate | None,
        *,
        beta: float = DEFAULT_BETA,  # noqa: ARG002  # a detector has no such chance
    ) -> Gate:
        """Return the gate: a failure while the detector speaks."""
        evidence = reading.evidence
        if evidence is None or evidence.candidate is None or reading.state is not State.VALUE:
            verdict, message = Verdict.UNDECIDED, reading.message or "Nothing to look at yet."
        elif evidence.alarm:
            verdict, message = Verdict.FAIL, self.blame_words(config, evidence, 1.0)
        else:
            verdict, message = Verdict.PASS, ""
        return Gate(
            name=reading.metric,
            verdict=verdict,
            state=reading.state,
            value=evidence.candidate if evidence is not None and reading.state is State.VALUE else None,
            limit=f"≤ {config.max:g}",
            requests=reading.requests,
            at=reading.at if verdict is not Verdict.UNDECIDED else gate.at if gate else None,
            message=message[:512],
            evidence=evidence,
            slices=reading.slices,
        )

    def blame_words(self, config: LimitWatchConfig, evidence: Evidence, alpha: float) -> str:  # noqa: ARG002  # a time, and no chance
        """Return what has changed."""
        value = _words.percent(evidence.candidate or 0.0)
        what = f"{value} of values are {evidence.about}" if evidence.about else value
        return (
            f"above the limit of {config.max:g}: {what} since it began to rise, {_words.count(evidence.requests, 'request')} "
            f"(a change detector, {DETECTOR.arl:,.0f} polls between two false alarms)"
        )


def _counts(config: LimitWatchConfig, ledger: LimitWatchLedger, block: Block) -> Pair | None:
    """Return bad and all requests of a block, None when it does not say."""
    match block.candidate:
        case Rate(bad, total) if ledger.question.form is Rate:
            return counts(bad, total)
        case Histogram() as tally if ledger.question.form is Histogram:
            slow = above(tally, [bound for bound, _ in tally.buckets if math.isfinite(bound)])
            at = min((bound for bound in slow if bound >= config.max), default=None)
            return counts(slow[at], tally.total) if at is not None else None
        case _:
            return None


def _stopped(state: tuple[float, ...]) -> tuple[float, ...]:
    """Return a state that is not far above the alarm."""
    excess = average(state) - math.log1p(DETECTOR.arl) - ABOVE
    return tuple(max(part - excess, 0.0) for part in state) if excess > 0 else state


def _shown(ledger: LimitWatchLedger, config: LimitWatchConfig) -> str:
    if ledger.question.form is Rate:
        return ""
    return f"above {config.max:g} ({label(ledger.question.quantile or DEFAULT_QUANTILE)})"


LIMIT_WATCH = LimitWatch()
