"""Slices: a user writes one entry for each way to divide the traffic, and each entry makes several parts."""

from itertools import pairwise
from typing import Annotated, Any

from pydantic import Field

from modelrollout.domain.capture import Part, Path
from modelrollout.schema import ApiModel, Rule

MOST_PARTS = 20
"""Of all slices together: more would leave too few requests, and too little of α, for each."""
MOST_QUESTIONS = 64
"""Metrics × (1 + parts)."""
HASH = "^[0-9a-f]{16}$"

Value = Annotated[str, Field(min_length=1, max_length=40)]
Bound = Annotated[float, Field(ge=-1e15, le=1e15)]
DISTINCT = Rule(
    lambda values: len(set(values)) == len(values),
    "self.all(one, self.exists_one(other, other == one))",
    "names a value twice. Leave one of them out.",
)
RISING = Rule(
    lambda bounds: all(before < after for before, after in pairwise(bounds)),
    "self.isSorted() && self.all(one, self.exists_one(other, other == one))",
    "must rise. Write each bound once, the smallest first.",
)


class Slice(ApiModel):
    """One way to divide the traffic, by a header of the request or by a value in its JSON."""

    name: Annotated[str, Field(max_length=20, pattern=r"^[a-zA-Z0-9]([-_a-zA-Z0-9]*[a-zA-Z0-9])?$")]
    """What it is about; its parts are named after it, such as light=dark or age<18."""
    header: Annotated[str, Field(max_length=63, pattern=r"^[a-z0-9]([-_a-z0-9]*[a-z0-9])?$")] | None = None
    """The request header that says it, in lower case. Exactly one of header and path."""
    path: Path | None = None
    """Where it is in the request's JSON, such as parameters.light."""
    values: Annotated[tuple[Value, ...], Field(min_length=1, max_length=MOST_PARTS), DISTINCT] | None = None
    """One part for each of these values; requests with another one are in no part. Numbers and booleans are written as text.
    Exactly one of values and buckets."""
    buckets: Annotated[tuple[Bound, ...], Field(min_length=1, max_length=MOST_PARTS - 1), RISING] | None = None
    """Bounds that divide numbers into parts: [18, 65] makes three, below 18, from 18 to below 65, and from 65 on."""
    hashed: bool = False
    """The values are written as the first 16 hexadecimal digits of their SHA-256, so that nobody reads them here, nor in the
    status."""

    rules = (
        Rule(
            lambda one: (one.header is None) != (one.path is None),
            "has(self.header) != has(self.path)",
            "must say in exactly one way where it is in a request. Write header or path.",
        ),
        Rule(
            lambda one: (one.values is None) != (one.buckets is None),
            "has(self.values) != has(self.buckets)",
            "must say in exactly one way what its parts are. Write values or buckets.",
        ),
        Rule(
            lambda one: not one.hashed or one.values is None or all(_is_hash(value) for value in one.values),
            f"!has(self.hashed) || !self.hashed || !has(self.values) || self.values.all(value, value.matches('{HASH}'))",
            "must be hashes. Write the first 16 characters of each value's SHA-256, in lower case.",
            "values",
        ),
        Rule(
            lambda one: not one.hashed or one.buckets is None,
            "!has(self.hashed) || !self.hashed || !has(self.buckets)",
            "stands beside buckets, and a hash is no number. Leave it out.",
            "hashed",
        ),
    )

    def parts(self) -> tuple[Part, ...]:
        """Return its parts of the traffic, in the order in which they were written."""
        if self.buckets is None:
            return tuple(
                Part(name=f"{self.name}={value}", header=self.header, path=self.path, value=value, hashed=self.hashed)
                for value in self.values or ()
            )
        return tuple(
            Part(name=_between(self.name, low, high), header=self.header, path=self.path, low=low, high=high)
            for low, high in pairwise((None, *self.buckets, None))
        )


def _cel_parts(slices: str) -> str:
    return f"{slices}.map(one, has(one.values) ? one.values.size() : (has(one.buckets) ? one.buckets.size() + 1 : 0)).sum()"


FEW_PARTS = Rule(
    lambda slices: len(parts_of(slices)) <= MOST_PARTS,
    f"{_cel_parts('self')} <= {MOST_PARTS}",
    f"would make more than {MOST_PARTS} parts. Leave out values or bounds that matter less.",
)
_REMEDY = f"metrics × (1 + parts), and {MOST_QUESTIONS} are possible. Leave out parts, or metrics."
_PARTS = _cel_parts("self.slices")
FEW_QUESTIONS = Rule(
    lambda analysis: _questions(analysis) <= MOST_QUESTIONS,
    f"!has(self.slices) || !has(self.metrics) || self.metrics.size() * (1 + {_PARTS}) <= {MOST_QUESTIONS}",
    f"would ask too much: {_REMEDY}",
    "slices",
    lambda analysis: (
        f"would ask {len(analysis.metrics)} × (1 + {len(parts_of(analysis.slices))}) = {_questions(analysis)} questions, "
        f"{_REMEDY}"
    ),
    # Texts put together with + would cost too much: nobody tells the API server how long a number can be.
    f"'would ask %d × (1 + %d) = %d questions, {_REMEDY}'"
    f".format([self.metrics.size(), {_PARTS}, self.metrics.size() * (1 + {_PARTS})])",
)
"""Of an analysis: each metric is asked of all requests, and of each part again."""


def parts_of(slices: tuple[Slice, ...]) -> tuple[Part, ...]:
    """Return the parts of all slices, in their order."""
    return tuple(part for one in slices for part in one.parts())


def _questions(analysis: Any) -> int:  # noqa: ANN401  # the model of spec.analysis, which is made of this one
    return len(analysis.metrics) * (1 + len(parts_of(analysis.slices)))


def _is_hash(value: str) -> bool:
    return len(value) == 16 and set(value) <= set("0123456789abcdef")


def _between(name: str, low: float | None, high: float | None) -> str:
    # Twelve digits: the longest name still fits where the status shows it.
    least = f"{low:.12g}" if low is not None else ""
    most = f"{high:.12g}" if high is not None else ""
    if not least:
        return f"{name}<{most}"
    return f"{least}<={name}<{most}" if most else f"{name}>={least}"
