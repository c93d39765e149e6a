"""What the collector of one simulated router pod knows of labels: the real one, asked once for each kind of answer and label.

A label comes some time after its answer, and finds it as long as the pod remembers so many requests. It says what the right
label is, which is not what versions were made to say where the concept has changed.
"""

from collections import Counter, deque
from datetime import datetime, timedelta
from functools import lru_cache
from random import Random
from typing import Any, NamedTuple

from modelrollout.collector.collector import Collector
from modelrollout.collector.labels import Item, Row
from modelrollout.domain.capture import Capture
from modelrollout.simulation.behaviour import Behaviour
from modelrollout.simulation.bodies import answer, label, request
from modelrollout.simulation.chance import portions, some
from modelrollout.simulation.kinds import NEGATIVE, POSITIVE, SILENCE, Mix, answers

Series = tuple[str, str, str]
"""Who answered, part and name of a counter."""
Rows = tuple[tuple[Series, float], ...]


class _Waiting(NamedTuple):
    at: datetime
    due: datetime
    rows: Rows
    number: float


class Labelled:
    """Counts labels of one router pod; it begins anew with its process.

    Args:
        random: decides about each request; None: every share is exact.
    """

    def __init__(self, random: Random | None) -> None:
        self._random = random
        self._capture: Capture | None = None
        self._clear()

    def _clear(self) -> None:
        self._counters: Counter[Series] = Counter()
        self._waiting: deque[_Waiting] = deque()
        self._remembered: deque[tuple[datetime, float]] = deque()
        self._kept = 0.0

    def obey(self, capture: Capture | None) -> None:
        """Take labels as a capture says from now on."""
        before, self._capture = self._capture, capture
        if before is None or capture is None or before.labelled != capture.labelled:
            self._clear()

    def answered(  # noqa: PLR0913, PLR0917  # who, what, and how many
        self, cluster: str, behaviour: Behaviour, mix: Mix, shared: float, requests: float, at: datetime
    ) -> None:
        """Take what a revision answered clients; its labels come later.

        Args:
            cluster: which.
            behaviour: how it behaves.
            mix: what clients ask.
            shared: chance of each request to fail that does not depend on who answers it.
            requests: how many are looked at.
            at: when.
        """
        capture = self._capture
        if capture is None or capture.labelled is None or not requests:
            return
        if cluster not in (capture.stable, capture.candidate):
            return
        kinds = list(answers(behaviour, mix, shared))
        for (part, truth, said, _), number in zip(
            kinds, portions(self._random, requests, [kind[3] for kind in kinds]), strict=True
        ):
            if not number or said == SILENCE:
                continue
            before, after = _told(capture, cluster, part, said, truth)
            self._add(before, number)
            self._remember(at, number)
            labelled = some(self._random, number, mix.labelled)
            otherwise = some(self._random, labelled, mix.concept)
            _, other = _told(capture, cluster, part, said, NEGATIVE if truth == POSITIVE else POSITIVE)
            for rows, count in ((after, labelled - otherwise), (other, otherwise)):
                if count:
                    self._waiting.append(_Waiting(at, at + mix.after, rows, count))

    def page(self, at: datetime) -> dict[str, Any]:
        """Return what the collector would show of labels, empty where it takes none."""
        if self._capture is None or self._capture.labelled is None:
            return {}
        oldest = self._remembered[0][0] if self._remembered else at
        while self._waiting and self._waiting[0].due <= at:
            one = self._waiting.popleft()
            if one.at >= oldest:
                self._add(one.rows, one.number)
        rows = [[*series, value] for series, value in self._counters.items()]
        seconds = (at - oldest) / timedelta(seconds=1)
        return {"labels": rows, "labelTotals": {"kept": int(self._kept), "seconds": seconds}}

    def _remember(self, at: datetime, number: float) -> None:
        assert self._capture is not None
        assert self._capture.labelled is not None
        self._remembered.append((at, number))
        self._kept += number
        while self._kept - self._remembered[0][1] >= self._capture.labelled.kept:
            self._kept -= self._remembered.popleft()[1]

    def _add(self, rows: Rows, number: float) -> None:
        for series, value in rows:
            self._counters[series] += value * number  # type: ignore[assignment]  # shares of requests are counted, too


@lru_cache(maxsize=4096)
def _told(capture: Capture, arm: str, part: str, said: str, right: str) -> tuple[Rows, Rows]:
    """Ask the real collector what an answer amounts to, and what its label adds to that."""
    collector, asked = Collector(capture), request(capture, part, "0")
    collector.request(asked, 0.0)
    collector.primary(answer(capture, said, "0", arm, asked), 0.0)
    before = _counted(collector)
    assert capture.labelled is not None
    collector.labels.take([Item("0", label(capture, capture.labelled.output, right))], 0.0)
    after = _counted(collector)
    grown = Counter(after)
    grown.subtract(before)
    return tuple(before.items()), tuple((series, value) for series, value in grown.items() if value)


def _counted(collector: Collector) -> dict[Series, float]:
    rows: list[Row] = list(collector.labels.rows())
    return {(arm, part, series): value for arm, part, series, value in rows}
