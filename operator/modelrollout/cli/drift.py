"""Drift in a line: of each metric the feature that speaks loudest, how far it is away and from what. Pure."""

from collections.abc import Iterable, Iterator

from modelrollout.domain.evidence import Evidence
from modelrollout.domain.verdict import Gate


def drift_lines(gates: Iterable[Gate]) -> Iterator[tuple[str, bool]]:
    """Yield a line for each metric that knows a reference or has moved, and whether it has; of parts those alone that have.

    Such as ``asked: brightness at most 50 in 100 %, +36 pp from the reference (stable ± 10 pp; world, sudden)``.
    """
    for gate in gates:
        for one in (gate.evidence, *(part for part in gate.slices if part.moved)):
            if one is None or (one.moved is None and one.reference is None):
                continue
            place = f"{gate.name}[{one.slice}]" if one.slice else gate.name
            if text := _text(gate, one):
                yield f"{place}: {text}", one.moved is not None


def _text(gate: Gate, seen: Evidence) -> str:
    """Return where values are and how far from whose; empty while there is nothing to tell."""
    world = seen.stable is None or seen.moved == "world"
    other, whose = (seen.reference, "the reference") if world else (seen.stable, "stable")
    if seen.candidate is None or other is None:
        return ""
    told = "; ".join(filter(None, (gate.limit, ", ".join(filter(None, (seen.moved, seen.pace))))))
    distance = f"{(seen.candidate - other) * 100:+.0f} pp".replace("-", "−")
    return f"{seen.about} in {seen.candidate:.0%}, {distance} from {whose} ({told})".replace("%,", " %,")
