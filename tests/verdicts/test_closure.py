"""What a table rests on, so that runs are thrown away when a rule changes and kept when something else does."""

from pathlib import Path
from types import ModuleType

from tests.verdicts import closure
from tests.verdicts.tables import healthy, mirrored, predictions


def _names(module: ModuleType) -> set[str]:
    return {"/".join(file.parts[-2:]) for file in closure.used(Path(str(module.__file__)))}


def test_a_table_of_rates_rests_on_what_weighs_rates_and_on_its_traffic():
    rules = {"evidence/ratio.py", "judges/compare.py", "judges/_rates.py", "engine/books.py", "engine/noise.py"}
    assert {*rules, "verdicts/traffic.py", "verdicts/ours.py", "tables/healthy.py"} <= _names(healthy)


def test_it_rests_neither_on_other_tables_nor_on_other_judges():
    names = _names(healthy)
    assert not names & {"tables/mirrored.py", "judges/drift.py", "judges/agreement.py", "verdicts/page.py"}


def test_other_tables_rest_on_what_they_add():
    assert "evidence/paired.py" in _names(mirrored)
    assert {"judges/agreement.py", "sources/predictions.py", "tables/slices.py"} <= _names(predictions)
