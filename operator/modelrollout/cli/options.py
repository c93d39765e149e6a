"""What commands share: where the cluster is, how to answer, and how mistakes are told."""

import functools
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

from modelrollout.errors import RolloutError

Command = Callable[..., None]


@dataclass(frozen=True)
class Where:
    """Which cluster and namespace, as kubectl understands it.

    Attributes:
        namespace: None: that of the context.
        context: None: the current one.
        kubeconfig: None: KUBECONFIG, or the default file.
    """

    namespace: str | None = None
    context: str | None = None
    kubeconfig: str | None = None


class Requests(click.FloatRange):
    """Requests per second: more than 0, and a number, which click's own range does not ask for."""

    def __init__(self, most: float | None = None) -> None:
        super().__init__(0, most, min_open=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:  # noqa: ANN401  # click's signature
        """Return the number.

        Raises:
            click.BadParameter: it is none, or out of range.
        """
        found = float(super().convert(value, param, ctx))
        if not math.isfinite(found):
            self.fail(f"{value} is no number of requests per second.", param, ctx)
        return found


class PeoplesGroup(click.Group):
    """A group whose commands tell our errors in one line, and end quietly on ctrl-C.

    Click would print ``Aborted!`` there, a word that means something else in this project.
    """

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401  # click's signature
        """Run the command.

        Raises:
            click.ClickException: what one of our errors says.
        """
        try:
            return super().invoke(ctx)
        except RolloutError as exc:
            raise click.ClickException(str(exc)) from exc
        except KeyboardInterrupt:
            # 128 + SIGINT, as every shell expects.
            ctx.exit(130)


def in_cluster(command: Command) -> Command:
    """Add the options that choose cluster and namespace; the command gets them as ``where``."""

    @click.option("-n", "--namespace", metavar="NAME", help="Namespace; that of the context when absent.")
    @click.option("--context", metavar="NAME", help="Context of the kubeconfig; the current one when absent.")
    @click.option("--kubeconfig", metavar="FILE", help="Kubeconfig; KUBECONFIG or ~/.kube/config when absent.")
    @functools.wraps(command)
    def wrapped(namespace: str | None, context: str | None, kubeconfig: str | None, **rest: Any) -> None:  # noqa: ANN401  # the command's own parameters
        command(where=Where(namespace, context, kubeconfig), **rest)

    return wrapped


def output(command: Command) -> Command:
    """Add ``-o json``; the command gets ``as_json``."""

    @click.option("-o", "--output", "form", type=click.Choice(["text", "json"]), default="text", help="How to answer.")
    @functools.wraps(command)
    def wrapped(form: str, **rest: Any) -> None:  # noqa: ANN401  # the command's own parameters
        command(as_json=form == "json", **rest)

    return wrapped


def waiting(command: Command) -> Command:
    """Add ``--wait/--no-wait``."""
    return click.option(
        "--wait/--no-wait", default=True, show_default=True, help="Wait for the operator's answer, a few seconds."
    )(command)


def say(text: str, *, err: bool = False) -> None:
    """Print a text; colours only on a terminal, and never where NO_COLOR is set."""
    click.echo(text, err=err, color=False if os.environ.get("NO_COLOR") else None)
