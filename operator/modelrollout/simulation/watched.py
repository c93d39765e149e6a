"""What the collector of one simulated router pod observes of all requests: the real one, asked once for each kind of them.

Inputs and outputs are counted apart, since no counter is about both: so a feature may have any values, and still a few requests
tell what hours of them amount to.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import product
from random import Random
from typing import Any

from modelrollout.collector.collector import Collector, Message
from modelrollout.domain.capture import Capture
from modelrollout.names import mirror_cluster
from modelrollout.simulation.behaviour import Behaviour
from modelrollout.simulation.bodies import answer, request
from modelrollout.simulation.chance import portions, some
from modelrollout.simulation.kinds import SILENCE, Mix, answers, parts_of

QUANTILES = 20
"""Values of a feature that are asked for at a time, each as frequent as the other ones."""

Series = tuple[str, str, str]
"""Who answered, part and name of a counter."""
Values = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Law:
    """How the values of one feature are spread.

    Attributes:
        feature: its name: of a feature in the spec, or as the protocol calls it.
        value: the value below which this share of all values is, at some time and of the requests that a revision answers;
            None: null.
    """

    feature: str
    value: Callable[[float, datetime, str], object]


class Watched:
    """Counts what one router pod observes; it begins anew with its process.

    Args:
        random: decides about each request; None: every share is exact.
    """

    def __init__(self, random: Random | None) -> None:
        self._random = random
        self._capture: Capture | None = None
        self._counters: Counter[Series] = Counter()

    def obey(self, capture: Capture | None) -> None:
        """Observe what a capture says from now on."""
        before, self._capture = self._capture, capture
        if before is None or capture is None or _what(before) != _what(capture):
            self._counters.clear()
            return
        arms = {*_arms(capture)}
        self._counters = Counter({series: value for series, value in self._counters.items() if series[0] in arms})

    def answered(  # noqa: PLR0913, PLR0917  # who, what, and how many
        self, cluster: str, behaviour: Behaviour, mix: Mix, shared: float, requests: float, at: datetime
    ) -> None:
        """Take what a revision, or a mirror, answered.

        Args:
            cluster: which.
            behaviour: how it behaves.
            mix: what clients ask.
            shared: chance of each request to fail that does not depend on who answers it.
            requests: how many.
            at: when.
        """
        capture = self._capture
        if capture is None or capture.observed is None or cluster not in _arms(capture) or not requests:
            return
        said = [(part, says_so, share) for part, _, says_so, share in answers(behaviour, mix, shared)]
        for (part, says_so, _), number in self._shared(said, requests):
            if says_so != SILENCE:
                self._add(_said(capture, cluster, part, says_so), number)
        if cluster not in (capture.stable, capture.candidate):
            return
        parts = parts_of(mix)
        values = _values(mix, at, cluster)
        asked = [
            (part, each, share / len(values)) for (part, share), each in product(parts.items(), values) if share > 0
        ]
        known = tuple((name, value) for name, value in _known(mix, at, cluster))
        for (part, each, _), number in self._shared(asked, requests):
            self._add(_asked(capture, cluster, part, each, known), number)

    def page(self) -> dict[str, Any]:
        """Return what the collector would show of it, empty where it observes nothing."""
        if self._capture is None or self._capture.observed is None:
            return {}
        rows = {**{(arm, part, name): value for arm, part, name, value in _nothing(self._capture)}, **self._counters}
        return {"observed": [[*series, value] for series, value in rows.items()]}

    def _shared(self, kinds: Sequence[tuple[str, Any, float]], requests: float) -> Iterator[tuple[Any, float]]:
        """Yield how many of so many requests are of each kind."""
        yield from zip(kinds, portions(self._random, requests, [share for _, _, share in kinds]), strict=True)

    def _add(self, rows: tuple[tuple[Series, float], ...], number: float) -> None:
        if number:
            for series, value in rows:
                self._counters[series] += value * number  # type: ignore[assignment]  # shares of requests are counted, too

    def some(self, requests: float, percent: int) -> float:
        """Return how many of so many requests are chosen."""
        return some(self._random, requests, percent / 100)


def _what(capture: Capture) -> tuple[object, ...]:
    return capture.observed, capture.protocol, capture.redact, capture.parts


def _arms(capture: Capture) -> tuple[str, ...]:
    """Return all whose answers are counted: who answers clients, and mirrors."""
    answering = tuple(revision for revision in (capture.stable, capture.candidate) if revision)
    copies = answering[::-1][: 2 if capture.baseline is not None else 1] if len(answering) > 1 else ()
    return *answering, *map(mirror_cluster, copies)


def _values(mix: Mix, at: datetime, revision: str) -> list[Values]:
    if not mix.inputs:
        return [()]
    quantiles = [(number + 0.5) / QUANTILES for number in range(QUANTILES)]
    return [tuple((law.feature, law.value(quantile, at, revision)) for law in mix.inputs) for quantile in quantiles]


def _known(mix: Mix, at: datetime, revision: str) -> Iterator[tuple[str, object]]:
    """Yield one value of each feature, so that the collector has learned of it before it is missing."""
    for values in zip(*_values(mix, at, revision), strict=True):
        yield next((pair for pair in values if pair[1] is not None), values[0])


@lru_cache(maxsize=64)
def _nothing(capture: Capture) -> list[Any]:
    found: list[Any] = Collector(capture).page()["observed"]
    return found


@lru_cache(maxsize=4096)
def _said(capture: Capture, cluster: str, part: str, said: str) -> tuple[tuple[Series, float], ...]:
    """Ask the real collector what an answer amounts to."""
    collector, asked = Collector(capture), request(capture, part, "0")
    told = answer(capture, said, "0", cluster, asked)
    collector.request(asked, 0.0)
    if cluster in (capture.stable, capture.candidate):
        collector.primary(told, 0.0)
    else:
        collector.primary(Message("0", capture.stable or "", skipped="stream", headers=asked.headers), 0.0)
        collector.copy(told, 0.0)
    return _grown(collector, cluster, inputs=False)


@lru_cache(maxsize=16384)
def _asked(capture: Capture, arm: str, part: str, values: Values, known: Values) -> tuple[tuple[Series, float], ...]:
    """Ask the real collector what a request amounts to."""
    collector, asked = Collector(capture), request(capture, part, "0", dict(values))
    collector.request(request(capture, part, "1", dict(known)), 0.0)
    collector.request(asked, 0.0)
    collector.primary(Message("0", arm, skipped="stream", headers=asked.headers, copied=False), 0.0)
    return _grown(collector, arm, inputs=True)


def _grown(collector: Collector, arm: str, *, inputs: bool) -> tuple[tuple[Series, float], ...]:
    rows: Mapping[Series, float] = {
        (name, part, series): value for name, part, series, value in collector.page()["observed"]
    }
    return tuple(
        (series, value)
        for series, value in rows.items()
        if value and series[0] == arm and series[2].startswith("in/") is inputs
    )
