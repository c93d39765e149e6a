"""What a ledger keeps over a restart: small, never more evidence than there was, and nothing of what it cannot read."""

import json
import math
from collections.abc import Callable
from functools import cache
from itertools import islice
from typing import Any

import pytest

from modelrollout.domain.tally import Block
from modelrollout.judges._base import Question
from modelrollout.judges.compare import PLUGIN, CompareConfig
from tests.cost import loops
from tests.unit.judges.predictions import answers
from tests.unit.judges.streams import (
    ALPHA,
    BETA,
    BOUNDS,
    World,
    alone,
    always,
    classes,
    gathered,
    latencies,
    means,
    rates,
)

WAYS = (always(0.2), always(0.02))
SLOWER = (always(0.3), always(0.05))
TWENTY = (0.02, *BOUNDS)
KINDS: dict[str, tuple[dict[str, Any], Callable[[int], World], int]] = {
    "rate": ({}, lambda seed: rates(seed, always(0.03), always(0.01)), 1536),
    "strict": ({"sensitivity": "strict"}, lambda seed: rates(seed, always(0.03), always(0.01)), 1536),
    "histogram": ({}, lambda seed: latencies(seed, SLOWER, WAYS, bounds=TWENTY), 6144),
    "quantile": (
        {"quantile": {"q": 0.99, "ratio": 1.2}},
        lambda seed: latencies(seed, SLOWER, WAYS, bounds=TWENTY),
        1536,
    ),
    "mean": ({"margin": {"absolute": 20}}, lambda seed: means(seed, 230, 200, spread=50), 1536),
    "scaled": (
        {"margin": {"absolute": 0.1}, "lowest": 0, "highest": 1},
        lambda seed: means(seed, 0.6, 0.5, spread=0.2),
        1536,
    ),
    "shares": (
        {"margin": {"absolute": 0.05}},
        lambda seed: classes(seed, {"a": 0.6, "b": 0.3, "c": 0.1}, {"a": 0.5, "b": 0.3, "c": 0.2}),
        1536,
    ),
    "many shares": (
        {},
        lambda seed: classes(seed, {f"class {i}": 0.02 for i in range(50)}, {f"class {i}": 0.02 for i in range(50)}),
        9000,
    ),
    "paired": ({}, lambda seed: answers(seed, 0.02, 0.02, 0.01), 1024),
}
UNKNOWN = Question.unknown(ALPHA, BETA, 360)
STOPS = (1, 2, 10, 30, 200, 300)


@cache
def after(kind: str, blocks: int) -> Any:
    """Return the ledger of one kind after so many blocks of one world, of which each is weighed once for all tests."""
    raw, _, _ = KINDS[kind]
    fewer = max((number for number in STOPS if number < blocks), default=0)
    before = after(kind, fewer) if fewer else None
    return gathered(CompareConfig(**raw), islice(blocks_of(kind), fewer, blocks), blocks - fewer, ledger=before)


@cache
def blocks_of(kind: str) -> list[Block]:
    _, world, _ = KINDS[kind]
    return list(islice(world(1), STOPS[-1]))


def text(ledger: Any) -> str:
    return json.dumps(PLUGIN.dump(ledger), separators=(",", ":"), allow_nan=False)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("blocks", [1, 2, 30, 200])
def test_it_survives_a_restart_with_no_more_evidence_than_before(kind: str, blocks: int) -> None:
    raw, _, _ = KINDS[kind]
    config = CompareConfig(**raw)
    before = after(kind, blocks)
    restarted = PLUGIN.load(config, UNKNOWN, json.loads(text(before)))
    assert text(restarted) == text(before), "writing it again changes nothing"
    old, new = PLUGIN.evidence(config, before), PLUGIN.evidence(config, restarted)
    for field in ("against", "within", "worse"):
        assert getattr(old, field) - 0.001 <= getattr(new, field) <= getattr(old, field), field
    assert (new.requests, new.stable_requests, new.low, new.high) == (
        old.requests,
        old.stable_requests,
        old.low,
        old.high,
    )
    assert new.candidate == pytest.approx(old.candidate, rel=1e-5)
    assert new.stable == pytest.approx(old.stable, rel=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_it_goes_on_after_a_restart_as_if_there_had_been_none(kind: str) -> None:
    raw, _, _ = KINDS[kind]
    config = CompareConfig(**raw)
    ledger = after(kind, 30)
    restarted = PLUGIN.load(config, UNKNOWN, json.loads(text(ledger)))
    for block in blocks_of(kind)[30:60]:
        ledger = PLUGIN.weigh(config, ledger, block, 1.0, math.inf)
        restarted = PLUGIN.weigh(config, restarted, block, 1.0, math.inf)
        restarted = PLUGIN.load(config, UNKNOWN, json.loads(text(restarted)))
    old, new = PLUGIN.evidence(config, ledger), PLUGIN.evidence(config, restarted)
    assert new.against == pytest.approx(old.against, abs=0.02)
    assert new.within == pytest.approx(old.within, abs=0.02)


@pytest.mark.parametrize("kind", ["rate", "histogram", "quantile"])
def test_the_watch_without_stable_survives_a_restart(kind: str) -> None:
    raw, world, _ = KINDS[kind]
    config = CompareConfig(**raw)
    ledger = gathered(config, alone(world(2)), 5, ledger=after(kind, 30))
    restarted = PLUGIN.load(config, UNKNOWN, json.loads(text(ledger)))
    assert text(restarted) == text(ledger)
    assert PLUGIN.evidence(config, restarted).against <= PLUGIN.evidence(config, ledger).against


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_small(kind: str) -> None:
    _, _, most = KINDS[kind]
    size = len(text(after(kind, STOPS[-1])).encode())
    print(f"{kind}: {size} bytes")
    assert size <= most


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_damaged_is_refused(kind: str) -> None:
    raw, _, _ = KINDS[kind]
    config = CompareConfig(**raw)
    good = json.loads(text(after(kind, 10)))

    def damage(value: Any, path: tuple[int, ...] = ()) -> Any:
        """Yield copies with one part replaced, shortened or lengthened."""
        if isinstance(value, list):
            yield path, []
            yield path, [*value, 1]
            yield path, None
            for index in range(min(len(value), 12)):
                yield from damage(value[index], (*path, index))
        elif not isinstance(value, bool):
            yield path, None
            yield path, math.nan
            yield path, {}

    def put(value: Any, path: tuple[int, ...], new: Any) -> Any:
        if not path:
            return new
        copy = list(value)
        copy[path[0]] = put(copy[path[0]], path[1:], new)
        return copy

    for path, new in damage(good):
        broken = put(good, path, new)
        try:
            PLUGIN.evidence(config, PLUGIN.load(config, UNKNOWN, broken))
        except ValueError:
            continue
        # Part of a ledger may be absent by right: classes, bounds of an empty one, a watch that has not begun.
        assert new == [], (path, new)


@pytest.mark.parametrize("raw", [None, [], {}, "x", 3, [99, "rate", 360, []], [1, "unheard of", 360, []]])
def test_what_is_no_ledger_is_refused(raw: Any) -> None:
    with pytest.raises(ValueError, match="ledger"):
        PLUGIN.load(CompareConfig(), UNKNOWN, raw)


def test_a_ledger_of_another_version_horizon_or_config_is_refused() -> None:
    config = CompareConfig()
    version, form, horizon, kept = PLUGIN.dump(gathered(config, rates(1, always(0.1), always(0.1)), 3))
    for other in ([version + 1, form, horizon, kept], [version, form, horizon + 1, kept]):
        with pytest.raises(ValueError, match="another version"):
            PLUGIN.load(config, UNKNOWN, other)
    with pytest.raises(ValueError, match="another config"):
        PLUGIN.load(CompareConfig(quantile={"q": 0.9, "ratio": 2}), UNKNOWN, [version, form, horizon, kept])


@pytest.mark.parametrize(("kind", "most"), [("rate", 2), ("histogram", 10), ("quantile", 1), ("shares", 3)])
def test_a_block_costs_little(kind: str, most: int) -> None:
    raw, _, _ = KINDS[kind]
    config = CompareConfig(**raw)
    blocks, begun = blocks_of(kind)[10:60], after(kind, 10)

    def weigh() -> None:
        ledger = begun
        for block in blocks:
            ledger = PLUGIN.weigh(config, ledger, block, 1.0, math.inf)

    cost = loops(weigh) / 50
    print(f"{kind}: {cost:.2f} loops a block")
    assert cost <= most
