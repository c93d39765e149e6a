"""Options of the sequence tests."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("sequences")
    group.addoption("--every-write", action="store_true", help="a fault at every write of every story")
    group.addoption("--every-fault", action="store_true", help="every fault at every write of every story")
