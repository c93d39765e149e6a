"""A simulated rollout as a picture: weight, error rates of both versions, evidence, and when it was decided."""

from collections.abc import Iterator, Sequence
from itertools import cycle

from modelrollout.cli.svg import Level, Line, Mark, Panel, Picture, render
from modelrollout.simulation.clerk import Decision
from modelrollout.simulation.tape import BIN
from modelrollout.simulation.trial import Outcome

STRETCHES = 60
"""Points of an error rate, at least: each stands for a sixtieth of the time."""
COLOURS = ("#c0392b", "#2471a3", "#7d3c98", "#117864", "#b9770e", "#566573")
STABLE, CANDIDATE, TOGETHER = "#2471a3", "#c0392b", "#222222"
_WORDS = {
    Decision.PROMOTED: ("promoted", "#1e8449"),
    Decision.ROLLED_BACK: ("rolled back", "#c0392b"),
    Decision.INCONCLUSIVE: ("inconclusive", "#b9770e"),
    Decision.UNDECIDED: ("not decided", "#b9770e"),
}


def plot(name: str, outcome: Outcome, bounds: tuple[float, float] | None = None) -> str:
    """Return a picture of a trial as SVG.

    Args:
        name: of the ModelDeployment.
        outcome: of the trial.
        bounds: the evidence that a rollback and a pass ask for, as natural logarithms.
    """
    end = max([outcome.verdict.at, *(moment.at for moment in outcome.moments)])
    scale, unit = (3600.0, "hours") if end > 3 * 3600 else (60.0, "minutes") if end > 180 else (1.0, "seconds")
    word, colour = _WORDS[outcome.verdict.decision]
    weights = [(moment.at / scale, float(moment.weight)) for moment in outcome.moments]
    held = [*_held(weights, end / scale)]
    panels = [
        Panel("Requests that the candidate answers, %", [Line("weight", held, CANDIDATE, steps=True)], top=100),
        Panel("Failed requests, %", [*_rates(outcome, end, scale)]),
        *_evidence(outcome, scale, bounds),
    ]
    title = f"{name}: {word} (seed {outcome.seed})"
    return render(Picture(title, end / scale, unit, panels, [Mark(word, outcome.verdict.at / scale, colour)]))


def _held(points: Sequence[tuple[float, float]], end: float) -> Iterator[tuple[float, float]]:
    """Yield points, and the last value once more at the end."""
    yield (0.0, 0.0)
    yield from points
    if points:
        yield (end, points[-1][1])


def _rates(outcome: Outcome, end: float, scale: float) -> Iterator[Line]:
    width = max(BIN, -(-end / STRETCHES // BIN) * BIN)
    arms = (("stable", "stable", STABLE), ("candidate", "candidate", CANDIDATE), ("copies", "copies to it", "#e59866"))
    for arm, label, colour in arms:
        rates = outcome.tape.rates(arm, width)
        if rates:
            middles = [(min(begin + width / 2, end) / scale, rate * 100) for begin, rate in rates.items()]
            yield Line(label, middles, colour)


def _evidence(outcome: Outcome, scale: float, bounds: tuple[float, float] | None) -> Iterator[Panel]:
    names = dict.fromkeys(name for moment in outcome.moments for name in moment.evidence)
    if not names:
        return
    for title, index, label in (
        ("Evidence that it is beyond the margin, ln E", 0, "rollback"),
        ("Evidence that it is within the margin, ln E", 1, "pass"),
    ):
        lines = []
        for name, colour in zip(names, cycle(COLOURS), strict=False):
            seen = [moment for moment in outcome.moments if name in moment.evidence]
            points = [(moment.at / scale, moment.evidence[name][index]) for moment in seen]
            lines.append(Line(name, points, colour, steps=True))
        if index == 0 and len(names) > 1:
            together = [(moment.at / scale, moment.together) for moment in outcome.moments if moment.evidence]
            lines.append(Line("together", together, TOGETHER, steps=True))
        yield Panel(title, lines, [Level(label, bounds[index])] if bounds else [])
