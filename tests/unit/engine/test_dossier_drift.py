"""How the report shows what each feature has drifted by."""

from modelrollout.engine.dossier_drift import drift_part


def test_each_feature_has_its_shares_and_what_is_proven_of_it():
    moved = {
        "feature": "brightness",
        "place": "at most 30",
        "candidate": 0.61,
        "stable": 0.59,
        "reference": 0.38,
        "distance": 0.23,
        "moved": "world",
        "pace": "sudden",
    }
    quiet = {"feature": "a|b", "place": "is x", "candidate": 0.4, "distance": -0.004}

    page = drift_part({"asked": [moved, quiet]})

    assert page.splitlines() == [
        "## Drift by feature of asked",
        "",
        "| feature | its values | candidate | stable | reference | difference | moved | pace |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        "| brightness | at most 30 | 61 % | 59 % | 38 % | +23.0 pp | world | sudden |",
        "| a\\|b | is x | 40 % |  |  | -0.4 pp |  |  |",
    ]


def test_nothing_is_said_where_nobody_looks_for_drift():
    assert drift_part({}) == ""
