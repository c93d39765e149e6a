"""The connection of a person: a kubeconfig, one of its contexts, and what that says of namespace and user.

The operator's own connection is in ``connect.py``; this one is chosen as kubectl chooses it.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import yaml
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.config import load_incluster_config, load_kube_config
from kubernetes.aio.config.config_exception import ConfigException

from modelrollout.adapters.connect import Connection, connection
from modelrollout.errors import KubeError
from modelrollout.settings import SERVICE_ACCOUNT_NAMESPACE

DEFAULT_FILE = "~/.kube/config"


@dataclass(frozen=True)
class PersonalConnection:
    """A person's way to the API server.

    Attributes:
        connection: to the API server.
        namespace: of the context; ``default`` when it names none.
        user: the user's name in the kubeconfig, which need not be the name that the API server knows.
    """

    connection: Connection
    namespace: str
    user: str


async def connect_as_person(kubeconfig: str | None = None, context: str | None = None) -> PersonalConnection:
    """Return a connection as kubectl would make it: a given file, ``KUBECONFIG``, the default file, or the pod's account.

    Args:
        kubeconfig: path of a kubeconfig; several are separated as in ``KUBECONFIG``.
        context: name of a context in it; its current one when absent.

    Raises:
        KubeError: there is none, or it cannot be used.
    """
    files = kubeconfig or os.environ.get("KUBECONFIG") or DEFAULT_FILE
    if not _exists(files):
        if kubeconfig is None and context is None and "KUBERNETES_SERVICE_HOST" in os.environ:
            return _from_pod()
        raise KubeError(f"There is no kubeconfig at {files}. Name one with --kubeconfig, or set KUBECONFIG.")
    configuration = Configuration()
    try:
        loader = await load_kube_config(
            config_file=files, context=context, client_configuration=configuration, persist_config=False
        )
        made = connection(configuration)
    except (ConfigException, OSError, yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError) as exc:
        # The loader checks little: a file of another shape ends in whatever Python says.
        chosen = f"context {context}" if context else "its current context"
        raise KubeError(
            f"Reading the kubeconfig {files} with {chosen}: {exc}. "
            "`kubectl config get-contexts` lists what --context can name."
        ) from exc
    made.api.user_agent = "kubectl-modelrollout"
    parts = loader.current_context["context"]
    return PersonalConnection(made, parts.get("namespace") or "default", parts.get("user") or "")


def _exists(files: str) -> bool:
    return any(Path(file).expanduser().is_file() for file in files.split(os.pathsep) if file)


def _from_pod() -> PersonalConnection:
    configuration = Configuration()
    try:
        load_incluster_config(client_configuration=configuration)
        namespace = SERVICE_ACCOUNT_NAMESPACE.read_text().strip()
        made = connection(configuration)
    except (ConfigException, OSError) as exc:
        raise KubeError(f"Connecting with the pod's account: {exc}. Or set KUBECONFIG.") from exc
    made.api.user_agent = "kubectl-modelrollout"
    return PersonalConnection(made, namespace, "")
