"""What ``compare`` says to people: the limit, the values, and why a candidate was rolled back."""

import math

from modelrollout.domain.evidence import Evidence
from modelrollout.domain.tally import Paired, Rate, Shares
from modelrollout.judges import _words
from modelrollout.judges._compare import CompareConfig
from modelrollout.judges._margin import DEFAULTS, Accepted, accepted
from modelrollout.judges._means import ABOUT as MEAN
from modelrollout.judges._paired import ABOUT as PAIRED
from modelrollout.judges._quantile import label

_SHARE = "share of "


def limit(config: CompareConfig, evidence: Evidence | None) -> str:
    """Return what is asked of the value; empty while nobody knows what is measured."""
    if config.quantile is not None:
        return f"{label(config.quantile.q)} ≤ {config.quantile.ratio:g} × stable"
    if evidence is None or evidence.candidate is None:
        return ""
    how = "≤ stable"
    match _direction(config, evidence):
        case "higher":
            return f"{how} {_margin(config, evidence, sign='+')}"
        case "lower":
            return f"≥ stable {_margin(config, evidence, sign='−')}"
        case _:
            return f"stable {_margin(config, evidence, sign='±')}"


def basis(config: CompareConfig, evidence: Evidence | None) -> str:
    """Return what the values are of, if that is not the metric itself, and the margin."""
    if evidence is None:
        return ""
    about = evidence.about
    named = f"{about}; " if about not in ("", MEAN) else ""
    if config.quantile is not None:
        return f"{named}margin × {config.quantile.ratio:g}"
    sign = {"higher": "+", "lower": "−"}.get(_direction(config, evidence), "±")
    return f"{named}margin {_margin(config, evidence, sign=sign, gap='')}"


def values(config: CompareConfig, evidence: Evidence | None) -> str:
    """Return both values: ``5.2 % against 0.5 %``."""
    if evidence is None or evidence.candidate is None:
        return ""
    say = _words.percent if _is_share(config, evidence) else _words.plain
    return f"{say(evidence.candidate)} against {say(evidence.stable) if evidence.stable is not None else 'nothing'}"


def blame(config: CompareConfig, evidence: Evidence, alpha: float) -> str:
    """Return what speaks against the candidate.

    Args:
        config: what was asked.
        evidence: what was gathered.
        alpha: with less than ln(1/α) it is not proven by itself.
    """
    proven = evidence.against >= math.log(1 / alpha)
    excess = _excess(config, evidence)
    by = f" by {_difference(config, evidence, excess)}" if excess > 0 else ""
    what = f"{'worse' if config.strict else 'worse than the margin'}{by}"
    innocent = "it were no worse" if config.strict else "it were within the margin"
    about = evidence.about
    named = f"{about}; " if about not in ("", MEAN) else ""
    told = f"{values(config, evidence)} ({named}chance of this if {innocent}: {_words.chance(evidence.against)})"
    return f"{what}: {told}" if proven else f"suspected to be {what}: {told}"


def _is_share(config: CompareConfig, evidence: Evidence) -> bool:
    """Return whether the values are shares of requests and not in a unit of their own."""
    if config.quantile is not None or evidence.about == MEAN:
        return False
    return bool(evidence.about) or evidence.low is not None or (config.worse is None and config.lowest is None)


def _direction(config: CompareConfig, evidence: Evidence) -> str:
    if evidence.about.startswith(_SHARE):
        return "different"
    return "higher" if _is_share(config, evidence) else config.worse or "different"


def _accepted(config: CompareConfig, evidence: Evidence) -> Accepted:
    if config.margin is None and evidence.about.startswith(_SHARE):
        return DEFAULTS[Shares]
    if config.margin is None and evidence.about == PAIRED:
        return DEFAULTS[Paired]
    return accepted(config.margin, Rate)


def _margin(config: CompareConfig, evidence: Evidence, *, sign: str, gap: str = " ") -> str:
    margin = _accepted(config, evidence)
    parts = []
    if margin.absolute is not None:
        parts.append(f"{sign}{gap}{_difference(config, evidence, margin.absolute)}")
    if margin.ratio is not None:
        parts.append(f"× {margin.ratio:g}")
    return " or ".join(parts)


def _difference(config: CompareConfig, evidence: Evidence, size: float) -> str:
    return _words.points(size) if _is_share(config, evidence) else _words.plain(size)


def _excess(config: CompareConfig, evidence: Evidence) -> float:
    """Return how much worse than the worst that is accepted the candidate is; of strict, how much worse than stable."""
    candidate, stable = evidence.candidate, evidence.stable
    if candidate is None or stable is None:
        return 0.0
    if config.quantile is not None:
        return candidate - config.quantile.ratio * stable
    accept = Accepted() if config.strict else _accepted(config, evidence)
    match _direction(config, evidence):
        case "higher":
            return candidate - accept.worst(stable)
        case "lower":
            return stable - candidate - (accept.absolute or 0.0)
        case _:
            return abs(candidate - stable) - (accept.absolute or 0.0)
