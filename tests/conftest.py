"""Options of all tests."""

import gc

import pytest
from hypothesis import settings

# How long an example takes depends on who else uses the machine.
settings.register_profile("modelrollout", deadline=None)
settings.load_profile("modelrollout")

# What is imported and collected stays until the end: the garbage collector need not look through it again and again.
gc.disable()


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="write the golden files anew; review their difference"
    )
