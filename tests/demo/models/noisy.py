"""A serving runtime that does not answer the same request in the same way each time, as models that sample do not.

Copied beside the model that is noisy, where MLServer imports it from.
"""

from __future__ import annotations

import random

from mlserver.types import InferenceRequest, InferenceResponse, TensorData
from mlserver_sklearn import SKLearnModel


class NoisyModel(SKLearnModel):  # type: ignore[misc]  # MLServer is not installed where mypy runs
    """The stock runtime, which now and then guesses."""

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Answer any of the first `classes` classes with the share `noise` of the model's settings."""
        answer = await super().predict(payload)
        extra = self.settings.parameters.extra
        if random.random() < extra["noise"]:
            for output in answer.outputs:
                output.data = TensorData([random.randrange(extra["classes"]) for _ in output.data])
        return answer
