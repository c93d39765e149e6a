"""The table of rights against the code that uses them."""

import ast
from pathlib import Path

from modelrollout.adapters.children import WATCHED
from modelrollout.adapters.kinds import KINDS
from modelrollout.adapters.rbac import LEASE, OWN, SERVED
from modelrollout.names import KIND
from modelrollout.settings import Settings

ROOT = Path(__file__).parents[3]
ENGINE = ROOT / "operator" / "modelrollout" / "engine"


def verbs(kind, subresource=""):
    return {
        verb
        for right in (*SERVED, *OWN)
        if (right.kind, right.subresource) == (kind, subresource)
        for verb in right.verbs
    }


def test_every_kind_that_can_be_touched_is_in_the_table_and_no_other():
    assert {right.kind for right in (*SERVED, *OWN)} == set(KINDS)


def test_every_verb_has_a_reason():
    for right in (*SERVED, *OWN):
        assert right.verbs
        assert all(len(reason.split()) >= 3 for reason in right.verbs.values()), right.resource


def test_what_is_watched_may_be_listed_and_watched_and_nothing_else():
    watching = {right.kind for right in (*SERVED, *OWN) if {"list", "watch"} & right.verbs.keys()}
    assert watching == {KIND, "Pod", *WATCHED}
    assert all({"list", "watch"} <= verbs(kind) for kind in watching)


def test_what_is_deleted_may_be_deleted_and_nothing_else():
    deleting = {kind for kind in KINDS if "delete" in verbs(kind)}
    assert deleting == deleted_kinds()


def deleted_kinds():
    """The kinds named by calls of `_delete` in the engine: a helper of realize.py whose second argument is the kind."""
    calls = (node for file in ENGINE.glob("*.py") for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    found = {
        each.value
        for node in calls
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("_delete", "Delete")
        for each in ast.walk(node)
        if isinstance(each, ast.Constant) and each.value in KINDS
    }
    assert found, "realize.py deletes by another name: adapt this test"
    return found


def test_the_spec_is_never_written():
    assert verbs(KIND) == {"get", "list", "watch"}
    assert verbs(KIND, "status") == {"patch"}


def test_pods_are_never_made_or_deleted():
    assert verbs("Pod") == {"list", "watch", "patch"}


def test_the_lease_of_the_role_is_the_one_of_the_settings():
    assert Settings().lease_name == LEASE
