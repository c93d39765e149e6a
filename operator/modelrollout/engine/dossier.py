"""The dossier of a finished attempt: what was compared, what was found, by which rules, and who let it go on.

It is made of what the status remembers, so it comes out the same whenever it is made. Alone what both versions predicted, and
for which requests, and what each feature has drifted by, is in no status: it is as much as the leader that files the report has
seen, and nothing rests on it.
``dossier_page`` writes it for people.
"""

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError

from modelrollout.api.modeldeployment import JUDGES, SOURCES, Analysis
from modelrollout.domain.evidence import Evidence
from modelrollout.domain.status import Past, Rollout
from modelrollout.domain.tally import Features
from modelrollout.domain.verdict import Gate, Verdict
from modelrollout.engine.context import Context
from modelrollout.engine.wants import attempt_of

Values = Mapping[str, Any]


def dossier(context: Context, rollout: Rollout) -> dict[str, Any]:
    """Return everything that is known about a finished attempt, as JSON values.

    Args:
        context: the pass.
        rollout: the attempt; it ended.
    """
    past = next((one for one in context.status.history if _same(one, rollout)), None)
    ended = past.ended_at if past else context.now
    analysis = rollout.analysis or {}
    settings, metrics = _measured(analysis)
    details = context.seen.details.get(attempt_of(rollout), {})
    # A stage may end a rollout in which nothing is judged any more: what it was let go on by counts, then.
    settled = [gate for gate in rollout.settled if gate.name in metrics]
    gates = tuple({gate.name: gate for gate in (*settled, *rollout.gates, *rollout.watched)}.values())
    found = {
        "name": context.seen.name,
        "namespace": context.seen.namespace,
        "attempt": rollout.attempt,
        "outcome": past.outcome if past else str(rollout.state),
        "cause": rollout.cause.dump() if rollout.cause else None,
        "candidate": _version(context, rollout.revision),
        "stable": _version(context, rollout.previous) if rollout.previous else None,
        "strategy": rollout.strategy,
        "startedAt": _time(rollout.started_at),
        "endedAt": _time(ended),
        "seconds": _seconds(rollout.started_at, ended),
        "lastStage": rollout.stage_label,
        "stages": _stages(rollout, ended),
        "gates": [_gate(gate, metrics.get(gate.name, {})) for gate in sorted(gates, key=_place)],
        "together": _together(rollout),
        "warnings": [one.dump() for one in rollout.warnings] or None,
        "drift": {metric: said["features"] for metric, said in sorted(details.items()) if said.get("features")} or None,
        "predictions": _predictions(details) or None,
        "golden": rollout.golden.dump() if rollout.golden else None,
        "analysis": settings,
        "edits": [edit.dump() for edit in rollout.edits],
        "requests": [request.dump() for request in rollout.requests],
        "operatorVersion": context.limits.version,
    }
    return {key: value for key, value in found.items() if value is not None}


def _same(past: Past, rollout: Rollout) -> bool:
    return (past.revision, past.attempt) == (rollout.revision, rollout.attempt)


def _version(context: Context, name: str) -> dict[str, Any]:
    """Return a revision with its model and its images, as far as its snapshot is still there."""
    revision = context.revision(name)
    if revision is None:
        return {"revision": name}
    containers = revision.content["template"]["spec"]["containers"]
    images = [str(container["image"]) for container in containers if "image" in container]
    return {"revision": name, "model": dict(revision.content.get("model") or {}), "images": images}


def _stages(rollout: Rollout, ended: datetime) -> list[dict[str, Any]]:
    left = [visit.at for visit in rollout.visits[1:]] + [ended]
    return [
        {**visit.dump(), "seconds": _seconds(visit.at, until)}
        for visit, until in zip(rollout.visits, left, strict=False)
    ]


def _measured(analysis: Values) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return the settings of an analysis, and source and judge of each metric, by name.

    With everything that the user left to the defaults; as the user wrote it when another version of this operator accepted it.
    """
    written = {metric["name"]: metric for metric in analysis.get("metrics", ())}
    try:
        parsed = Analysis.model_validate(analysis) if analysis else None
    except ValidationError:
        parsed = None
    if parsed is None:
        settings = {key: value for key, value in analysis.items() if key != "metrics"}
        return settings, {name: _as_written(metric) for name, metric in written.items()}
    settings = {key: value for key, value in parsed.dump().items() if key != "metrics"}
    metrics = {}
    for metric in parsed.metrics:
        source, source_config = metric.source()
        judge, judge_config = metric.judge()
        metrics[metric.name] = {
            "source": {source.name: source_config.dump()},
            "judge": {judge.name: judge_config.dump()},
            # Of a distribution, shares of requests are shown.
            "fraction": source.fraction(source_config) or Features in source.forms(source_config),
        }
    return settings, metrics


def _as_written(metric: Values) -> dict[str, Any]:
    return {
        "source": {key: value for key, value in metric.items() if key in SOURCES},
        "judge": {key: value for key, value in metric.items() if key in JUDGES},
        "fraction": False,
    }


def _place(gate: Gate) -> tuple[bool, int]:
    """Return the place of a gate: what decides first, and of it the guilty."""
    return gate.mode is not None, _says(gate)


def _says(said: Gate | Evidence) -> int:
    """Return the place of a gate or a slice: the guilty first."""
    return (Verdict.FAIL, Verdict.UNDECIDED, Verdict.PASS).index(Verdict(said.verdict or Verdict.UNDECIDED))


def _gate(gate: Gate, measured: Values) -> dict[str, Any]:
    said = gate.dump()
    if gate.evidence is not None:
        said["evidence"] = _evidence(gate.evidence)
    # The first ones say most: a report that grows too long leaves out the last.
    slices = sorted(gate.slices, key=lambda one: (_says(one), -max(one.against, one.worse)))
    said["slices"] = [_evidence(one) if gate.evidence is not None else one.dump() for one in slices]
    return {**{key: value for key, value in said.items() if value != []}, **measured}


def _predictions(details: Mapping[str, Values]) -> dict[str, dict[str, Any]]:
    """Return by metric how both versions differ, and on which requests; the source has bounded each of them."""
    known = {
        metric: {key: said[key] for key in ("confusion", "examples", "totals") if said.get(key)}
        for metric, said in sorted(details.items())
    }
    return {metric: said for metric, said in known.items() if said}


def _together(rollout: Rollout) -> dict[str, Any] | None:
    """Return what all metrics together say against the candidate: that is what a rollback goes by."""
    if rollout.against is None:
        return None
    return {"against": rollout.against, "chance": chance(rollout.against)}


def _evidence(evidence: Evidence) -> dict[str, Any]:
    logs = {"against": evidence.against, "within": evidence.within, "worse": evidence.worse}
    return {**evidence.dump(), "chance": {key: chance(value) for key, value in logs.items()}}


def chance(log_e: float) -> float:
    """Return how likely so much evidence is, at any time, when what it speaks against is true: at most this."""
    return float(f"{math.exp(-max(log_e, 0.0)):.3g}")


def _seconds(since: datetime, until: datetime) -> int:
    return max(0, round((until - since) / timedelta(seconds=1)))


def _time(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
