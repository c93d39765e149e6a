"""Names, labels and annotations: every string by which our objects find each other.

All names are deterministic, so that a crash between two writes can never leave an object that nobody looks for.
A ModelDeployment's name has at most 40 characters and a revision 10, so every child name stays within the 63 of a DNS label.
"""

import hashlib
import json
from collections.abc import Mapping

GROUP = "modelrollout.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "ModelDeployment"
PLURAL = "modeldeployments"

FIELD_MANAGER = "modelrollout"
MAX_NAME = 40
SUBDOMAIN_PATTERN = r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$"
"""Of the names of ConfigMaps and Secrets."""
NAME_PATTERN = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"

LABEL_NAME = f"{GROUP}/name"
LABEL_REVISION = f"{GROUP}/revision"
LABEL_COMPONENT = f"{GROUP}/component"
LABEL_COLLECTOR = f"{GROUP}/collector"
COMPONENT_MODEL = "model"
COMPONENT_ROUTER = "router"
COMPONENT_REPORT = "report"

ANNOTATION_REQUEST = f"{GROUP}/request"
ANNOTATION_ABORT = f"{GROUP}/abort"
ANNOTATION_NUDGE = f"{GROUP}/route"
ANNOTATION_APPLIED = f"{GROUP}/applied"

PREVIEW_VALUE = "candidate"


def revision_name(content: Mapping[str, object]) -> str:
    """Return the ten hex characters that name a revision, from what it hashes over (canonical JSON)."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:10]


def workload(name: str, revision: str) -> str:
    """Return the name of a revision's Deployment, headless Service and ControllerRevision."""
    return f"{name}-{revision}"


def router(name: str) -> str:
    """Return the name of the router's Deployment, ConfigMap and PodDisruptionBudget."""
    return f"{name}-router"


def evidence(name: str) -> str:
    """Return the name of the ConfigMap that keeps the evidence of the running rollout."""
    return f"{name}-evidence"


def reference(name: str) -> str:
    """Return the name of the ConfigMap that keeps what requests and answers were like once."""
    return f"{name}-reference"


def report(name: str, revision: str, attempt: int) -> str:
    """Return the name of the ConfigMap that keeps the report of a finished attempt."""
    return f"{name}-report-{revision}-{attempt}"


def candidate_service(name: str) -> str:
    """Return the name of the Service through which people preview the candidate."""
    return f"{name}-candidate"


def labels_service(name: str) -> str:
    """Return the name of the Service at which labels are taken, and by which routers find one another."""
    return f"{name}-labels"


def model_labels(name: str, revision: str) -> dict[str, str]:
    """Return the labels that select the model pods of one revision."""
    return {LABEL_NAME: name, LABEL_REVISION: revision, LABEL_COMPONENT: COMPONENT_MODEL}


def router_labels(name: str) -> dict[str, str]:
    """Return the labels that select the router's pods."""
    return {LABEL_NAME: name, LABEL_COMPONENT: COMPONENT_ROUTER}


def mirror_cluster(revision: str) -> str:
    """Return the name of the Envoy cluster that receives a revision's mirrored requests."""
    return f"{revision}-mirror"


def host(name: str, revision: str, namespace: str) -> str:
    """Return the DNS name of a revision's headless Service; the final dot saves the search-list queries."""
    return f"{workload(name, revision)}.{namespace}.svc.cluster.local."


def labels_host(name: str, namespace: str) -> str:
    """Return the DNS name of the Service at which labels are taken; it gives the addresses of the Ready routers."""
    return f"{labels_service(name)}.{namespace}.svc.cluster.local."
