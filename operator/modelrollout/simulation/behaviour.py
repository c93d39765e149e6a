"""How the pods of an image behave: when they are Ready, how fast they answer, how often they fail."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Behaviour:
    """One image.

    Attributes:
        ready_after: seconds from the start of a container to Ready.
        problem: why it never runs, as the kubelet's reason (``CrashLoopBackOff``, ``ImagePullBackOff``); empty: it runs.
        never_ready: it runs, and its probe never passes.
        errors: share of its answers that are 5xx.
        latency: seconds until it answers; where chance rules, half of its answers take longer.
        hangs: it never answers.
    """

    ready_after: float = 3.0
    problem: str = ""
    never_ready: bool = False
    errors: float = 0.0
    latency: float = 0.05
    hangs: bool = False

    def __str__(self) -> str:
        """Say what is bad about it."""
        bad = [
            self.problem,
            "is never Ready" if self.never_ready else "",
            f"fails {self.errors:.0%} of its requests" if self.errors else "",
            "never answers" if self.hangs else "",
        ]
        return ", ".join(filter(None, bad)) or "behaves well"


class Behaviours:
    """Behaviours by image; an image without one behaves well."""

    def __init__(self) -> None:
        self._of: dict[str, Behaviour] = {}

    def of(self, image: str) -> Behaviour:
        """Return how an image behaves."""
        return self._of.get(image, _WELL)

    def set(self, image: str, behaviour: Behaviour) -> None:
        """Have an image behave so from now on."""
        self._of[image] = behaviour


_WELL = Behaviour()
