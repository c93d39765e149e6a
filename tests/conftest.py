"""Options of all tests."""

import pytest
from hypothesis import settings

# How long an example takes depends on who else uses the machine.
settings.register_profile("modelrollout", deadline=None)
settings.load_profile("modelrollout")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="write the golden files anew; review their difference"
    )
