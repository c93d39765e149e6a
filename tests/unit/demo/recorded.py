"""A recording as a demo that went well makes it: what the tests of summary, picture and screen start from."""

from dataclasses import replace

from tests.demo.recording import Bin, Decision, Outcome, Recording, Route

START = 1000.0
NAMES = {"r1": "v1", "ra": "v2-rc1", "rb": "v2-rc2", "r2": "v2", "r3": "v3", "r4": "v4"}
ROUTES = [
    (0, {"r1": 100}, {}),
    (2, {"r1": 100}, {"ra": 100}),
    (4, {"r1": 100}, {}),
    (5, {"r1": 100}, {"rb": 100}),
    (8, {"r1": 100}, {}),
    (10, {"r1": 100}, {"r2": 100}),
    (20, {"r1": 80, "r2": 20}, {}),
    (28, {"r1": 50, "r2": 50}, {}),
    (36, {"r2": 100}, {}),
    (50, {"r2": 80, "r3": 20}, {}),
    (54.5, {"r2": 100}, {}),
    (90, {"r4": 100}, {}),
    (100, {"r2": 100}, {}),
]
END = 110


def whole_story() -> Recording:
    """Return it: 100 requests in each second, v3 with 4 errors in each second of its trial."""
    recording = Recording(started=START, names=dict(NAMES), stable="v2")
    recording.routes = [Route(at=START + at, shares=shares, copies=copies) for at, shares, copies in ROUTES]
    for second in range(END):
        shares = [shares for at, shares, _ in ROUTES if at <= second][-1]
        errors = {"r3": 4} if "r3" in shares else {}
        right = {revision: share - errors.get(revision, 0) for revision, share in shares.items()}
        recording.ours.append(line(second + 1, shares, errors=errors, right=right))
    for second in range(46, 90):
        errors = 20 if 52 <= second < 80 else 0
        made = line(second + 1, {"v2": 100 - errors}, errors={}, right={"v2": 100 - errors})
        first = START + second + 0.5 if errors else None
        recording.plain.append(replace(made, model=errors, requests=100, first_error=first))
    recording.outcomes = [
        outcome("v1", "install", "Completed"),
        outcome("v2-rc1", "canary", "Aborted", "GateFailed", mirrored=150),
        outcome("v2-rc2", "canary", "Aborted", "GateFailed", mirrored=250, cause="same: slice light=dark: 50 %"),
        outcome("v2", "canary", "Completed", mirrored=900),
        outcome("v3", "canary", "Aborted", "GateFailed"),
        outcome("v4", "blueGreen", "Aborted", "Requested"),
    ]
    recording.decisions = [
        Decision(at=START + 9, text="kubectl apply: digits v2"),
        Decision(at=START + 54, text="v3 is rolled back: errors: 0.2 is above 0.05"),
    ]
    return recording


def line(second, answers, *, errors, right):
    """Return the bin of a second; the first error in it came in its middle."""
    return Bin(
        at=START + second,
        span=1.0,
        requests=sum(answers.values()),
        ours=0,
        model=sum(errors.values()),
        answers=answers,
        errors=errors,
        right=right,
        wrong=dict.fromkeys(right, 0),
        first_error=START + second - 0.5 if errors else None,
    )


def outcome(version, strategy, state, reason="", mirrored=0, *, cause=""):
    revision = {name: revision for revision, name in NAMES.items()}[version]
    return Outcome(
        version=version,
        revision=revision,
        strategy=strategy,
        state=state,
        reason=reason,
        cause=cause,
        mirrored=mirrored,
    )
