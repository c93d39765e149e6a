"""What is written from the code is as the code says, and one command finds out when it is not."""

import shutil
from pathlib import Path

import click
import pytest
import yaml

from modelrollout.cli.generate import artefacts, generate
from modelrollout.settings import Settings

ROOT = Path(__file__).parents[3]


@pytest.fixture
def copy(tmp_path):
    """A repository with everything that generating reads."""
    (tmp_path / "operator" / "modelrollout").mkdir(parents=True)
    for name in ("crds", "manifests", "docs"):
        shutil.copytree(ROOT / name, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("path", artefacts(ROOT), ids=str)
def test_a_generated_file_is_up_to_date(path):
    assert (ROOT / path).read_text(encoding="utf-8") == artefacts(ROOT)[path], "run `modelrollout generate`"


def test_check_finds_a_file_that_was_edited_and_writes_nothing(copy, capsys):
    generate(check=False, root=copy)
    edited = copy / "manifests" / "base" / "rbac.yaml"
    text = edited.read_text(encoding="utf-8").replace("- patch", '- "*"', 1)
    edited.write_text(text, encoding="utf-8")
    capsys.readouterr()
    assert generate(check=True, root=copy) == 1
    assert '-      - "*"' in capsys.readouterr().out
    assert edited.read_text(encoding="utf-8") == text


def test_generating_twice_changes_nothing(copy, capsys):
    generate(check=False, root=copy)
    capsys.readouterr()
    assert generate(check=False, root=copy) == 0
    assert generate(check=True, root=copy) == 0
    assert capsys.readouterr().out == ""


def test_a_new_file_of_the_base_is_in_the_one_file(copy):
    base = copy / "manifests" / "base"
    (base / "more.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: more\n", encoding="utf-8")
    kustomization = base / "kustomization.yaml"
    kustomization.write_text(kustomization.read_text(encoding="utf-8") + "  - more.yaml\n", encoding="utf-8")
    generate(check=False, root=copy)
    documents = list(yaml.safe_load_all((copy / "manifests" / "install.yaml").read_text(encoding="utf-8")))
    assert documents[-1]["metadata"] == {"name": "more"}


def test_generating_elsewhere_says_where_to_do_it(tmp_path):
    with pytest.raises(click.ClickException, match="root directory"):
        generate(check=False, root=tmp_path)


def test_every_setting_has_its_line():
    page = (ROOT / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")
    for name, field in Settings.model_fields.items():
        assert f"| `MODELROLLOUT_{name.upper()}` |" in page
        assert field.description, name
