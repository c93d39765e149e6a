"""PromQL that users write: filling in its variables, and refusing what would spoil the numbers before they are subtracted.

A counter is subtracted per pod and series, and only then summed: the restart of one pod is then the reset of its own
counters. A query that sums or rates counters first hides that, so it is refused.

Prometheus answers with the last value of each counter for five minutes, and dates it as of now. When a pod was scraped tells
the metric ``up`` that Prometheus itself writes at each scrape, so that is asked in the same query.
"""

import re
from collections.abc import Collection, Iterator, Mapping

from modelrollout.domain.problem import Problem
from modelrollout.sources._base import Scope

VARIABLES = ("namespace", "name", "revision", "pods")
_VARIABLE = re.compile(r"\$(\$|[a-zA-Z0-9_]*)")
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|`[^`]*`')
_RATES = "rate irate increase delta idelta deriv changes resets histogram_quantile [a-z]+_over_time"
_SUMS = "sum avg min max count group stddev stdvar topk bottomk quantile count_values limitk limit_ratio"
_RATED = re.compile(rf"\b({'|'.join(_RATES.split())})\s*\(")
_SUMMED = re.compile(rf"\b({'|'.join(_SUMS.split())})\s*(?:(?:by|without)\s*\([^)]*\)\s*)?\(")
_RAW = 'Select the raw counters, such as http_requests_total{namespace="$namespace",pod=~"$pods"}.'
MARKER = "modelrollout_series"
"""The label that tells which of several selectors found a series."""
SCRAPES = "scraped"
"""What marks the series that say when a pod was scraped last, in seconds since the epoch; 0 when that failed."""


def fill(query: str, scope: Scope, pods: Collection[str]) -> str:
    """Return a query with its variables filled in.

    Args:
        query: as the user wrote it.
        scope: what is measured.
        pods: what ``$pods`` matches.
    """
    values: Mapping[str, str] = {
        "$": "$",
        "namespace": scope.namespace,
        "name": scope.name,
        "revision": scope.revision,
        "pods": _any(pods),
    }
    return _VARIABLE.sub(lambda found: values.get(found[1], found[0]), query)


def unite(selectors: Mapping[str, str]) -> str:
    """Return one query for several selectors, so that all are evaluated at the same moment.

    ``or`` keeps of its right side what has other labels than everything on its left side; the marker makes them so.

    Args:
        selectors: by the name that marks what they find; a single one needs no mark.
    """
    if len(selectors) == 1:
        return next(iter(selectors.values()))
    return " or ".join(_mark(selector, name) for name, selector in selectors.items())


def dated(query: str, scope: Scope, pods: Collection[str]) -> str:
    """Return a query that also says when the pods were scraped last.

    Only ``timestamp()`` of a plain selector is the time of a sample; of anything else it is that of the evaluation.

    Args:
        query: finds counters.
        scope: knows the addresses of pods.
        pods: of both versions.
    """
    found = [f'pod=~"{_any(pods)}"']
    if addresses := sorted(address for address, pod in scope.addresses.items() if pod in pods):
        # Where Prometheus knows nothing of Kubernetes its targets are told by their addresses, those of IPv6 in brackets.
        found.append(f'instance=~".?({_any(addresses)}).?:[0-9]+"')
    ups = [f"up{{{matcher}}}" for matcher in found]
    return f"{query} or {_mark(' or '.join(f'timestamp({up}) * {up}' for up in ups), SCRAPES)}"


def _mark(query: str, name: str) -> str:
    return f'label_replace({query}, "{MARKER}", "{name}", "", "")'


def _any(names: Collection[str]) -> str:
    # A dot in brackets needs no backslash, whatever quotes the query uses. An empty alternation would match every series
    # without the label; no pod can be called "-".
    return "|".join(name.replace(".", "[.]") for name in names) or "-"


def variable_problems(path: str, query: str) -> Iterator[Problem]:
    """Yield the variables that nothing can be filled in for."""
    known = ", ".join(f"${name}" for name in VARIABLES)
    for name in sorted({found[1] for found in _VARIABLE.finditer(query)} - {"$", *VARIABLES}):
        yield Problem(path, f"${name} is no variable", f"Use {known}, or write $$ for a dollar sign.")


def selector_problems(path: str, query: str) -> Iterator[Problem]:
    """Yield why the answers to a selector of counters could not be subtracted, per pod and for both versions."""
    yield from variable_problems(path, query)
    if "revision" in {found[1] for found in _VARIABLE.finditer(query)}:
        reason = "$revision is the candidate's alone, and both versions are counted"
        yield Problem(path, reason, 'Use pod=~"$pods", which matches the pods of both.')
    code = _TEXT.sub('""', query)
    if found := _RATED.search(code):
        yield Problem(path, f"{found[1]}() hides when a pod's counters began anew", _RAW)
    elif found := _SUMMED.search(code):
        yield Problem(path, f"{found[1]}() joins the counters of pods before they are subtracted", _RAW)
    elif "[" in code:
        yield Problem(path, "a range holds many values of each counter, and one is needed", _RAW)
    if "#" in code:
        yield Problem(path, "holds a comment, which ends the query that is made of it", "Leave the comment out.")
