"""Settings: one frozen object from the environment, validated at start. Nothing else reads an environment variable."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AnyHttpUrl, Field, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from modelrollout.domain.observation import Limits
from modelrollout.schema import Duration

SERVICE_ACCOUNT_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


class Settings(BaseSettings):
    """Settings of the operator; each is read from ``MODELROLLOUT_<NAME>``.

    Raises:
        pydantic.ValidationError: a value that cannot be used, with the variable's name.
    """

    model_config = SettingsConfigDict(
        env_prefix="MODELROLLOUT_", frozen=True, extra="forbid", use_attribute_docstrings=True
    )

    namespaces: Annotated[
        tuple[Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")], ...], NoDecode
    ] = ()
    """Namespaces to serve, separated by commas; empty: the whole cluster."""
    drain: Duration = timedelta(seconds=35)
    """preStop sleep of model pods whose spec names none: longer than the time until a deleted pod is gone from DNS."""
    timeout: Duration = timedelta(seconds=60)
    """Longest request, where the spec names none."""
    freeze: bool = False
    """Stop every advance in the cluster. Aborts still work."""
    router_image: Annotated[str, Field(min_length=1)] = "modelrollout-router:0.1.0"
    """Image of the built-in router."""
    collector_image: Annotated[str, Field(min_length=1)] = "modelrollout-operator:0.1.0"
    """Image of the collector, which compares predictions beside the router: the operator's own image."""
    request_age: Duration = timedelta(minutes=10)
    """A person's request older than this is refused as stale."""
    gate_interval: Duration = timedelta(seconds=30)
    """Live gate values are written to the status at most this often."""

    prometheus_url: AnyHttpUrl | None = None
    """Address of Prometheus, such as http://prometheus.monitoring:9090; absent: its metrics are errors."""
    prometheus_token_file: Path | None = None
    """File with a bearer token for Prometheus; read again at every query, because tokens rotate."""
    prometheus_ca_file: Path | None = None
    """File with the certificate authority of Prometheus."""
    prometheus_headers: dict[str, str] = {}
    """Extra headers for Prometheus as a JSON object, such as a tenant's id."""

    lease_name: Annotated[str, Field(min_length=1, max_length=63)] = "modelrollout"
    """Name of the Lease that elects the leader."""
    lease_namespace: Annotated[str, Field(max_length=63)] = ""
    """Namespace of the Lease; empty: the operator's own."""
    lease_duration: Duration = timedelta(seconds=15)
    """Another replica may take over when the Lease was not renewed for so long."""
    lease_deadline: Duration = timedelta(seconds=10)
    """The leader gives up when it could not renew for so long; shorter than the duration, so that only one writes."""
    lease_retry: Duration = timedelta(seconds=2)
    """Pause between two attempts to get or renew the Lease."""

    http_port: Annotated[int, Field(ge=1, le=65535)] = 8080
    """Port of /metrics, /healthz and /readyz."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Least level of log lines."""
    workers: Annotated[int, Field(ge=1, le=256)] = 16
    """ModelDeployments that are reconciled at the same time."""

    @field_validator("namespaces", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator(
        "drain", "timeout", "request_age", "gate_interval", "lease_duration", "lease_deadline", "lease_retry"
    )
    @classmethod
    def _positive(cls, value: timedelta) -> timedelta:
        if value <= timedelta():
            raise ValueError("must be longer than 0s")
        return value

    @model_validator(mode="after")
    def _lease_gives_up_in_time(self) -> Self:
        if not self.lease_retry < self.lease_deadline < self.lease_duration:
            raise ValueError(
                "MODELROLLOUT_LEASE_RETRY < MODELROLLOUT_LEASE_DEADLINE < MODELROLLOUT_LEASE_DURATION must hold"
            )
        return self

    @field_validator("prometheus_token_file", "prometheus_ca_file")
    @classmethod
    def _exists(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_file():
            raise ValueError(f"names the file {value}, which does not exist. Mount it, or unset the variable")
        return value

    def limits(self) -> Limits:
        """Return what the pure core needs of the settings."""
        return Limits(
            drain=self.drain,
            timeout=self.timeout,
            freeze=self.freeze,
            router_image=self.router_image,
            collector_image=self.collector_image,
            request_age=self.request_age,
            gate_interval=self.gate_interval,
        )

    def own_namespace(self) -> str:
        """Return the namespace of the Lease: the setting, the pod's own namespace, or ``default`` outside a cluster."""
        if self.lease_namespace:
            return self.lease_namespace
        return SERVICE_ACCOUNT_NAMESPACE.read_text().strip() if SERVICE_ACCOUNT_NAMESPACE.is_file() else "default"
