"""How the pods of an image behave: when they are Ready, how fast they answer, how often they fail, and what they predict."""

from dataclasses import dataclass, replace


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
        differs: share of requests of which it predicts another label than the right one, the same each time.
        differs_in: the same in some parts of the traffic, by their names.
        noise: share of its answers in which it predicts another label than it meant.
        empty: share of its answers without a prediction.
        always: the only label that it knows; empty: it knows all.
    """

    ready_after: float = 3.0
    problem: str = ""
    never_ready: bool = False
    errors: float = 0.0
    latency: float = 0.05
    hangs: bool = False
    differs: float = 0.0
    differs_in: tuple[tuple[str, float], ...] = ()
    noise: float = 0.0
    empty: float = 0.0
    always: str = ""

    def __str__(self) -> str:
        """Say what is bad about it."""
        bad = [
            self.problem,
            "is never Ready" if self.never_ready else "",
            f"fails {self.errors:.0%} of its requests" if self.errors else "",
            "never answers" if self.hangs else "",
            f"predicts something else for {self.differs:.0%} of its requests" if self.differs else "",
            *(f"predicts something else for {share:.0%} of {part}" for part, share in self.differs_in),
            f"predicts by chance {self.noise:.0%} of the time" if self.noise else "",
            f"predicts nothing for {self.empty:.0%} of its requests" if self.empty else "",
            f"always predicts {self.always}" if self.always else "",
        ]
        return ", ".join(filter(None, bad)) or "behaves well"

    def towards(self, other: "Behaviour", part: float) -> "Behaviour":
        """Return what lies between two, so far from this one. What is no number is the other one's at the end of the way."""
        if part >= 1:
            return other
        places = dict.fromkeys(place for place, _ in (*self.differs_in, *other.differs_in))
        return replace(
            self,
            errors=between(self.errors, other.errors, part),
            latency=between(self.latency, other.latency, part),
            differs=between(self.differs, other.differs, part),
            differs_in=tuple((place, between(self.differing(place), other.differing(place), part)) for place in places),
            noise=between(self.noise, other.noise, part),
            empty=between(self.empty, other.empty, part),
        )

    def differing(self, place: str) -> float:
        """Return the share of requests of one part of the traffic of which it predicts another label than the right one."""
        return dict(self.differs_in).get(place, self.differs)


def between(one: float, other: float, part: float) -> float:
    """Return the number that lies so far from one to another."""
    return one + (other - one) * part


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
