"""The page about presets says what the presets are: its table, and what `explain` prints of the example."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from modelrollout.api.presets import PRESETS
from modelrollout.cli.documents import read_documents
from modelrollout.cli.explain import explanation, text

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "presets.md").read_text(encoding="utf-8")


def flow(values: Mapping[str, Any]) -> str:
    """As it stands in the table: `compare: {margin: {absolute: 0.1}}`."""
    return yaml.safe_dump(dict(values), default_flow_style=True, sort_keys=False, width=math.inf).strip()[1:-1]


def table() -> set[tuple[str, ...]]:
    """Preset, name, source, limit and first limit of every row, once for each preset; each row says why."""
    section = PAGE.split("## The table\n\n")[1].split("\n\n")[0]
    found = set()
    for row in section.splitlines()[2:]:
        name, presets, source, usual, first, why = (cell.strip().strip("`") for cell in row.strip("|").split(" | "))
        assert why
        for preset in PRESETS if presets == "all" else presets.split(", "):
            found.add((preset, name, source, usual, first))
    return found


def test_the_table_has_every_metric_of_every_preset_with_both_limits() -> None:
    assert table() == {
        (preset, line.name, flow(line.source), flow(line.judge), flow(line.first))
        for preset, lines in PRESETS.items()
        for line in lines
    }


def test_what_the_page_shows_is_what_explain_prints() -> None:
    (document,) = read_documents(str(ROOT / "manifests" / "examples" / "canary-preset.yaml"))
    said = text(explanation(document, 20))
    assert said[said.index("\npreset:") : said.index("\nGood to know:")] in PAGE
