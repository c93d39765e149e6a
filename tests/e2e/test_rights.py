"""What the operator was granted is what it used, no more and no less: read from the API server's audit log. Runs last."""

import json

from modelrollout.adapters.rbac import OWN, SERVED

ACCOUNT = "system:serviceaccount:modelrollout-system:modelrollout-operator"


def test_the_verbs_that_were_used_are_the_verbs_that_are_granted(cluster, scenario):
    used, refused = set(), []
    with cluster.audit_log.open() as lines:
        for line in lines:
            if ACCOUNT not in line:
                continue
            entry = json.loads(line)
            target = entry.get("objectRef")
            if entry["user"]["username"] != ACCOUNT or target is None:
                continue
            # A namespace that is being deleted refuses new objects; that is no missing right.
            reason = entry.get("annotations", {}).get("authorization.k8s.io/decision")
            if reason == "forbid":
                refused.append((entry["verb"], entry["requestURI"]))
            resource = target["resource"] + (f"/{target['subresource']}" if "subresource" in target else "")
            used.add((target.get("apiGroup", ""), resource, entry["verb"]))
            if entry["verb"] == "patch" and entry.get("responseStatus", {}).get("code") == 201:
                # A server-side apply that makes an object needs both rights, and is one request.
                used.add((target.get("apiGroup", ""), resource, "create"))
    granted = {(right.group, right.resource, verb) for right in (*SERVED, *OWN) for verb in right.verbs}
    assert refused == []
    assert used - granted == set(), "used and not granted"
    assert granted - used == set(), "granted and never used"
    scenario.note(None, f"{len(granted)} verbs on resources, used and granted alike")
