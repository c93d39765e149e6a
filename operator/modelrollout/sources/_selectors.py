"""PromQL that users write: filling in its variables, and refusing what would spoil the numbers before they are subtracted.

A counter is subtracted per pod and series, and only then summed: the restart of one pod is then the reset of its own
counters. A query that sums or rates counters first hides that, so it is refused.
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
        # A dot in brackets needs no backslash, whatever quotes the query uses. An empty alternation would match
        # every series without the label; no pod can be called "-".
        "pods": "|".join(pod.replace(".", "[.]") for pod in pods) or "-",
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
    marked = (f'label_replace({selector}, "{MARKER}", "{name}", "", "")' for name, selector in selectors.items())
    return " or ".join(marked)


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
