"""Keys and certificates of one cluster, made with the openssl command.

They carry every extension that RFC 5280 asks for: Python 3.13 verifies strictly by default and refuses a CA without key
usage or a leaf without key identifiers, which older clients accept silently.
"""

from pathlib import Path

from tests.cluster.paths import API_SERVICE_ADDRESS, NODE_ADDRESS, NODE_NAME
from tests.cluster.shell import call

_SERVER_NAMES = ",".join(
    [
        *(f"DNS:{name}" for name in ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")),
        "DNS:kubernetes.default.svc.cluster.local",
        *(f"IP:{address}" for address in ("127.0.0.1", API_SERVICE_ADDRESS, NODE_ADDRESS)),
    ]
)

IDENTITIES = {
    "admin": "/O=system:masters/CN=admin",
    "kubelet": f"/O=system:nodes/CN=system:node:{NODE_NAME}",
    "kube-controller-manager": "/CN=system:kube-controller-manager",
    "kube-scheduler": "/CN=system:kube-scheduler",
    "kube-proxy": "/CN=system:kube-proxy",
    "apiserver-to-kubelet": "/O=system:masters/CN=apiserver-to-kubelet",
}
"""Each component has its own user, so that the audit log says who asked for what."""


def create(directory: Path) -> None:
    """Write ca, apiserver, service account and client keys and certificates."""
    directory.mkdir(parents=True)
    authority = ["-x509", "-days", "365", "-addext", "keyUsage=critical,keyCertSign,cRLSign,digitalSignature"]
    _request("/CN=kubernetes-ca", directory / "ca.key", directory / "ca.crt", authority)
    _leaf(directory, "apiserver", "/CN=kube-apiserver", "serverAuth", _SERVER_NAMES)
    for name, subject in IDENTITIES.items():
        _leaf(directory, name, subject, "clientAuth", "")
    call(["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", directory / "sa.key"])
    for path in directory.glob("*.key"):
        path.chmod(0o600)


def _leaf(directory: Path, name: str, subject: str, usage: str, names: str) -> None:
    extensions = [
        "basicConstraints=critical,CA:FALSE",
        "keyUsage=critical,digitalSignature",
        f"extendedKeyUsage={usage}",
        "subjectKeyIdentifier=hash",
        "authorityKeyIdentifier=keyid",
        *([f"subjectAltName={names}"] if names else []),
    ]
    request, certificate = directory / f"{name}.csr", directory / f"{name}.crt"
    _request(subject, directory / f"{name}.key", request, [])
    authority: list[str | Path] = [
        "-CA",
        directory / "ca.crt",
        "-CAkey",
        directory / "ca.key",
        "-CAcreateserial",
        "-days",
        "365",
    ]
    call(
        ["openssl", "x509", "-req", "-in", request, *authority, "-extfile", "/dev/stdin", "-out", certificate],
        stdin="\n".join(extensions) + "\n",
    )
    request.unlink()


def _request(subject: str, key: Path, output: Path, options: list[str]) -> None:
    new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    call(["openssl", "req", *new, *options, "-subj", subject, "-keyout", key, "-out", output])
