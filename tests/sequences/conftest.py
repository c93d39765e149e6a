"""Options of the sequence tests."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("sequences")
    group.addoption(
        "--every-write", action="store_true", help="a crash at every write of every story, and some other faults"
    )
    group.addoption("--every-fault", action="store_true", help="every fault at every write of every story")
