"""Whoever is woken at night finds a heading for what he reads."""

import ast
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
ENGINE = sorted((ROOT / "operator" / "modelrollout" / "engine").glob("*.py"))
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
HEADINGS = frozenset(re.findall(r"^#{2,4} (.+)$", RUNBOOK, re.MULTILINE))
RULES = yaml.safe_load((ROOT / "manifests" / "prometheus" / "rules.yaml").read_text(encoding="utf-8"))
ALERTS = [rule for group in RULES["spec"]["groups"] for rule in group["rules"]]

FINE = frozenset({"Acknowledged", "Pass", "Served", "Stable", "Watched"})
"""Reasons of conditions that are as they should be."""
SAY_A_REASON = frozenset({"Cause", "SafetyError", "Trouble", "Waiting", "abort", "condition"})
WORD = re.compile(r"[A-Z][a-zA-Z0-9]+")
VALUES = frozenset({"True", "False", "Unknown"})


def reasons():
    """Every word in the engine that becomes a reason: in a call that takes one, assigned, or returned with its text."""
    for file in ENGINE:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Name(id=name), args=args) if name in SAY_A_REASON:
                    yield from (word for arg in args for word in words(arg))
                case ast.Assign(targets=[ast.Name(id="reason" | "OVERDUE")], value=value):
                    yield from words(value)
                case ast.Return(value=ast.Tuple(elts=[first, _])):
                    yield from words(first)


def words_of(name):
    """The words in the first argument of every call of that name."""
    for file in ENGINE:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Name(id=called), args=[first, *_]) if called == name:
                    yield from words(first)


def words(node):
    for each in ast.walk(node):
        if isinstance(each, ast.Constant) and isinstance(each.value, str) and WORD.fullmatch(each.value):
            yield each.value


EVENTS = frozenset({"CandidateNotReady", "DriftRollback", "UndecidedByDeadline"})
"""Told as an Event alone, and worth a page."""
# A verdict is the reason of AnalysisPassed.
REASONS = sorted({*reasons(), "Undecided", *EVENTS} - VALUES - FINE)


def test_the_engine_is_read():
    assert {"InvalidSpec", "NameConflict", "RolloutAborted", "GateFailed", "Requested", "CapacityStays"} <= set(REASONS)
    assert {"Aborting", "Progressing", "Holding", "NotServed", "NotAcknowledged"} <= set(REASONS)


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_has_a_heading(reason):
    assert reason in HEADINGS


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_every_alert_has_a_heading_and_names_it(alert):
    assert alert["alert"] in HEADINGS
    assert alert["annotations"]["runbook"] == f"docs/runbook.md#{alert['alert'].lower()}"


STALLED = sorted({*words_of("Trouble")})


@pytest.mark.parametrize("heading", [*STALLED, *(alert["alert"] for alert in ALERTS)])
def test_whoever_must_act_finds_a_command(heading):
    section = re.split(r"^#{2,4} ", RUNBOOK.partition(f"### {heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    assert re.search(r"```\nkubectl ", section), heading


def test_the_runbook_speaks_of_nothing_that_is_gone():
    single_words = {heading for heading in HEADINGS if WORD.fullmatch(heading)}
    assert single_words - set(REASONS) - {alert["alert"] for alert in ALERTS} - {"Alerts"} == set()


def test_every_link_leads_somewhere():
    for page in (ROOT / "docs").glob("*.md"):
        text = page.read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)]+)\)", text):
            if target.startswith("http"):
                continue
            name, _, anchor = target.partition("#")
            other = page if not name else page.parent / name
            assert other.exists(), f"{page.name}: {target}"
            if anchor:
                titles = re.findall(r"^#+ (.+)$", other.read_text(encoding="utf-8"), re.MULTILINE)
                assert anchor in {slug(title) for title in titles}, f"{page.name}: {target}"


def slug(title):
    return re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")
