"""The CustomResourceDefinition, from the models of spec and status."""

from typing import Any

import yaml

from modelrollout.api.modeldeployment import ModelDeploymentSpec
from modelrollout.api.structural import structural
from modelrollout.domain.status import Status
from modelrollout.names import GROUP, KIND, MAX_NAME, NAME_PATTERN, PLURAL, VERSION

HEADER = "# Written by `modelrollout generate`. Do not edit: change operator/modelrollout/api and run it again.\n"


def crd() -> dict[str, Any]:
    """Return the CustomResourceDefinition.

    Raises:
        SchemaError: a model says what no structural schema can say.
    """
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": KIND.lower(),
                "shortNames": ["mdep"],
                "categories": ["ml"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": root_schema()},
                    "additionalPrinterColumns": _columns(),
                    "subresources": {
                        "status": {},
                        "scale": {
                            "specReplicasPath": ".spec.replicas",
                            "statusReplicasPath": ".status.replicas",
                            "labelSelectorPath": ".status.selector",
                        },
                    },
                }
            ],
        },
    }


def root_schema() -> dict[str, Any]:
    """Return the schema of a whole ModelDeployment."""
    return {
        "type": "object",
        "description": "A machine-learning model that is rolled out from version to version without hurting its users.",
        "required": ["metadata", "spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": f"{GROUP}/{VERSION}"},
            "kind": {"type": "string", "description": KIND},
            "metadata": {
                "type": "object",
                # Names of children are this one and at most 23 characters more, and must fit into a DNS label.
                "properties": {"name": {"type": "string", "maxLength": MAX_NAME, "pattern": NAME_PATTERN}},
            },
            "spec": structural(ModelDeploymentSpec, "spec", defaults=True),
            # A default in the status would say what nobody has observed.
            "status": structural(Status, "status", defaults=False),
        },
    }


def _columns() -> list[dict[str, Any]]:
    return [
        _column("Strategy", ".status.rollout.strategy", "How the current or last version was rolled out."),
        _column("Phase", ".status.phase", "Where it stands, in one word."),
        _column("Step", ".status.step", "The current stage."),
        _column("Weight", ".status.weight", "Percent of answers from the candidate.", kind="integer"),
        _column("Stable", ".status.stable", "The revision that people rely on."),
        _column("Candidate", ".status.candidate", "The revision on trial."),
        _column("Ready", '.status.conditions[?(@.type=="Ready")].status', "Whether nothing is left to do."),
        _column("Age", ".metadata.creationTimestamp", "Time since it was created.", kind="date"),
        {
            **_column(
                "Drifting", '.status.conditions[?(@.type=="Drifting")].status', "Whether a metric of stable drifts."
            ),
            "priority": 1,
        },
        {**_column("Message", ".status.message", "What it waits for and until when."), "priority": 1},
    ]


def _column(name: str, path: str, description: str, kind: str = "string") -> dict[str, Any]:
    return {"name": name, "type": kind, "jsonPath": path, "description": description}


class _Dumper(yaml.SafeDumper):
    """Without anchors: they are YAML that nobody reads."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ANN401, ARG002  # the signature of PyYAML
        return True


def crd_yaml() -> str:
    """Return the file ``crds/modeldeployments.yaml``."""
    return HEADER + yaml.dump(crd(), Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)
