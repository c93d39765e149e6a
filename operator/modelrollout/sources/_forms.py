"""Four ways to count with selectors of raw counters: bad of all, a histogram, a mean, and shares of classes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from modelrollout.domain.tally import Histogram, Mean, Rate, Shares
from modelrollout.schema import ApiModel

Text = Annotated[str, Field(min_length=1, max_length=4096)]


class CountersConfig(ApiModel):
    """Two selectors of counters: requests that were bad, and all requests."""

    bad: Text
    """Selects the counters of bad requests. No series means that there was none yet."""
    total: Text
    """Selects the counters of all requests, the bad ones included."""
    errors: bool = False
    """Whether bad means an error that clients see. A candidate with far too many of those is not given time to prove it."""


class MeanConfig(ApiModel):
    """Two selectors of counters: the sum of all values, and their number."""

    sum: Text
    """Selects the counters of the sum, such as those that end with _sum. No value may be below 0."""
    count: Text
    """Selects the counters of the number of values, such as those that end with _count."""


class SharesConfig(ApiModel):
    """A selector of counters that a label sorts into classes."""

    query: Text
    """Selects the counters of all classes."""
    label: Annotated[str, Field(max_length=128, pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$")]
    """The label whose value is the class, such as finished_reason."""


@dataclass(frozen=True)
class Form:
    """What to select, and what it amounts to.

    Attributes:
        tally: the form of the result.
        selectors: by what they count; a single one has no name.
        label: whose value is the class, for shares.
        scale: turns values and bounds into the unit of the result.
        errors: bad means an error that clients see.
        clumped: many values come from one request.
    """

    tally: type[Rate] | type[Histogram] | type[Mean] | type[Shares]
    selectors: Mapping[str, str]
    label: str = ""
    scale: float = 1.0
    errors: bool = False
    clumped: bool = False


def rate(bad: str, total: str, *, errors: bool = False) -> Form:
    """Return the form of bad requests among all."""
    return Form(Rate, {"bad": bad, "total": total}, errors=errors)


def histogram(series: str, scale: float = 1.0, *, clumped: bool = False) -> Form:
    """Return the form of a histogram's buckets."""
    return Form(Histogram, {"": series}, scale=scale, clumped=clumped)


def mean(total: str, count: str, scale: float = 1.0) -> Form:
    """Return the form of a sum over a number of values."""
    return Form(Mean, {"sum": total, "count": count}, scale=scale)


def shares(series: str, label: str) -> Form:
    """Return the form of counters that a label sorts into classes."""
    return Form(Shares, {"": series}, label=label)
