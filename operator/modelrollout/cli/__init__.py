"""The command line: one group, whose commands import what they need when they run.

Importing late keeps ``kubectl modelrollout status`` fast: Kopf and the API client alone take a second to import.
"""

import sys
from typing import Any

import click

from modelrollout.cli.options import PeoplesGroup, Requests, Where, in_cluster, output, waiting


@click.group(cls=PeoplesGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="modelrollout")
def cli() -> None:
    """Roll out machine-learning models without hurting the people who use them."""


@cli.command("status")
@click.argument("name")
@in_cluster
@output
def status_command(where: Where, name: str, as_json: bool) -> None:  # noqa: FBT001  # click passes options by position or name
    """Show where a rollout stands, what it waits for and until when."""
    from modelrollout.cli.status import show_status  # noqa: PLC0415  # see the module's docstring

    sys.exit(show_status(where, name, as_json=as_json))


@cli.command("watch")
@click.argument("name")
@in_cluster
@output
def watch_command(where: Where, name: str, as_json: bool) -> None:  # noqa: FBT001  # click passes options by position or name
    """Follow a rollout until it is Ready (exit code 0) or Stalled (1)."""
    from modelrollout.cli.watch import watch  # noqa: PLC0415  # see the module's docstring

    sys.exit(watch(where, name, as_json=as_json))


@cli.command("history")
@click.argument("name")
@in_cluster
@output
def history_command(where: Where, name: str, as_json: bool) -> None:  # noqa: FBT001  # click passes options by position or name
    """Show the last rollouts, and the revisions that rollback can go to."""
    from modelrollout.cli.status import show_history  # noqa: PLC0415  # see the module's docstring

    sys.exit(show_history(where, name, as_json=as_json))


@cli.command("report")
@click.argument("name")
@click.option("--revision", metavar="REVISION", help="The revision that was rolled out, or the beginning of its name.")
@click.option("--attempt", metavar="N", type=click.IntRange(min=1), help="Which attempt at it.")
@click.option(
    "--html",
    metavar="FILE",
    type=click.Path(allow_dash=True),
    help="Write it as one page for a browser, with pictures; - is standard output.",
)
@in_cluster
@output
def report_command(where: Where, name: str, **wanted: Any) -> None:  # noqa: ANN401  # click passes options by name
    """Show the report of the last finished rollout: what was compared, what was found, and who let it go on."""
    from modelrollout.cli.report import Wanted, show_report  # noqa: PLC0415  # see the module's docstring

    sys.exit(show_report(where, name, Wanted(**wanted)))


@cli.command("record")
@click.argument("name")
@click.option(
    "-o",
    "--output",
    "file",
    metavar="FILE",
    type=click.Path(allow_dash=True),
    default="-",
    help="Where to write; - is standard output.",
)
@click.option("--prometheus", metavar="URL", help="Where Prometheus answers from here, for metrics that come from it.")
@in_cluster
def record_command(where: Where, name: str, file: str, prometheus: str | None) -> None:
    """Write down what the metrics of a rollout read, until it ends, for simulate --replay.

    Waits for a rollout if none is on its way. What was written until ctrl-C can be replayed too.
    """
    from modelrollout.cli.record import record  # noqa: PLC0415  # see the module's docstring

    sys.exit(record(where, name, file, prometheus))


@cli.command("promote")
@click.argument("name")
@click.option("--full", is_flag=True, help="Skip all remaining steps. The bake still follows.")
@in_cluster
@waiting
@output
def promote_command(where: Where, name: str, full: bool, wait: bool, as_json: bool) -> None:  # noqa: FBT001  # click passes options by position or name
    """End the current step now.

    Neither its hold nor its metrics are waited for any more; a metric that fails still takes the candidate back to 0.
    """
    _ask(where, name, "promote-full" if full else "promote", wait=wait, as_json=as_json)


@cli.command("abort")
@click.argument("name")
@in_cluster
@waiting
@output
def abort_command(where: Where, name: str, wait: bool, as_json: bool) -> None:  # noqa: FBT001  # click passes options by position or name
    """Send all traffic home to the stable revision. It stays so until another spec, or retry."""
    from modelrollout.cli.answer import ask_abort  # noqa: PLC0415  # see the module's docstring

    sys.exit(ask_abort(where, name, wait=wait, as_json=as_json))


@cli.command("retry")
@click.argument("name")
@in_cluster
@waiting
@output
def retry_command(where: Where, name: str, wait: bool, as_json: bool) -> None:  # noqa: FBT001  # click passes options by position or name
    """Try an aborted revision again, from the first step."""
    _ask(where, name, "retry", wait=wait, as_json=as_json)


@cli.command("rollback")
@click.argument("name")
@click.option("--to", metavar="REVISION", help="A revision, the beginning of one, or a model's version.")
@in_cluster
@waiting
@output
def rollback_command(where: Where, name: str, to: str | None, wait: bool, as_json: bool) -> None:  # noqa: FBT001  # click passes options by position or name
    """Go back to an earlier revision, by the spec's strategy; the one before when --to is absent.

    It stands until the spec names another revision than it does now.
    """
    from modelrollout.cli.answer import ask_rollback  # noqa: PLC0415  # see the module's docstring

    sys.exit(ask_rollback(where, name, to, wait=wait, as_json=as_json))


@cli.command("pause")
@click.argument("name")
@in_cluster
@waiting
@output
def pause_command(where: Where, name: str, wait: bool, as_json: bool) -> None:  # noqa: FBT001  # click passes options by position or name
    """Stop progress. The rollout is still judged and can be aborted."""
    _ask(where, name, "pause", wait=wait, as_json=as_json)


@cli.command("resume")
@click.argument("name")
@in_cluster
@waiting
@output
def resume_command(where: Where, name: str, wait: bool, as_json: bool) -> None:  # noqa: FBT001  # click passes options by position or name
    """End a pause that was asked for. One in the spec (spec.paused) ends there."""
    _ask(where, name, "resume", wait=wait, as_json=as_json)


@cli.command("validate")
@click.argument("files", nargs=-1, required=True, type=click.Path(allow_dash=True))
@output
def validate_command(files: tuple[str, ...], as_json: bool) -> None:  # noqa: FBT001  # click passes options by position or name
    """Check ModelDeployments in files, without a cluster."""
    from modelrollout.cli.validate import validate  # noqa: PLC0415  # see the module's docstring

    sys.exit(validate(files, as_json=as_json))


@cli.command("explain")
@click.argument("file", type=click.Path(allow_dash=True))
@click.option("--rps", type=Requests(), help="Requests per second, to say how long proofs take.")
@output
def explain_command(file: str, rps: float | None, as_json: bool) -> None:  # noqa: FBT001  # click passes options by position or name
    """Say what will happen, step by step, without a cluster."""
    from modelrollout.cli.explain import explain  # noqa: PLC0415  # see the module's docstring

    sys.exit(explain(file, as_json=as_json, rps=rps))


@cli.command("simulate")
@click.argument("file", type=click.Path(allow_dash=True))
@click.option("--rps", type=Requests(10_000), default=10, show_default=True, help="Requests per second.")
@click.option(
    "--stable",
    metavar="WORDS",
    default="errors=0.5%",
    show_default=True,
    help="What the version in FILE does, such as errors=0.5%,latency=50ms,noise=3% (of its predictions are chance).",
)
@click.option(
    "--candidate",
    metavar="WORDS",
    default="",
    help="What the new version does otherwise: errors=5%,slow=+30%,empty=1%,always=negative,differs=1% (of its predictions), "
    "differs@dark=50% (in a slice). As stable when absent.",
)
@click.option("--slices", metavar="WORDS", default="", help="Which share of the requests is in which slice: dark=10%.")
@click.option(
    "--positives",
    metavar="SHARE",
    default="50%",
    show_default=True,
    help="Of how many requests the right label is positive; of the others it is negative.",
)
@click.option(
    "--inputs",
    metavar="WORDS",
    default="",
    help="Between which numbers nineteen of twenty values of features are: age=20..60,pixels=5..9.",
)
@click.option(
    "--world",
    metavar="WORDS",
    default="",
    help="What becomes otherwise, and when, counted from when the new version is applied: 'age=40..80 at 20m over 10m', "
    "'age@candidate=40..80' (in its requests alone), 'positives=70% at 1h', 'concept=30%' (of so many requests another "
    "label is right than the versions know). Without over it is sudden.",
)
@click.option(
    "--labels",
    metavar="WORDS",
    default="",
    help="Of how many answers it becomes known what would have been right, and how long after: '20% after 5m'.",
)
@click.option(
    "--until",
    metavar="WHEN",
    default="decided",
    show_default=True,
    help="decided (7 days at most), or a span of time such as 2h. What watches after a promotion does so until then.",
)
@click.option(
    "--traffic",
    type=click.Choice(["constant", "daily", "bursts", "incidents"]),
    default="constant",
    show_default=True,
    help="How the traffic changes.",
)
@click.option(
    "--late",
    metavar="SPAN",
    help="The new version turns bad so long after its first request; bit by bit with '20m over 10m'.",
)
@click.option(
    "--replay",
    metavar="FILE",
    type=click.Path(),
    help="What was recorded of a live rollout (see record), instead of chance.",
)
@click.option("--seed", type=int, default=7, show_default=True, help="Of chance; the same seed, the same rollout.")
@click.option("--runs", type=click.IntRange(1), default=1, show_default=True, help="How many, with seeds in a row.")
@click.option("--jobs", type=click.IntRange(1), help="Processes for many runs; as many as processors when absent.")
@click.option("--plot", metavar="FILE", type=click.Path(), help="Write a picture (SVG) of one run.")
@output
def simulate_command(file: str, as_json: bool, **question: Any) -> None:  # noqa: FBT001, ANN401  # click passes options by position or name
    """Roll out a new version on a simulated cluster, and say what the operator decides.

    FILE is applied as it is, and then with another image. The clock is virtual, so hours take seconds; requests come and
    fail by chance. Whatever waits for a person is approved.
    """
    from modelrollout.cli.simulate import Question, simulate  # noqa: PLC0415  # see the module's docstring

    sys.exit(simulate(file, Question(**question), as_json=as_json))


@cli.command("generate")
@click.option("--check", is_flag=True, help="Write nothing; fail when a generated file is not up to date.")
def generate_command(check: bool) -> None:  # noqa: FBT001  # click passes options by position or name
    """Write the CRD, the RBAC rules and the API reference."""
    from modelrollout.cli.generate import generate  # noqa: PLC0415  # see the module's docstring

    sys.exit(generate(check))


@cli.command("run")
def run_command() -> None:
    """Run the operator; settings come from MODELROLLOUT_* in the environment."""
    from modelrollout.cli.run import run  # noqa: PLC0415  # see the module's docstring

    sys.exit(run())


def _ask(where: Where, name: str, action: str, *, wait: bool, as_json: bool) -> None:
    from modelrollout.cli.answer import ask  # noqa: PLC0415  # see the module's docstring

    sys.exit(ask(where, name, action, wait=wait, as_json=as_json))
