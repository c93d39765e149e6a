"""Which words are ours and which belong to the program that is to be run."""

import pytest

from tests.cluster.__main__ import _split


@pytest.mark.parametrize(
    ("arguments", "own", "words"),
    [
        (["up"], ["up"], []),
        (["kubectl", "-n", "x", "get", "pods"], ["kubectl"], ["-n", "x", "get", "pods"]),
        (["--name", "a", "kubectl", "--name", "b"], ["--name", "a", "kubectl"], ["--name", "b"]),
        (["run", "--", "ls", "--", "-l"], ["run"], ["ls", "--", "-l"]),
        (["run", "kubectl", "version"], ["run"], ["kubectl", "version"]),
        (["--name", "run", "up"], ["--name", "run", "up"], []),
        (["kubectl"], ["kubectl"], []),
    ],
)
def test_everything_after_the_command_is_handed_on(arguments, own, words):
    assert _split(arguments) == (own, words)
