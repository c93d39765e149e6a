import subprocess
import sys

import pytest
from click.testing import CliRunner

from modelrollout.cli import cli
from modelrollout.cli.options import say

COMMANDS = sorted(cli.commands)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command):
    result = CliRunner().invoke(cli, [command, "--help"])
    assert result.exit_code == 0
    assert len(result.output.splitlines()) > 4


# What record writes is lines of JSON anyway, and its -o is the file.
@pytest.mark.parametrize("command", sorted({*COMMANDS} - {"generate", "run", "record"}))
def test_every_command_for_people_answers_in_json_too(command):
    assert "-o, --output [text|json]" in CliRunner().invoke(cli, [command, "--help"]).output


def test_help_imports_nothing_that_is_slow():
    slow = ("pydantic", "kubernetes", "kopf", "rich", "aiohttp")
    script = f"import sys, modelrollout.__main__; print([name for name in {slow} if name in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", script], env={"PYTHONPATH": "operator"}, capture_output=True, text=True, check=True
    )
    assert result.stdout == "[]\n"


def test_colours_are_for_terminals_only(capsys):
    say("\x1b[31mred\x1b[0m")
    assert capsys.readouterr().out == "red\n"


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path):
    process = subprocess.run(
        f"{sys.executable} -m modelrollout --help | head -1",
        shell=True,
        env={"PYTHONPATH": "operator", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert process.stdout.startswith("Usage: ")
    assert process.stderr == ""
