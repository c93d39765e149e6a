"""The connection to the API server: the pod's own account, or a kubeconfig outside a cluster.

One object carries what the official client and Kopf both need, so that both speak to one server with one token.
"""

import os
import ssl
from dataclasses import dataclass

from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.config import load_incluster_config, load_kube_config
from kubernetes.aio.config.config_exception import ConfigException

from modelrollout.errors import KubeError


@dataclass(frozen=True)
class Connection:
    """How to reach the API server.

    Attributes:
        api: the official client; one for the whole process.
        server: its address.
    """

    api: ApiClient
    server: str

    @property
    def tls(self) -> ssl.SSLContext:
        """Trusted authorities and, with a kubeconfig, the client's certificate."""
        context: ssl.SSLContext = self.api.rest_client.ssl_context
        return context

    async def authorization(self) -> str | None:
        """Return the Authorization header, None when a certificate authenticates; tokens are read again each minute."""
        header: str | None = await self.api.configuration.get_api_key_with_prefix("BearerToken")
        return header

    async def close(self) -> None:
        """Close all connections."""
        await self.api.close()


async def connect() -> Connection:
    """Return a connection from the pod's service account, or from ``KUBECONFIG`` outside a cluster.

    Raises:
        KubeError: there is neither.
    """
    configuration = Configuration()
    try:
        if "KUBERNETES_SERVICE_HOST" in os.environ:
            load_incluster_config(client_configuration=configuration)
        else:
            await load_kube_config(client_configuration=configuration)
    except (ConfigException, OSError) as exc:
        raise KubeError(f"Connecting to the API server: {exc}. Run in a cluster, or set KUBECONFIG.") from exc
    return connection(configuration)


def connection(configuration: Configuration) -> Connection:
    """Return a connection for a given configuration."""
    # The client would otherwise take a proxy from the environment, which is meant for the world outside of the cluster.
    configuration.client_session_kwargs = {"trust_env": False}
    configuration.connection_pool_maxsize = 100
    api = ApiClient(configuration)
    api.user_agent = "modelrollout"
    return Connection(api, configuration.host)
