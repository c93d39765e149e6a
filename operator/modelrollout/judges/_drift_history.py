"""How far a feature was away, in at most 24 stretches: enough to tell a step from a ramp, however long it takes.

A stretch ends when each version that answers has had a hundred values. When there are 24, two and two become one, and a
stretch lasts twice as long from then on. The stretch that is open is not stored: after a restart it begins anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from modelrollout.evidence.pair import Pair
from modelrollout.judges._stored import numbers

MOST = 24
"""Stretches."""
LENGTH = 100.0
"""Values of each version in the first ones."""
_MOST_DOUBLINGS = 60
_UNKNOWN = -1


@dataclass(frozen=True)
class History:
    """The stretches, the oldest first.

    Attributes:
        doublings: how often their length was doubled.
        away: largest distance of a share from the reference's, both versions together; −1: there was none.
        apart: largest distance of the candidate's share from stable's; −1: stable was gone.
        open: counts at each place since the last stretch.
    """

    doublings: int = 0
    away: tuple[float, ...] = ()
    apart: tuple[float, ...] = ()
    open: tuple[Pair, ...] = ()


def add(history: History, block: Sequence[Pair], normals: Sequence[float] | None, *, alone: bool) -> History:
    """Return the history with one more block, the counts at each place."""
    if not block:
        return history
    counted = tuple(map(Pair.__add__, history.open, block)) if history.open else tuple(block)
    ours, theirs = counted[0].nc, counted[0].ns
    enough = LENGTH * 2**history.doublings
    if ours < enough or (theirs < enough and not alone):
        return replace(history, open=counted)
    away, apart = float(_UNKNOWN), float(_UNKNOWN)
    if normals is not None:
        shares = [(pair.kc + pair.ks) / (pair.nc + pair.ns) for pair in counted]
        away = max(abs(share - normal) for share, normal in zip(shares, normals, strict=True))
    if theirs > 0:
        apart = max(abs(pair.kc / pair.nc - pair.ks / pair.ns) for pair in counted)
    longer = History(history.doublings, (*history.away, _two(away)), (*history.apart, _two(apart)))
    if len(longer.away) < MOST:
        return longer
    return History(history.doublings + 1, _merged(longer.away), _merged(longer.apart))


def known(distances: Sequence[float]) -> tuple[float, ...]:
    """Return the distances since the last stretch in which there was none."""
    gaps = [index for index, distance in enumerate(distances) if distance < 0]
    return tuple(distances[gaps[-1] + 1 if gaps else 0 :])


def write(history: History) -> list[Any]:
    """Return a history to be stored, in hundredths."""
    return [history.doublings, *(round(100 * distance) for distance in (*history.away, *history.apart))]


def read(raw: object) -> History:
    """Return the history that was stored.

    Raises:
        ValueError: it is none.
    """
    doublings, *distances = numbers(raw, 1, 1 + 2 * MOST)
    half = len(distances) // 2
    if len(distances) % 2 or not 0 <= doublings <= _MOST_DOUBLINGS or any(one > 100 for one in distances):
        raise ValueError("The ledger holds a history that cannot be.")
    hundredths = tuple(float(_UNKNOWN) if one < 0 else one / 100 for one in distances)
    return History(int(doublings), hundredths[:half], hundredths[half:])


def _merged(distances: Sequence[float]) -> tuple[float, ...]:
    pairs = zip(distances[::2], distances[1::2], strict=True)
    return tuple(float(_UNKNOWN) if min(pair) < 0 else _two(sum(pair) / 2) for pair in pairs)


def _two(distance: float) -> float:
    return round(distance, 2)
