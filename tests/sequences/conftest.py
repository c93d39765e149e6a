"""Options of the sequence tests."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("sequences")
    group.addoption("--all-faults", action="store_true", help="every fault at every write of every story, not a sample")
