"""Every error this project raises, in one tree.

    RolloutError
    ├── SpecError            the user's spec cannot be carried out (a list of problems with paths and remedies)
    ├── RenderError          a renderer refused to write what a data plane would accept and clients would suffer
    ├── SafetyError          a Plan broke an invariant
    ├── SchemaError          a model says something that no structural schema can say
    ├── SourceError          a metric could not be read
    └── KubeError            the API server said no, or nothing
        ├── ConflictError    409: somebody wrote in between; read again
        ├── RefusedError     400, 403, 422: asking again will not help
        └── UnavailableError time-out, connection failure, 429, 5xx: asking again may help

Messages say what was attempted, on what, and what to do next. They never hold generated names or random text:
a message reaches a condition, and a condition that changes at each pass would wake the loop for ever.
"""


class RolloutError(Exception):
    """Base of all errors of this project."""


class SpecError(RolloutError):
    """A spec that cannot be carried out.

    Args:
        problems: one line each, ``path: reason. remedy``.
    """

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class RenderError(RolloutError):
    """A renderer refused its input."""


class SafetyError(RolloutError):
    """A Plan broke an invariant.

    Args:
        invariant: its CamelCase name, used as a condition's reason.
        message: what would have happened.
    """

    def __init__(self, invariant: str, message: str) -> None:
        super().__init__(f"{invariant}: {message}")
        self.invariant = invariant


class SchemaError(RolloutError):
    """A model of ours says something that no structural schema can say, or says it without a description or a bound.

    Args:
        path: of the field.
        reason: what cannot be said.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")


class SourceError(RolloutError):
    """A metric source answered with something that is not a number."""


class KubeError(RolloutError):
    """A call to the API server failed.

    Args:
        message: the attempted call and the server's own words.
        status: the HTTP status, 0 when there was none.
        retry_after: seconds the server asked to wait, if it did.
    """

    def __init__(self, message: str, status: int = 0, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


class ConflictError(KubeError):
    """409: the object changed since it was read, or another manager owns a field."""


class RefusedError(KubeError):
    """400, 403, 404 on write, 405, 422: the same call will fail again."""


class UnavailableError(KubeError):
    """No answer, 429 or 5xx: the same call may succeed later."""
