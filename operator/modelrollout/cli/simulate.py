"""``modelrollout simulate``: a rollout of a file as the operator would run it, on a simulated cluster with a virtual clock.

The operator's own loop decides; here are only the question, the runs, and the answer.
"""

import asyncio
import json
import logging
import math
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal, TextIO

import click

from modelrollout.api.slices import parts_of
from modelrollout.api.validate import parse_object
from modelrollout.cli.documents import read_documents
from modelrollout.cli.options import say
from modelrollout.cli.outcome import Result, report, result, text
from modelrollout.cli.plot import plot
from modelrollout.cli.versions import callings, candidate_of, mix_of, stable_of, words_of
from modelrollout.cli.worlds import inputs_of, labels_of, late_of, shifts_of, world_words
from modelrollout.domain.capture import Part
from modelrollout.errors import RolloutError
from modelrollout.schema import parse_duration
from modelrollout.simulation.recording import Change, Recorded, read_recording
from modelrollout.simulation.trial import Outcome, Setting, run_trial
from modelrollout.simulation.weather import Weather


@dataclass(frozen=True)
class Question:
    """What is asked, as it was written on the command line."""

    rps: float
    stable: str
    candidate: str
    slices: str
    positives: str
    inputs: str
    world: str
    labels: str
    until: str
    traffic: str
    late: str | None
    replay: str | None
    seed: int
    runs: int
    jobs: int | None
    plot: str | None


def simulate(file: str, question: Question, *, as_json: bool) -> int:
    """Simulate the rollout of a new version; return 0 whatever is decided, or 1 when the file is not valid.

    Raises:
        RolloutError: the file holds no ModelDeployment, or several, or cannot be read.
        click.BadParameter: the question cannot be understood.
    """
    document = _document(file)
    _, problems = parse_object(document)
    for problem in problems:
        say(f"{file}: {problem}", err=True)
    if problems:
        return 1
    setting = _setting(document, question)
    if question.plot is not None:
        if question.runs > 1:
            raise click.BadParameter("a picture shows one run. Leave --runs out.", param_hint="--plot")
        _touch(question.plot)
    if question.runs == 1:
        outcome = _run(setting, question.seed)
        results = [result(outcome, events=True)]
        if question.plot is not None:
            _write(question.plot, plot(str(document["metadata"]["name"]), outcome, _bounds(document)))
    else:
        results = list(_runs(setting, question))
    versions = (words_of(setting.stable), _late(words_of(setting.candidate), question.late))
    notes = (*world_words(setting.inputs, setting.mix, setting.shifts), *_notes(document, setting))
    answer = report(str(document["metadata"]["name"]), _traffic(question), versions, results, notes)
    say(json.dumps(answer.dump(), indent=2, ensure_ascii=False) if as_json else text(answer))
    return 0


def _bounds(document: Mapping[str, Any]) -> tuple[float, float]:
    """Return the evidence that a rollback and a pass ask for."""
    spec, _ = parse_object(document)
    analysis = spec.analysis if spec is not None else None
    return (-math.log(analysis.alpha), -math.log(analysis.beta)) if analysis is not None else (0.0, 0.0)


def _notes(document: Mapping[str, Any], setting: Setting) -> Iterator[str]:
    """Yield what the simulation cannot know."""
    spec, _ = parse_object(document)
    assert spec is not None
    metrics = spec.analysis.metrics if spec.analysis is not None else ()
    recorded = {change.metric for change in setting.recording if isinstance(change, Change)}
    asked = [
        metric.name for metric in metrics if metric.source()[0].name == "prometheus" and metric.name not in recorded
    ]
    if asked:
        yield f"There is no Prometheus here: {', '.join(asked)} finds no series, as before the first scrape."
    if unknown := sorted(recorded - {metric.name for metric in metrics}):
        yield f"Recorded and not in this file: {', '.join(unknown)}. A metric is known by its name."
    if missing := [metric.name for metric in metrics if recorded and metric.name not in {*recorded, *asked}]:
        yield f"Not recorded: {', '.join(missing)}. Nobody sends requests here, so nothing is counted for it."
    if spec.analysis is not None and spec.analysis.golden is not None:
        yield "The golden examples are in the cluster and not in this file: the simulated models answer them rightly."
    reading = {source.name: name for name, source in [(metric.name, metric.source()[0]) for metric in metrics][::-1]}
    if "inputs" in reading and not setting.inputs:
        yield f"Requests have no features, so {reading['inputs']} sees their length alone. Say with --inputs what they hold."
    if "labels" in reading and not setting.mix.labelled:
        yield f"Nobody labels anything, so {reading['labels']} has no number. Say with --labels how many answers get a label."
    if _parts(document) and not setting.mix.parts:
        yield "No request is in any part of the traffic. Say with --slices how many are, such as --slices dark=10%."
    if not spec.router()[0].status_port:
        yield f"Nobody counts requests with traffic.{spec.router()[0].name}, so none are shown."


def _document(file: str) -> dict[str, Any]:
    documents = list(read_documents(file))
    if len(documents) != 1:
        found = f"{len(documents)} ModelDeployments" if documents else "no ModelDeployment"
        raise RolloutError(f"{file}: {found} in it" + (". Simulate one at a time." if documents else ""))
    return documents[0]


def _setting(document: Mapping[str, Any], question: Question) -> Setting:
    stable, parts = stable_of(question.stable), callings(_parts(document))
    inputs, late = inputs_of(question.inputs), late_of(question.late)
    return Setting(
        document=document,
        rate=question.rps,
        stable=stable,
        candidate=candidate_of(question.candidate, stable, parts),
        mix=labels_of(question.labels, mix_of(question.slices, question.positives, parts)),
        inputs=inputs,
        shifts=shifts_of(question.world, inputs),
        until=None if question.until == "decided" else _end(question.until),
        weather=Weather(question.traffic),
        late=late.at,
        over=late.over,
        recording=_recording(question.replay) if question.replay else (),
    )


def _parts(document: Mapping[str, Any]) -> tuple[Part, ...]:
    spec, _ = parse_object(document)
    return parts_of(spec.analysis.slices) if spec is not None and spec.analysis is not None else ()


def _end(words: str) -> timedelta:
    try:
        found = parse_duration(words)
    except ValueError as exc:
        raise click.BadParameter(f"{words!r} {exc}.", param_hint="--until") from exc
    if not found:
        raise click.BadParameter(
            f"in {words} nothing can happen. Write decided, or a span such as 2h.", param_hint="--until"
        )
    return found


def _recording(file: str) -> tuple[Recorded, ...]:
    try:
        return read_recording(Path(file).read_text(encoding="utf-8"))
    except (OSError, UnicodeError) as exc:
        raise RolloutError(f"{file} cannot be read: {exc}") from exc


def _traffic(question: Question) -> str:
    if question.replay:
        return f"Requests as recorded in {question.replay}"
    words = {
        "constant": "all the time",
        "daily": "on average, more by day than by night",
        "bursts": "with short peaks",
        "incidents": "with incidents that hit both versions",
    }
    return f"{question.rps:g} requests/s {words[question.traffic]}"


def _late(words: str, late: str | None) -> str:
    return f"behaves like stable for {late}, and then {words}" if late else words


def _run(setting: Setting, seed: int) -> Outcome:
    # What the operator logs is in the answer; nobody waits for it on standard error.
    logger = logging.getLogger("modelrollout")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        return asyncio.run(run_trial(setting, seed))
    finally:
        logger.setLevel(before)


def _result(setting: Setting, seed: int) -> Result:
    return result(_run(setting, seed), events=False)


def _runs(setting: Setting, question: Question) -> Iterator[Result]:
    seeds = range(question.seed, question.seed + question.runs)
    jobs = min(question.jobs or os.cpu_count() or 1, question.runs)
    one = partial(_result, setting)
    if jobs == 1:
        yield from map(one, seeds)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        yield from pool.map(one, seeds, chunksize=max(1, question.runs // (jobs * 8)))


def _touch(file: str) -> None:
    """Fail now where a picture cannot be written, and not after all that it would show; one that is there stays."""
    with _writing(file, "a"):
        pass


def _write(file: str, picture: str) -> None:
    with _writing(file, "w") as out:
        out.write(picture)


@contextmanager
def _writing(file: str, mode: Literal["a", "w"]) -> Iterator[TextIO]:
    try:
        with Path(file).open(mode, encoding="utf-8") as out:
            yield out
    except OSError as exc:
        raise RolloutError(f"{file} cannot be written: {exc}") from exc
