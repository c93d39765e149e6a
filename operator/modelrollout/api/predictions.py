"""How predictions are captured, for all metrics that compare them: they share the copies, the answers and the examples."""

from typing import Annotated

from pydantic import Field

from modelrollout.domain.capture import Path, Share
from modelrollout.schema import ApiModel


class Baseline(ApiModel):
    """Copies to stable itself, so that what it says twice to the same request is known."""

    percent: Share = 10
    """Percent of the requests that are copied to the candidate; stable's own pods answer these twice."""


class Predictions(ApiModel):
    """How the predictions of both versions are captured."""

    percent: Share = 100
    """Percent of the copied requests whose answers are compared, chosen by a hash of the request's id."""
    baseline: Baseline | None = None
    """Copy some requests to stable as well: a model that answers the same request differently each time is then judged
    by its own noise. Without it stable gets no copies."""
    keep_examples: bool = False
    """Examples of requests that are answered differently show both predictions. Otherwise only the requests' ids are known."""
    redact: Annotated[tuple[Path, ...], Field(max_length=32)] = ()
    """Places in the answers whose values are replaced before an example is kept, such as user.name."""
