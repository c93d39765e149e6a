"""What the operator would do where a person decides, with the numbers that it rests on: values, limits and bounds."""

from modelrollout.domain.reading import State
from modelrollout.domain.stage import Stage
from modelrollout.domain.verdict import Gate, Verdict
from modelrollout.engine.analysis import conclude
from modelrollout.engine.context import Context
from modelrollout.engine.proof import standing

LONGEST = 512
"""Characters that the status has for it."""


def advice(context: Context, stage: Stage) -> str:
    """Return the recommendation for a stage that waits for a person: promote it, or hold it until more is known."""
    gates, rollout = standing(context, stage), context.progressing
    verdict, _ = conclude(gates)
    act = "Promote" if verdict is Verdict.PASS or not gates else "Hold"
    # What speaks against it comes first, in case not everything fits.
    words = [f"a warning: {one.metric} {one.message}" for one in (rollout.warnings if rollout is not None else ())]
    fractions = _fractions(context)
    words += [
        _evidence(gate, fraction=gate.name in fractions)
        for gate in sorted(gates, key=lambda gate: gate.verdict is Verdict.PASS)
    ]
    if not gates:
        words.append("the hold is over, and no metric decides here.")
    text = f"{act} {stage.label}: {'; '.join(words)}"
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _fractions(context: Context) -> frozenset[str]:
    analysis = context.spec.analysis
    sources = {metric.name: metric.source() for metric in (analysis.metrics if analysis is not None else ())}
    return frozenset(name for name, (source, config) in sources.items() if source.fraction(config))


def _evidence(gate: Gate, *, fraction: bool) -> str:
    """Return what one metric rests on: its value, its limit and, where it is compared, both bounds of the difference."""
    if gate.value is None:
        return f"{gate.name} has no number{' yet' if gate.state == State.VALUE else f' ({gate.state})'}"
    found = gate.evidence
    if found is None:
        requests = f" ({gate.requests:,} requests)" if gate.requests else ""
        return f"{gate.name} {gate.value:.6g} {gate.limit}".rstrip() + requests
    between = ""
    if found.low is not None and found.high is not None:
        of = f" {found.about}" if found.about else ""
        times, unit = (100, " pp") if fraction else (1, "")
        between = f"; the difference{of} is between {times * found.low:+.3g} and {times * found.high:+.3g}{unit}"
    return f"{gate.name} {gate.message or f'{gate.value:.6g} {gate.limit}'}{between}"
