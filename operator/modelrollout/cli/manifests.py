"""The manifests that are written from the code: the operator's rights, and the whole installation as one file."""

from collections.abc import Iterable
from pathlib import Path

import yaml

from modelrollout.adapters.rbac import OWN, SERVED, Right
from modelrollout.names import GROUP, PLURAL

ACCOUNT = "modelrollout-operator"
NAMESPACE = "modelrollout-system"

_WRITTEN = "# Written by `modelrollout generate`. Do not edit: "
_FROM_TABLE = f"{_WRITTEN}change operator/modelrollout/adapters/rbac.py and run it again.\n"


def cluster_rbac() -> str:
    """Return ``manifests/base/rbac.yaml``: the operator's rights in the whole cluster, and people's on ModelDeployments."""
    return _FROM_TABLE + _documents(
        _role("ClusterRole", ACCOUNT, "", SERVED),
        _binding("ClusterRoleBinding", ACCOUNT, "", "ClusterRole"),
        _role("Role", ACCOUNT, NAMESPACE, OWN),
        _binding("RoleBinding", ACCOUNT, NAMESPACE, "Role"),
        _people("edit", ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]),
        _people("view", ["get", "list", "watch"]),
    )


def namespaced_rbac() -> str:
    """Return ``manifests/overlays/namespaced/rbac.yaml``: the same rights as a Role in the operator's own namespace."""
    served = f"{ACCOUNT}-served"
    return _FROM_TABLE + _documents(
        _role("Role", served, NAMESPACE, SERVED), _binding("RoleBinding", served, NAMESPACE, "Role")
    )


def install(root: Path, generated: dict[Path, str]) -> str:
    """Return ``manifests/install.yaml``: every file of ``manifests/base`` in the order of its kustomization.

    Args:
        root: the repository.
        generated: texts that will be written in the same run, by path: they win over what is there.
    """
    texts = [_text(root, path, generated) for path in _files(root, Path("manifests/base"))]
    return f"{_WRITTEN}change manifests/base and run it again.\n" + "---\n".join(map(_without_header, texts))


def _files(root: Path, directory: Path) -> Iterable[Path]:
    kustomization = yaml.safe_load((root / directory / "kustomization.yaml").read_text(encoding="utf-8"))
    for name in kustomization["resources"]:
        path = Path(*_resolved(directory / name))
        yield from [path] if path.suffix else _files(root, path)


def _resolved(path: Path) -> list[str]:
    """Return the parts of a relative path without ``..``; it may name a file that does not exist yet."""
    parts: list[str] = []
    for part in path.parts:
        parts = parts[:-1] if part == ".." else [*parts, part]
    return parts


def _text(root: Path, path: Path, generated: dict[Path, str]) -> str:
    return generated[path] if path in generated else (root / path).read_text(encoding="utf-8")


def _without_header(text: str) -> str:
    """Return a file without its first line when that says that the file is generated: the whole file says so once."""
    return text.partition("\n")[2] if text.startswith("# Written by") else text


def _documents(*texts: str) -> str:
    return "---\n".join(texts)


def _head(api: str, kind: str, name: str, namespace: str, *labels: str) -> str:
    lines = [f"apiVersion: {api}", f"kind: {kind}", "metadata:", f"  name: {name}"]
    lines += [f"  namespace: {namespace}"] if namespace else []
    lines += ["  labels:", "    app.kubernetes.io/name: modelrollout", *(f"    {label}" for label in labels)]
    return "\n".join(lines) + "\n"


def _role(kind: str, name: str, namespace: str, rights: Iterable[Right]) -> str:
    return _head("rbac.authorization.k8s.io/v1", kind, name, namespace) + "rules:\n" + "".join(map(_rule, rights))


def _rule(right: Right) -> str:
    lines = [f'  - apiGroups: ["{right.group}"]', f"    resources: [{right.resource}]"]
    lines += [f"    resourceNames: [{', '.join(right.names)}]"] if right.names else []
    lines += ["    verbs:", *(f"      - {verb} # {reason}" for verb, reason in right.verbs.items())]
    return "\n".join(lines) + "\n"


def _binding(kind: str, name: str, namespace: str, role: str) -> str:
    return _head("rbac.authorization.k8s.io/v1", kind, name, namespace) + (
        f"roleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: {role}\n  name: {name}\n"
        f"subjects:\n  - kind: ServiceAccount\n    name: {ACCOUNT}\n    namespace: {NAMESPACE}\n"
    )


def _people(role: str, verbs: list[str]) -> str:
    """Return a role that Kubernetes adds to its own role of the same name; `edit` is part of `admin`."""
    scale = f"{PLURAL}/scale" if role == "edit" else f"{PLURAL}/status"
    lines = [
        f"# Whoever has the role `{role}` in a namespace has it for ModelDeployments too.",
        _head(
            "rbac.authorization.k8s.io/v1",
            "ClusterRole",
            f"modelrollout-{role}",
            "",
            f'rbac.authorization.k8s.io/aggregate-to-{role}: "true"',
        )
        + "rules:",
        f"  - apiGroups: [{GROUP}]",
        f"    resources: [{PLURAL}, {scale}]",
        f"    verbs: [{', '.join(verbs)}]",
    ]
    return "\n".join(lines) + "\n"
