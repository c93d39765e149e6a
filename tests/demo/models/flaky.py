"""A serving runtime with a bug: it fails for a share of its requests, whatever the model inside is worth.

Copied beside the model of v3, where MLServer imports it from.
"""

from __future__ import annotations

import random

from mlserver.errors import MLServerError
from mlserver.types import InferenceRequest, InferenceResponse
from mlserver_sklearn import SKLearnModel


class FlakyModel(SKLearnModel):  # type: ignore[misc]  # MLServer is not installed where mypy runs
    """The stock runtime, which now and then cannot find its features."""

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Fail with the share `error_rate` of the model's settings."""
        if random.random() < self.settings.parameters.extra["error_rate"]:
            raise MLServerError("feature store timed out", status_code=500)
        return await super().predict(payload)
