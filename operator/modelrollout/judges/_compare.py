"""What ``compare`` can be asked, and what it takes to compare tallies of one form."""

from abc import ABC, abstractmethod
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar

from pydantic import Field

from modelrollout.domain.evidence import Evidence
from modelrollout.domain.tally import Block
from modelrollout.judges._base import Question
from modelrollout.judges._case import Damping
from modelrollout.judges._margin import Margin
from modelrollout.schema import ApiModel, Rule

L = TypeVar("L")


class Quantile(ApiModel):
    """A quantile of stable's and how many times as large the candidate's may be."""

    q: Annotated[float, Field(gt=0, lt=1)]
    """Which quantile: 0.99 is the 99th percentile."""
    ratio: Annotated[float, Field(ge=1, le=1000)]
    """1.2 means: the candidate's at most 1.2 times stable's. Rounded up to the next bound of the histogram, so bounds should
    lie closer together than that."""


class CompareConfig(ApiModel):
    """The candidate against stable, over the same minutes.

    Evidence is gathered until it proves one of two things: the candidate is worse than the margin (rollback; false with a
    chance of at most `analysis.alpha`), or it is within it (pass; false with a chance of at most `analysis.beta`). Both
    hold however often it is looked at. It needs a metric with counters.
    Once the candidate has all requests there is no stable beside it. It is then watched against what stable did before,
    with at least 10,000 blocks (polls) between two false alarms on average; means, and shares of classes, are not.
    """

    margin: Margin | None = None
    """The worst increase that you accept. Absent: 0.5 percentage points or a quarter more, whichever is larger, for rates
    (errors) and for the requests above each bound of a histogram; 10 percentage points for the share of a class; 0.5
    percentage points for bad answers to the same requests. A mean has no default: set margin.absolute."""
    quantile: Quantile | None = None
    """Compare one quantile instead of the whole histogram: "p99 at most 1.2 times stable's". Not together with margin."""
    sensitivity: Literal["margin", "strict"] = "margin"
    """margin: rolled back only when proven worse than the margin. strict: when proven worse at all (more than a tenth and
    0.1 percentage points; for means and shares more than a tenth of the margin). That is faster, and it rolls back
    candidates that are worse yet within the margin. A pass asks for the margin in both."""
    min_requests: Annotated[int, Field(ge=1, le=1_000_000_000)] = 50
    """Requests of the candidate without which nothing passes, whatever the evidence."""
    required: bool = True
    """Whether the rollout waits until this metric passes. false: it can only roll back, and never holds anything up;
    for traffic that is too little to prove the margin."""
    lowest: Annotated[float, Field(allow_inf_nan=False)] | None = None
    """For means: no value can be below this. With highest the test is exact and needs no start-up time; without them it
    holds approximately, and only from 20 blocks on. It is your promise about every single value, of which only sums are
    known: a value outside voids the guarantee. Where the mean of a poll itself is outside nothing is decided any more."""
    highest: Annotated[float, Field(allow_inf_nan=False)] | None = None
    """For means: no value can be above this."""
    worse: Literal["higher", "lower", "different"] | None = None
    """For means: in which direction the candidate would be worse. Absent: different, in either."""

    rules = (
        Rule(
            lambda config: (config.lowest is None) == (config.highest is None),
            "has(self.lowest) == has(self.highest)",
            "names one end of a range. Set both lowest and highest, or neither.",
        ),
        Rule(
            lambda config: config.lowest is None or config.highest is None or config.lowest < config.highest,
            "!has(self.lowest) || !has(self.highest) || self.lowest < self.highest",
            "is not below highest. Swap lowest and highest.",
            "lowest",
        ),
    )

    @property
    def strict(self) -> bool:
        """Whether any proven worsening counts."""
        return self.sensitivity == "strict"


class Form(ABC, Generic[L]):
    """How tallies of one form are compared.

    Attributes:
        name: which form it is in a stored ledger.
    """

    name: ClassVar[str]

    @abstractmethod
    def begin(self, config: CompareConfig, question: Question) -> L:
        """Return the ledger before the first block."""

    @abstractmethod
    def weigh(self, config: CompareConfig, ledger: L, block: Block, damping: Damping) -> L:
        """Fold one block in."""

    def temper(self, ledger: L, power: float) -> L:  # noqa: ARG002  # as weighers are asked
        """Return the ledger with its evidence raised to a power below 1; only counts of bad requests have noise."""
        return ledger

    @abstractmethod
    def evidence(self, config: CompareConfig, ledger: L) -> Evidence:
        """Return what has been gathered."""

    def objection(self, config: CompareConfig, ledger: L) -> str:  # noqa: ARG002  # most forms are promised nothing
        """Return why this is no evidence, see :meth:`modelrollout.judges._base.Weigher.objection`."""
        return ""

    @abstractmethod
    def write(self, ledger: L) -> list[Any]:
        """Return what is to be stored."""

    @abstractmethod
    def read(self, config: CompareConfig, question: Question, raw: object) -> L:
        """Return what was stored.

        Raises:
            ValueError: it does not fit the config, or is damaged.
        """
