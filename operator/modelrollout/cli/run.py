"""``modelrollout run``: read the settings, start the loop, return the exit code."""

import asyncio

import click
from pydantic import ValidationError

from modelrollout.controller.run import run as run_operator
from modelrollout.settings import Settings


def run() -> int:
    """Run the operator until SIGTERM; return 0 after a clean stop.

    Raises:
        click.ClickException: a setting cannot be used.
    """
    try:
        settings = Settings()
    except ValidationError as exc:
        lines = (f"{_variable(error['loc'])}: {error['msg'].removeprefix('Value error, ')}" for error in exc.errors())
        raise click.ClickException("settings cannot be used:\n  " + "\n  ".join(lines)) from exc
    return asyncio.run(run_operator(settings))


def _variable(location: tuple[int | str, ...]) -> str:
    return f"MODELROLLOUT_{location[0]}".upper() if location else "MODELROLLOUT_*"
