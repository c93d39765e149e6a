"""What a strategy is: a config that becomes a field of the CRD, and a function from it to stages."""

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

from modelrollout.domain.stage import Stage
from modelrollout.schema import ApiModel

C = TypeVar("C", bound=ApiModel)


class Strategy(ABC, Generic[C]):
    """One way from version N to N+1.

    Attributes:
        name: field name below ``spec.strategy``.
        config: the field's model; its docstring is the field's description.
        mirrors: the field of the config that asks for copies of requests; empty: the strategy itself; None: nothing does.
    """

    name: str
    config: type[C]
    mirrors: str | None = None

    @abstractmethod
    def stages(self, config: C) -> tuple[Stage, ...]:
        """Return the stations of a rollout in order. The last with weight 100 is FULL, or the BAKE after it."""
