"""What a judge is. A judge folds readings into a gate; a weigher folds blocks into evidence, and evidence into a gate."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from modelrollout.domain.evidence import Evidence
from modelrollout.domain.problem import Problem
from modelrollout.domain.reading import Reading
from modelrollout.domain.tally import Block, Tally
from modelrollout.domain.verdict import Gate
from modelrollout.schema import ApiModel

C = TypeVar("C", bound=ApiModel)
L = TypeVar("L")
DEFAULT_BETA = 0.05
"""The highest chance of a false pass that is taken when nobody names one."""


class Judge(ABC, Generic[C]):
    """One way to conclude.

    Attributes:
        name: field name below ``spec.analysis.metrics[]``.
        config: the field's model.
    """

    name: str
    config: type[C]

    @abstractmethod
    def problems(
        self, config: C, *, counts: bool, fraction: bool = False, forms: frozenset[type] = frozenset()
    ) -> tuple[Problem, ...]:
        """Return why this judge cannot judge such readings, with paths below the metric.

        Args:
            config: the metric's judge.
            counts: a window rests on a number of requests, see :meth:`modelrollout.sources._base.Source.counted`.
            fraction: the value is a fraction of 1.
            forms: what tallies the source makes; empty for a gauge, which cannot be compared.
        """

    def weighs(self, config: C) -> bool:  # noqa: ARG002  # most judges always do, or never
        """Return whether it weighs evidence with such a config; it is then a :class:`Weigher`."""
        return False

    def compares(self, config: C) -> bool:  # noqa: ARG002  # most judges look at the candidate alone
        """Return whether it needs stable beside the candidate: a block must then hold requests of both."""
        return False

    def needs_baseline(self, config: C) -> bool:  # noqa: ARG002  # most judges take stable as it is
        """Return whether it needs to know how much stable differs from itself, see ``spec.analysis.predictions.baseline``."""
        return False

    def required(self, config: C) -> bool:  # noqa: ARG002  # most judges leave nothing else
        """Return whether the rollout waits for a pass; a metric that it does not wait for can still take it back."""
        return True

    def watcher(self, config: C) -> "tuple[Judge[Any], Any] | None":
        """Return who goes on watching once one version answers everything, with its config; None: nobody can.

        A window can be held against a limit for ever. A test cannot: its chance of an error is for one rollout, so a change
        detector takes its place.
        """
        return self, config

    @abstractmethod
    def min_requests(self, config: C) -> int:
        """Return how many requests a window needs before it may be judged; 0 for a gauge."""

    @abstractmethod
    def judge(self, config: C, reading: Reading, gate: Gate | None) -> Gate:
        """Fold a reading into the gate. A reading that was folded before (same ``at``) changes nothing.

        Only a closed reading with state VALUE makes a pass or a failure and moves the streak. While the next window
        grows, what the last one said may stand; any other state leaves the verdict UNDECIDED.
        """


@dataclass(frozen=True)
class Question:
    """What evidence is gathered about. Evidence for one question says nothing about another.

    Attributes:
        alpha: highest chance of a false rollback, of the whole rollout.
        beta: highest chance of a false promotion.
        horizon: blocks that the comparison is planned for; only its power depends on it, never its validity.
        form: class of the tallies: Rate, Histogram, Mean, Shares or Features.
        quantile: which one the metric shows, for histograms.
        fraction: the value is a fraction of 1.
        inputs: it is about what clients ask, in which no version has a say.
        before: what stable did before the first block, as far as its counters remember; None: nobody knows.
    """

    alpha: float
    beta: float
    horizon: int
    form: type
    quantile: float | None = None
    fraction: bool = False
    inputs: bool = False
    before: Tally | None = None

    @classmethod
    def unknown(cls, alpha: float, beta: float, horizon: int) -> "Question":
        """Return the question to load a ledger with: what the metric measures stands in what was dumped."""
        return cls(alpha, beta, horizon, type(None))


class Weigher(Judge[C], Generic[C, L]):
    """A judge that gathers evidence, block by block, in a ledger. A ledger is a value: weighing returns the next one.

    It never fails a gate by itself: the chance of a false rollback belongs to all metrics together, so the engine adds their
    evidence up and asks the guilty one for :meth:`blame_words`.
    """

    def weighs(self, config: C) -> bool:  # noqa: ARG002  # as above
        """Return whether it weighs evidence with such a config."""
        return True

    @abstractmethod
    def forms(self, config: C) -> frozenset[type]:
        """Return what tallies it accepts."""

    @abstractmethod
    def begin(self, config: C, question: Question) -> L:
        """Return the ledger before the first block."""

    @abstractmethod
    def weigh(self, config: C, ledger: L, block: Block, noise: float, cap: float) -> L:
        """Fold one block in.

        Args:
            config: the metric's judge, the same as at the beginning.
            ledger: before the block.
            block: what both arms did in the same stretch of time; without stable once the candidate has all requests.
            noise: φ, at least 1; evidence is divided by it.
            cap: the most that this block may add to any evidence.
        """

    def temper(self, config: C, ledger: L, power: float) -> L:  # noqa: ARG002  # most tallies have no noise
        """Return a ledger with its evidence raised to a power below 1.

        Args:
            config: the metric's judge.
            ledger: what was gathered while φ was thought to be smaller than it is.
            power: how many times smaller: evidence that was divided by too little.
        """
        return ledger

    @abstractmethod
    def evidence(self, config: C, ledger: L) -> Evidence:
        """Return what has been gathered, as it is shown and combined with other metrics."""

    def objection(self, config: C, ledger: L) -> str:  # noqa: ARG002  # most numbers cannot contradict their config
        """Return why the numbers cannot be what the config says that they are, and what to do; empty when they can.

        Evidence of such numbers is none, and nothing is decided on them.
        """
        return ""

    def details(self, config: C, ledger: L) -> dict[str, Any]:  # noqa: ARG002  # most evidence says everything
        """Return small JSON for the report, of what the evidence of all requests has no room for."""
        return {}

    @abstractmethod
    def dump(self, ledger: L) -> list[Any]:
        """Return a ledger as JSON values, rounded so that evidence never grows by it."""

    @abstractmethod
    def load(self, config: C, question: Question, raw: object) -> L:
        """Return the ledger that :meth:`dump` wrote.

        Args:
            config: the metric's judge, the same as at the beginning.
            question: α, β and horizon; the rest of it stands in what was dumped.
            raw: what was dumped.

        Raises:
            ValueError: it is of another version or another config, or it is damaged. Begin again then.
        """

    @abstractmethod
    def judge(self, config: C, reading: Reading, gate: Gate | None, *, beta: float = DEFAULT_BETA) -> Gate:
        """Return the gate that the evidence of a reading makes: a pass at ln(1/β), otherwise UNDECIDED."""

    def needed(self, config: C, form: type, rate: float, share: float, beta: float) -> int | None:  # noqa: ARG002  # most forms cannot tell
        """Return how many requests of the candidate a pass will take; None when nobody can tell, or when none would do.

        Args:
            config: the metric's judge.
            form: class of the tallies.
            rate: share of bad requests, of both versions alike.
            share: of all requests that go to the candidate, as a fraction of 1.
            beta: highest chance of a false pass.
        """
        return None

    @abstractmethod
    def blame_words(self, config: C, evidence: Evidence, alpha: float) -> str:
        """Return what speaks against the candidate, for the message of a rollback.

        Args:
            config: the metric's judge.
            evidence: of the metric or of one of its slices.
            alpha: below ln(1/α) of its own it is only a suspect.
        """
