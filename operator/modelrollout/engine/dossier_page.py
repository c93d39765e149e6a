"""The dossier of a finished attempt as a page for people: Markdown that also reads well on a terminal."""

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from modelrollout.engine.dossier_drift import drift_part
from modelrollout.engine.dossier_pairs import pairs_part
from modelrollout.engine.dossier_words import code, table, words
from modelrollout.schema import format_duration

Values = Mapping[str, Any]


def markdown(values: Values) -> str:
    """Return a dossier as a page."""
    parts = [
        _head(values),
        table("Stages", ("stage", "weight", "copies", "entered", "stood for"), _stage_rows(values)),
        table(
            "What was measured",
            ("metric", "verdict", "candidate", "stable", "difference", "requests", "rule", "in words"),
            _gate_rows(values),
        ),
        drift_part(values.get("drift", {})),
        pairs_part(values.get("predictions", {})),
        _golden(values),
        table("Warnings", ("metric", "when", "stage", "what was wrong"), _warning_rows(values)),
        _evidence_part(values),
        table("How it was measured", ("metric", "source", "judge"), _rule_rows(values)),
        _settings(values),
        table(
            "Edits of the analysis during the rollout",
            ("when", "generation", "metric", "setting", "before", "after"),
            _edit_rows(values),
        ),
        table("What people asked", ("when", "who, as claimed", "what", "answer"), _request_rows(values)),
    ]
    if values.get("cut"):
        parts.append("Long texts, and the parts that say least, were cut so that this fits into a ConfigMap.")
    parts.append(f"Written by version {words(values['operatorVersion'])} of the operator.")
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(values: Values) -> str:
    candidate, stable = values["candidate"], values.get("stable") or {}
    what = "first install" if not stable else f"rollout by {values['strategy']}"
    took = format_duration(timedelta(seconds=values["seconds"]))
    when = f"from {_moment(values['startedAt'])} to {_moment(values['endedAt'])} ({took})"
    lines = [
        f"# {values['name']}: {candidate['revision']}, attempt {values['attempt']}: {values['outcome']}",
        "",
        f"A {what} in the namespace {values['namespace']}, {when}. Its last stage was {words(values['lastStage'])}.",
    ]
    if "cause" in values:
        cause = values["cause"]
        lines += ["", f"**{cause['reason']}** at {_moment(cause['at'])}: {words(cause['message'])}"]
    rows: list[tuple[str, ...]] = [("revision", candidate["revision"], stable.get("revision", ""))]
    models = [one.get("model", {}) for one in (candidate, stable)]
    rows += [
        (f"model {key}", *(code(model.get(key, "")) for model in models))
        for key in ("name", "version", "uri", "digest", "protocol")
        if any(key in model for model in models)
    ]
    rows.append(("images", *(", ".join(map(code, one.get("images", ()))) for one in (candidate, stable))))
    return "\n".join([*lines, "", table("Versions", ("", "candidate", "stable"), rows)])


def _stage_rows(values: Values) -> Iterator[tuple[str, ...]]:
    for stage in values["stages"]:
        took = format_duration(timedelta(seconds=stage["seconds"]))
        yield (
            words(stage["label"]),
            f"{stage['weight']} %",
            f"{stage['mirror']} %" if stage["mirror"] else "",
            _moment(stage["at"]),
            took,
        )


def _gate_rows(values: Values) -> Iterator[tuple[str, ...]]:
    for gate in values["gates"]:
        fraction = gate.get("fraction", False)
        verdict = "ignored" if gate["ignored"] else gate["verdict"]
        verdict += f" ({gate['mode']})" if "mode" in gate else ""
        seen = gate.get("evidence")
        if seen is None:
            value = _number(gate.get("value"), fraction=fraction) or gate["state"]
            known = (value, "", "", _count(gate.get("requests")))
        else:
            known = _compared(seen, fraction=fraction)
        yield (words(gate["name"]), verdict, *known, words(gate["limit"]), words(gate["message"]))
        for one in gate.get("slices", ()):
            yield (_sliced(gate, one), one.get("verdict", ""), *_compared(one, fraction=fraction), "", "")


def _warning_rows(values: Values) -> Iterator[tuple[str, ...]]:
    for one in values.get("warnings", ()):
        yield (words(one["metric"]), _moment(one["at"]), words(one["step"]), words(one["message"]))


def _compared(seen: Values, *, fraction: bool) -> tuple[str, str, str, str]:
    low, high = (_number(seen.get(end), fraction=fraction) for end in ("low", "high"))
    between = f"{low or 'unknown'} … {high or 'unknown'}" if low or high else ""
    requests = _count(seen["requests"])
    if seen["stableRequests"]:
        requests += f" / {_count(seen['stableRequests'])}"
    return (
        _number(seen.get("candidate"), fraction=fraction),
        _number(seen.get("stable"), fraction=fraction),
        between,
        requests,
    )


def _evidence_part(values: Values) -> str:
    rows = [
        (name, _log(seen, "against"), _log(seen, "within"), _log(seen, "worse"), f"{seen['noise']:.3g}")
        for name, seen in _all_evidence(values["gates"])
    ]
    if "together" in values:
        rows.append(("all together", _log(values["together"], "against"), "", "", ""))
    heads = ("metric", "beyond the margin", "within the margin", "worse at all", "noise φ")
    drawn = table("Evidence", heads, rows)
    if not drawn:
        return ""
    alpha, beta = (float(values["analysis"].get(key, 0.05)) for key in ("alpha", "beta"))
    return (
        f"{drawn}\n\n"
        "Each number is ln E, as it stood at the end. In brackets: the highest chance to see so much of it, at any time of the "
        f"rollout, if the opposite is true. A rollback asks for {math.log(1 / alpha):.1f} of all metrics together "
        f"(alpha {_percent(alpha)}), a pass for {math.log(1 / beta):.1f} of each (beta {_percent(beta)})."
    )


def _all_evidence(gates: Sequence[Values]) -> Iterator[tuple[str, Values]]:
    for gate in gates:
        if "evidence" in gate:
            yield words(gate["name"]), gate["evidence"]
            for one in gate.get("slices", ()):
                yield _sliced(gate, one), one


def _sliced(gate: Values, one: Values) -> str:
    return words(f"{gate['name']}[{one['slice']}]")


def _log(seen: Values, key: str) -> str:
    value = seen[key]
    return f"{value:.1f} (1 in {one_in(value)})" if value > 0 else f"{value:.1f}"


def one_in(log_e: float) -> str:
    """Return N of ``chance at most 1 in N``, rounded down to two digits."""
    if log_e >= math.log(1e12):
        return "more than 10¹²"
    number = math.exp(log_e)
    if number < 10:
        return f"{math.floor(number * 10) / 10:g}"
    digit = 10 ** (math.floor(math.log10(number)) - 1)
    return f"{math.floor(number / digit) * digit:,}"


def _golden(values: Values) -> str:
    run = values.get("golden")
    if run is None:
        return ""
    rows = (
        (words(one["name"]), "right" if one["ok"] else "wrong", code(one["expected"]), code(one["got"]))
        for one in run["examples"]
    )
    drawn = table("Golden examples", ("example", "verdict", "expected", "got"), rows)
    answered = (
        f"{_count(run['total'])} examples of the ConfigMap {words(run['configMap'])}, as they were answered last: "
        f"{words(run['stageLabel'])}, {_moment(run['at'])}{', before any traffic' if run['beforeTraffic'] else ''}."
    )
    unsent = " The others were not sent any more." if len(run["examples"]) < run["total"] else ""
    return f"{drawn}\n\n{answered}{unsent}"


def _rule_rows(values: Values) -> Iterator[tuple[str, ...]]:
    for gate in values["gates"]:
        if "judge" in gate:
            yield (words(gate["name"]), code(_flat(gate["source"])), code(_flat(gate["judge"])))


def _settings(values: Values) -> str:
    if not values["analysis"]:
        return ""
    return f"Settings of the analysis: {code(_flat(values['analysis']))}"


def _edit_rows(values: Values) -> Iterator[tuple[str, ...]]:
    for edit in values["edits"]:
        yield (
            _moment(edit["at"]),
            str(edit["generation"]),
            words(edit["metric"]),
            code(edit["setting"]),
            code(edit["before"]) or "absent",
            code(edit["after"]) or "absent",
        )


def _request_rows(values: Values) -> Iterator[tuple[str, ...]]:
    for request in values["requests"]:
        yield (_moment(request["at"]), words(request.get("by", "")), request["action"], words(request["message"]))


def _flat(value: Any, path: str = "") -> str:  # noqa: ANN401  # JSON
    """Return settings on one line: ``compare.margin.absolute=0.005``."""
    match value:
        case Mapping() if value:
            return ", ".join(_flat(inner, f"{path}.{key}" if path else str(key)) for key, inner in value.items())
        case Mapping():
            return path
        case float():
            return f"{path}={value:.12g}"
        case bool():
            return f"{path}={str(value).lower()}"
        case _:
            return f"{path}={value}"


def _number(value: float | None, *, fraction: bool) -> str:
    if value is None:
        return ""
    return _percent(value) if fraction else f"{value:.4g}"


def _percent(value: float) -> str:
    return f"{value * 100:.3g} %"


def _count(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _moment(text: str) -> str:
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M:%S} UTC"
