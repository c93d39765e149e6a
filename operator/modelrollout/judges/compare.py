"""The candidate against stable over the same minutes, decided as soon as the evidence is there and not before.

Each block is a comparison of its own, so load, hour and incidents that hit both versions cancel out. What is compared
depends on the form of the tallies: a rate, all bounds of a histogram, one quantile, a mean, the shares of classes, or pairs of
answers to the same requests.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from modelrollout.domain.evidence import Evidence
from modelrollout.domain.problem import Problem
from modelrollout.domain.reading import Reading
from modelrollout.domain.tally import Block, Crossed, Features, Histogram, Mean, Paired, Rate, Scores, Shares
from modelrollout.domain.verdict import Gate
from modelrollout.evidence.pair import Pair
from modelrollout.judges import _compare_words, _paired
from modelrollout.judges._base import DEFAULT_BETA, Question, Weigher
from modelrollout.judges._bounds import HistogramBounds
from modelrollout.judges._case import Damping
from modelrollout.judges._compare import CompareConfig, Form
from modelrollout.judges._forecast import further
from modelrollout.judges._gate import conclude
from modelrollout.judges._margin import accepted
from modelrollout.judges._means import Means, ScaledMeans
from modelrollout.judges._paired import Pairs
from modelrollout.judges._quantile import HistogramQuantile
from modelrollout.judges._rates import Rates
from modelrollout.judges._shares import ClassShares
from modelrollout.judges._stored import fields

VERSION = 3
"""Of stored ledgers. Another one means other tests; what was gathered with them is then worth nothing."""
_FORMS: dict[str, Form[Any]] = {
    form.name: form
    for form in (Rates(), HistogramBounds(), HistogramQuantile(), Means(), ScaledMeans(), ClassShares(), Pairs())
}


@dataclass(frozen=True)
class Ledger:
    """What was gathered.

    Attributes:
        form: how the tallies are compared.
        horizon: blocks that it was planned for.
        kept: the form's own ledger.
    """

    form: str
    horizon: int
    kept: Any


class CompareJudge(Weigher[CompareConfig, Ledger]):
    """Passes when the candidate is proven to be within the margin of stable."""

    name = "compare"
    config = CompareConfig

    def problems(
        self,
        config: CompareConfig,
        *,
        counts: bool,
        fraction: bool = False,
        forms: frozenset[type] = frozenset(),
    ) -> tuple[Problem, ...]:
        """Return why this judge cannot compare such readings."""
        if not forms or not counts:
            reason = "this metric is one number and has no counters of requests, so there is nothing to compare"
            return (Problem("compare", reason, "Use threshold, or a metric that counts."),)
        if forms & {Scores, Crossed}:
            reason = "this metric counts how far two predictions agree, which neither version has for itself"
            return (
                Problem("compare", reason, "Use agreement, with margin for a model whose answers differ by chance."),
            )
        if Features in forms:
            reason = "this metric is the distributions of features, each of which would need a margin of its own"
            return (Problem("compare", reason, "Use drift."),)
        return tuple(_problems(config, forms, fraction=fraction))

    def compares(self, config: CompareConfig) -> bool:  # noqa: ARG002  # whatever is compared
        """It is what it does."""
        return True

    def watcher(self, config: CompareConfig) -> None:  # noqa: ARG002  # whatever is compared
        """Once stable is gone there is nothing to compare with, and what it did once says nothing about another month."""
        return

    def required(self, config: CompareConfig) -> bool:
        """Return what the user says."""
        return config.required

    def min_requests(self, config: CompareConfig) -> int:
        """Return how many requests of the candidate a pass needs."""
        return config.min_requests

    def forms(self, config: CompareConfig) -> frozenset[type]:
        """Return what tallies it accepts with such a config."""
        if config.quantile is not None:
            return frozenset({Histogram})
        if config.worse is not None or config.lowest is not None:
            return frozenset({Mean})
        every = {Rate, Histogram, Mean, Shares, Paired}
        if config.margin is None:
            every -= {Mean}
        elif config.margin.absolute is None or config.margin.ratio is not None:
            every -= {Mean, Shares, Paired}
        return frozenset(every)

    def begin(self, config: CompareConfig, question: Question) -> Ledger:
        """Return the ledger before the first block."""
        name = _form(config, question.form)
        return Ledger(name, question.horizon, _FORMS[name].begin(config, question))

    def weigh(self, config: CompareConfig, ledger: Ledger, block: Block, noise: float, cap: float) -> Ledger:
        """Fold one block in."""
        kept = _FORMS[ledger.form].weigh(config, ledger.kept, block, Damping(max(float(noise), 1.0), float(cap)))
        return Ledger(ledger.form, ledger.horizon, kept)

    def temper(self, config: CompareConfig, ledger: Ledger, power: float) -> Ledger:  # noqa: ARG002  # as weighers are asked
        """Return the ledger with its evidence raised to a power below 1."""
        return Ledger(ledger.form, ledger.horizon, _FORMS[ledger.form].temper(ledger.kept, power))

    def evidence(self, config: CompareConfig, ledger: Ledger) -> Evidence:
        """Return what has been gathered."""
        return _FORMS[ledger.form].evidence(config, ledger.kept)

    def objection(self, config: CompareConfig, ledger: Ledger) -> str:
        """Return how numbers contradict the range that was promised for them."""
        return _FORMS[ledger.form].objection(config, ledger.kept)

    def dump(self, ledger: Ledger) -> list[Any]:
        """Return a ledger as JSON values."""
        return [VERSION, ledger.form, ledger.horizon, _FORMS[ledger.form].write(ledger.kept)]

    def load(self, config: CompareConfig, question: Question, raw: object) -> Ledger:
        """Return the ledger that was dumped."""
        version, name, horizon, kept = fields(raw, 4)
        form = _FORMS.get(name) if isinstance(name, str) else None
        if version != VERSION or horizon != question.horizon or form is None or name not in _loadable(config):
            raise ValueError("The ledger is of another version or another config.")
        return Ledger(form.name, question.horizon, form.read(config, question, kept))

    def judge(self, config: CompareConfig, reading: Reading, gate: Gate | None, *, beta: float = DEFAULT_BETA) -> Gate:
        """Return the gate that the evidence of a reading makes."""
        return conclude(
            reading,
            gate,
            beta=beta,
            least=config.min_requests,
            required=self.required(config),
            limit=_compare_words.limit(config, reading.evidence),
            values=_compare_words.values(config, reading.evidence),
            basis=_compare_words.basis(config, reading.evidence),
            bound="margin",
        )

    def needed(self, config: CompareConfig, form: type, rate: float, share: float, beta: float) -> int | None:
        """Return how many requests a pass will take.

        Of a histogram, for a bound that so many requests are above; of pairs, if no bad answer has a cause in the request.
        """
        if form is Paired:
            return _paired.needed(config, rate, beta)
        if config.quantile is not None or form not in (Rate, Histogram):
            return None
        requests = 1e6
        alike = Pair(rate * requests * share, requests * share, rate * requests * (1 - share), requests * (1 - share))
        found = further(accepted(config.margin, form), alike, 0.0, beta)
        return max(found, config.min_requests) if found is not None else None

    def blame_words(self, config: CompareConfig, evidence: Evidence, alpha: float) -> str:
        """Return what speaks against the candidate."""
        return _compare_words.blame(config, evidence, alpha)


def _form(config: CompareConfig, form: type) -> str:
    if form is Histogram:
        return HistogramBounds.name if config.quantile is None else HistogramQuantile.name
    if form is Mean:
        return Means.name if config.lowest is None else ScaledMeans.name
    return {Shares: ClassShares.name, Paired: Pairs.name}.get(form, Rates.name)


def _loadable(config: CompareConfig) -> frozenset[str]:
    return frozenset(_form(config, form) for form in PLUGIN.forms(config))


def _problems(config: CompareConfig, forms: frozenset[type], *, fraction: bool) -> Iterator[Problem]:
    margin = config.margin
    if config.quantile is not None and margin is not None:
        yield Problem("compare.margin", "stands beside quantile, which says itself how much worse is accepted", _LEAVE)
    if config.quantile is not None and Histogram not in forms:
        yield Problem("compare.quantile", "this metric has no quantiles: it is no histogram", _LEAVE)
    if Mean in forms:
        yield from _mean_problems(config, fraction=fraction)
        return
    for name in ("lowest", "highest", "worse"):
        if getattr(config, name) is not None:
            yield Problem(f"compare.{name}", "this metric is no mean", _LEAVE)
    if margin is None:
        return
    if margin.ratio is not None and (Shares in forms or Paired in forms):
        reason = (
            "shares of classes have no ratio: a class may be rare"
            if Shares in forms
            else "answers to the same requests have no ratio: what is compared is in how many only one of them is bad"
        )
        yield Problem("compare.margin.ratio", reason, "Set margin.absolute instead.")
    if margin.absolute is not None and margin.absolute >= 1:
        yield _no_fraction(margin.absolute)


def _mean_problems(config: CompareConfig, *, fraction: bool) -> Iterator[Problem]:
    margin = config.margin
    if config.quantile is None and (margin is None or margin.absolute is None):
        reason = "a mean has no margin that fits all units"
        yield Problem("compare.margin.absolute", reason, "Set it, in the unit of the metric.")
    if margin is None:
        return
    if margin.ratio is not None:
        yield Problem("compare.margin.ratio", "a mean has no ratio: it may be 0 or below", _LEAVE)
    if margin.absolute is None:
        return
    if fraction and margin.absolute >= 1:
        yield _no_fraction(margin.absolute)
    elif config.lowest is not None and config.highest is not None:
        width = config.highest - config.lowest
        if margin.absolute >= width:
            reason = f"{margin.absolute:g} is the whole range of the values or more"
            yield Problem("compare.margin.absolute", reason, f"Write a number below {width:g}.")


def _no_fraction(absolute: float) -> Problem:
    remedy = f"Write {absolute / 100:g} for {absolute:g} %." if absolute < 100 else "Write a number below 1."
    return Problem("compare.margin.absolute", f"{absolute:g} is no fraction of 1", remedy)


_LEAVE = "Leave it out."
PLUGIN = CompareJudge()
