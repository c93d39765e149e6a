"""The few questions the launcher itself asks the API server; everything else goes through kubectl."""

import http.client
import json
import ssl
from typing import Any

from tests.cluster.paths import NODE_NAME, Paths

_COREDNS = "/apis/apps/v1/namespaces/kube-system/deployments/coredns"


class Client:
    """Ask as the administrator, at 127.0.0.1:port (inside: the server itself, on the host: the forwarder)."""

    def __init__(self, paths: Paths, port: int) -> None:
        self._port = port
        self._tls = ssl.create_default_context(cafile=str(paths.pki / "ca.crt"))
        self._tls.load_cert_chain(paths.pki / "admin.crt", paths.pki / "admin.key")

    def get(self, path: str, timeout: float = 2) -> tuple[int, bytes]:
        """Return status and body; status 0 when there was no answer."""
        # Not urllib: it would use a proxy from the environment.
        connection = http.client.HTTPSConnection("127.0.0.1", self._port, context=self._tls, timeout=timeout)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            connection.close()

    def ready(self) -> bool:
        """Tell whether the API server is usable; that includes the built-in RBAC roles."""
        return self.get("/readyz")[0] == 200

    def missing(self) -> str:
        """Return what a usable cluster still lacks; the empty string when nothing.

        A Node is not enough: a Pod made before the default ServiceAccount exists is refused with 403, and a Pod that
        asks for a Service's name before CoreDNS answers fails.
        """
        if not self.ready():
            return "API server"
        if not _condition(self.get(f"/api/v1/nodes/{NODE_NAME}"), "Ready"):
            return "node Ready"
        if self.get("/api/v1/namespaces/default/serviceaccounts/default")[0] != 200:
            return "ServiceAccount default/default"
        if not _condition(self.get(_COREDNS), "Available"):
            return "CoreDNS Available"
        return ""


def _condition(answer: tuple[int, bytes], kind: str) -> bool:
    status, body = answer
    if status != 200:
        return False
    conditions: list[dict[str, Any]] = json.loads(body).get("status", {}).get("conditions", [])
    return any(each["type"] == kind and each["status"] == "True" for each in conditions)
