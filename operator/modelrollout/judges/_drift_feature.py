"""All that was gathered about one feature: at each place, both versions against one another and each against the reference.

States come in pairs, a larger share and a smaller one. What is kept of the past only guides the choice of alternatives and is
shown, so it fades: it is halved whenever the candidate has had a thousand values.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from modelrollout.domain.tally import Histogram, Shares
from modelrollout.evidence.drift import GRID, PlaceTests, reference_error
from modelrollout.evidence.mixture import Mixture, start
from modelrollout.evidence.pair import Pair
from modelrollout.judges import _drift_history as history
from modelrollout.judges._case import Damping, counts, restore
from modelrollout.judges._drift_history import History
from modelrollout.judges._drift_places import MOST_PLACES, Place, choose, counts_at
from modelrollout.judges._stored import count, fields, number, numbers
from modelrollout.judges._watch import DETECTOR

FADES = 1000.0
"""Values of the candidate after which the past is halved."""
_SIGNS = 2
_ARMS = 2
_APART, _ALIKE, _AWAY = 1, 2, len(GRID)
"""Alternatives of each test."""


@dataclass(frozen=True)
class Spot:
    """What was gathered at one place.

    Attributes:
        bad: values at the place, of candidate and stable; lately.
        normal: the reference's share; None: there is none.
        apart: "the candidate's share differs from stable's by more than the floor".
        alike: "it does not".
        away: "the share is away from the reference's", of the candidate and then of stable; empty without a reference, and
            once stable is gone.
        watch: since then, the change detector's state about the candidate.
    """

    bad: tuple[float, float]
    normal: float | None
    apart: tuple[Mixture, ...]
    alike: tuple[Mixture, ...]
    away: tuple[Mixture, ...]
    watch: tuple[float, ...] = ()


@dataclass(frozen=True)
class FeatureCase:
    """What was gathered about one feature.

    Attributes:
        weight: of its evidence among all features.
        since: blocks before the first one that counts.
        places: where it is compared.
        totals: values of candidate and stable; lately.
        spots: by place.
        history: how far it was away, and apart.
    """

    weight: float
    since: int
    places: tuple[Place, ...]
    totals: tuple[float, float] = (0.0, 0.0)
    spots: tuple[Spot, ...] = ()
    history: History = field(default_factory=History)


@dataclass(frozen=True)
class Seen:
    """One feature in one block.

    Attributes:
        candidate: None: it was in no request of the candidate.
        stable: likewise.
        reference: None: there is none.
        requests: that the reference was counted from.
    """

    candidate: Histogram | Shares | None
    stable: Histogram | Shares | None
    reference: Histogram | Shares | None
    requests: float


def begin(normal: Histogram | Shares, since: int, *, reference: bool) -> FeatureCase:
    """Return the case before the first block, without a weight yet.

    Args:
        normal: what the places are chosen from.
        since: blocks before the first one that counts.
        reference: it is the reference; otherwise the feature is never held against one in this ledger, until stable is gone.
    """
    places = choose(normal)
    spot = Spot(
        (0.0, 0.0),
        None,
        tuple(start(_APART) for _ in range(_SIGNS)),
        tuple(start(_ALIKE) for _ in range(_SIGNS)),
        tuple(start(_AWAY) for _ in range(_SIGNS * _ARMS)) if reference else (),
    )
    return FeatureCase(0.0, since, places, spots=(spot,) * len(places))


@dataclass(frozen=True)
class Trial:
    """How a block is tested.

    Attributes:
        tests: of a place.
        chance: with which the reference of a feature may be further off than is allowed for.
        damping: what takes evidence away.
        alone: the candidate answers everything.
    """

    tests: PlaceTests
    chance: float
    damping: Damping
    alone: bool


def fold(trial: Trial, case: FeatureCase, seen: Seen) -> FeatureCase:
    """Return the case with one more block."""
    pairs = _pairs(case.places, seen)
    normals = counts_at(seen.reference, case.places) if seen.reference is not None else None
    error, whole = 1.0, seen.reference.total if seen.reference is not None else 0.0
    if normals is not None and whole > 0:
        places = 1 if isinstance(seen.reference, Histogram) else len(case.places)
        error = reference_error(min(whole, seen.requests), trial.chance, places)
        normals = [normal / whole for normal in normals]
    else:
        normals = None
    ours, theirs = (pairs[0].nc, pairs[0].ns) if pairs else (0.0, 0.0)
    spots = []
    for index, (spot, pair) in enumerate(zip(case.spots, pairs, strict=True)):
        normal = normals[index] if normals is not None else None
        past = Pair(spot.bad[0], case.totals[0], spot.bad[1], case.totals[1])
        spots.append(_spot(trial, spot, past, pair, (normal, error)))
    folded = replace(
        case,
        totals=(case.totals[0] + ours, case.totals[1] + theirs),
        spots=tuple(spots),
        history=history.add(case.history, pairs, normals, alone=trial.alone),
    )
    return _faded(folded) if folded.totals[0] > FADES else folded


def _pairs(places: Sequence[Place], seen: Seen) -> list[Pair]:
    """Return the counts of a block at each place."""

    def of(tally: Histogram | Shares | None) -> tuple[list[float], float]:
        found = counts_at(tally, places) if tally is not None else None
        return (found, tally.total) if found is not None and tally is not None else ([0.0] * len(places), 0.0)

    ours, all_ours = of(seen.candidate)
    theirs, all_theirs = of(seen.stable)
    return [counts(one, all_ours, other, all_theirs) for one, other in zip(ours, theirs, strict=True)]


def _spot(trial: Trial, spot: Spot, past: Pair, block: Pair, reference: tuple[float | None, float]) -> Spot:
    tests, damping = trial.tests, trial.damping
    signs = ((past, block), (past.rest, block.rest))

    def both(test: Any, states: Sequence[Mixture]) -> tuple[Mixture, ...]:  # noqa: ANN401  # any test
        return tuple(
            test.step(state, before, one, damping.noise, damping.cap)
            for state, (before, one) in zip(states, signs, strict=True)
        )

    normal, _ = reference
    shown = spot.normal if normal is None else normal
    bad = (spot.bad[0] + block.kc, spot.bad[1] + block.ks)
    if trial.alone:
        # Nothing that was gathered with stable beside it goes on; from here on a detector watches.
        watch = _watched(tests, spot.watch, block, reference, damping)
        return replace(spot, bad=bad, normal=shown, away=(), watch=watch)
    away = _away(tests, spot.away, block, reference, damping) if spot.away else ()
    return Spot(bad, shown, both(tests.apart, spot.apart), both(tests.alike, spot.alike), away, spot.watch)


def _away(
    tests: PlaceTests, states: Sequence[Mixture], block: Pair, reference: tuple[float | None, float], damping: Damping
) -> tuple[Mixture, ...]:
    arms = (Pair(block.kc, block.nc), Pair(block.ks, block.ns))
    every = [(arm if up else arm.rest, up) for arm in arms for up in (True, False)]
    found = []
    for state, (arm, up) in zip(states, every, strict=True):
        test = _test(tests, reference, up=up)
        # Blocks without a reference, or at a place that nothing can be away from, say nothing.
        known, counted = (test, arm) if test is not None else (tests.away(0.0, 0.0), Pair())
        assert known is not None
        found.append(known.step(state, Pair(), counted, damping.noise, damping.cap))
    return tuple(found)


def _watched(
    tests: PlaceTests, watch: Sequence[float], block: Pair, reference: tuple[float | None, float], damping: Damping
) -> tuple[float, ...]:
    increments: list[float] = []
    for up in (True, False):
        test = _test(tests, reference, up=up)
        arm = Pair(block.kc, block.nc)
        found = test.increments(Pair(), arm if up else arm.rest) if test is not None else [0.0] * _AWAY
        increments += [min(increment / damping.noise, damping.cap) for increment in found]
    return DETECTOR.step(watch or DETECTOR.start(len(increments)), increments)


def _test(tests: PlaceTests, reference: tuple[float | None, float], *, up: bool) -> Any:  # noqa: ANN401  # a test, or None
    normal, error = reference
    return None if normal is None else tests.away(normal if up else 1 - normal, error)


def _faded(case: FeatureCase) -> FeatureCase:
    spots = tuple(replace(spot, bad=(spot.bad[0] / 2, spot.bad[1] / 2)) for spot in case.spots)
    return replace(case, totals=(case.totals[0] / 2, case.totals[1] / 2), spots=spots)


@dataclass(frozen=True)
class Told:
    """What one sign of one place says.

    Attributes:
        apart: ln E that both versions differ by more than the floor.
        alike: ln E that they do not.
        world: ln E that both are away from the reference in this direction.
        stable: ln E that stable is.
        watch: of the detector, the largest.
    """

    apart: float
    alike: float
    world: float
    stable: float
    watch: float


def tell(tests: PlaceTests, case: FeatureCase) -> list[tuple[Told, Told]]:
    """Return what is said at each place, of a larger share and of a smaller one."""
    log_of = tests.away(0.0, 0.0)
    assert log_of is not None
    found = []
    for spot in case.spots:
        apart, alike = map(tests.apart.log_e, spot.apart), map(tests.alike.log_e, spot.alike)
        away = [log_of.log_e(state) for state in spot.away] or [0.0] * (_SIGNS * _ARMS)
        watch = [max(spot.watch[sign * _AWAY :][:_AWAY], default=0.0) for sign in range(_SIGNS)]
        world = [min(away[sign], away[sign + _SIGNS]) for sign in range(_SIGNS)]
        up, down = map(Told, apart, alike, world, away[_SIGNS:], watch)
        found.append((up, down))
    return found


def write(case: FeatureCase) -> list[Any]:
    """Return a case to be stored, short: a feature has hundreds of numbers."""
    rows: list[float] = []
    for spot in case.spots:
        rows += [round(bad) for bad in spot.bad]
        rows.append(-1 if spot.normal is None else round(spot.normal, 3))
        rows += [coarse(part) for state in (*spot.apart, *spot.alike, *spot.away) for part in state.parts]
        rows += [coarse(log) for log in spot.watch]
    shape = [len(case.spots[0].away), len(case.spots[0].watch)] if case.spots else [0, 0]
    totals = [math.ceil(total) for total in case.totals]
    return [round(case.weight, 6), case.since, *totals, *shape, list(case.places), rows, history.write(case.history)]


def read(tests: PlaceTests, raw: object, blocks: int) -> FeatureCase:
    """Return the case that was stored.

    Raises:
        ValueError: it is none.
    """
    weight, since, ours, theirs, away, watch, places, rows, past = fields(raw, 9)
    begun, totals = count(since), (float(count(ours)), float(count(theirs)))
    if not (isinstance(places, list) and len(places) <= MOST_PLACES and all(map(_is_place, places))):
        raise ValueError("The ledger holds a place that is none.")
    if not (begun <= blocks and 0 <= number(weight) <= 1):
        raise ValueError("The ledger holds a feature that cannot be.")
    if away not in (0, _SIGNS * _ARMS) or watch not in (0, _SIGNS * _AWAY):
        raise ValueError("The ledger holds tests of another number.")
    steps, away_states, watch_states = blocks - begun, count(away), count(watch)
    length = 3 + _SIGNS * (_APART + _ALIKE) + away_states * _AWAY + watch_states
    values = numbers(rows, length * len(places), length * len(places))
    spots = []
    away_test = tests.away(0.0, 0.0)
    for index in range(len(places)):
        rest = iter(values[index * length : (index + 1) * length])
        bad, normal = (min(next(rest), totals[0]), min(next(rest), totals[1])), next(rest)

        def states(test: Any, size: int, times: int, rest: Any = rest) -> tuple[Mixture, ...]:  # noqa: ANN401  # any test
            return tuple(restore(test, [next(rest) for _ in range(size)], steps) for _ in range(times))

        apart, alike = states(tests.apart, _APART, _SIGNS), states(tests.alike, _ALIKE, _SIGNS)
        found = states(away_test, _AWAY, away_states)
        spots.append(Spot(bad, normal if 0 <= normal <= 1 else None, apart, alike, found, tuple(rest)))
    return FeatureCase(number(weight), begun, tuple(map(_place, places)), totals, tuple(spots), history.read(past))


def coarse(log: float) -> float:
    """Return evidence to be stored in few digits, rounded down; what was rounded before stays as it is."""
    places = 1 if log > -9 else 0
    near = round(log, places)
    return _whole(near if near <= log else round(near - 10.0**-places, places))


def _whole(value: float) -> float:
    return int(value) if value.is_integer() else value


def _is_place(raw: object) -> bool:
    return raw is None or isinstance(raw, str) or (isinstance(raw, int | float) and not isinstance(raw, bool))


def _place(raw: Any) -> Place:  # noqa: ANN401  # checked before
    return float(raw) if isinstance(raw, int | float) else raw
