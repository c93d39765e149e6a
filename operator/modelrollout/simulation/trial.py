"""A trial: one rollout of a file on a simulated cluster with chance traffic, until the operator has decided.

Every decision is the operator's own. Here is only what people do: they apply the file, then a new version of it, and approve
what waits for a person.
"""

import contextlib
import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Any

from modelrollout.api.validate import parse_object, parse_spec
from modelrollout.api.watched import reference_of, watched
from modelrollout.domain.observation import Limits
from modelrollout.engine.reference import counts_features, parse
from modelrollout.errors import RolloutError
from modelrollout.names import reference
from modelrollout.resources.reference import REFERENCE
from modelrollout.simulation.arrivals import Chance, RandomArrivals
from modelrollout.simulation.behaviour import Behaviour
from modelrollout.simulation.clerk import Clerk, Decision, Forecast, Moment, Told, Verdict
from modelrollout.simulation.cluster import Cluster, NeverError
from modelrollout.simulation.kinds import Mix
from modelrollout.simulation.person import NAMESPACE
from modelrollout.simulation.playback import Playback
from modelrollout.simulation.probes import provide
from modelrollout.simulation.recorder import Recorder
from modelrollout.simulation.recording import Change, Recorded, Replay
from modelrollout.simulation.shifts import Course, Shift, Spread, laws
from modelrollout.simulation.shifts import begin as begin_shifts
from modelrollout.simulation.tape import Tape
from modelrollout.simulation.weather import Weather, begin
from modelrollout.sources.router import Signal

LONGEST = timedelta(days=7)
"""A trial that waits for a decision waits no longer."""
INSTALLS = 600.0
"""Seconds within which the first version must be installed."""
ALONE = 30.0
"""Seconds that the first version serves alone."""
LEARNS = 86_400.0
"""Seconds that a reference may take to be learnt; after these there is none."""
HOME = 3600.0
"""Seconds within which traffic must be home after a rollback."""
UNTIMED = (Signal.ERROR_RATE, Signal.REQUESTS, Signal.DROPPED)
"""What the router can say of requests without a clock."""
AFTER = timedelta(seconds=5)
"""Time that a poll and the pass that follows it take at most."""


@dataclass(frozen=True)
class Setting:
    """What a trial is about.

    Attributes:
        document: a valid ModelDeployment.
        rate: requests per second that clients send, on average.
        stable: how the first version behaves.
        candidate: how the second one behaves.
        until: how long it may take; None: until it is decided. What goes on watching after a promotion does so until then.
        weather: how the traffic changes.
        late: seconds from the candidate's first request until it begins to behave as ``candidate`` says.
        over: so long it takes until it does so wholly; 0: it is sudden.
        mix: what clients ask.
        inputs: how the values of features are spread.
        shifts: what of it becomes another thing, counted from when the new version is applied.
        recording: what is counted instead of drawn, sorted by time; empty: nothing.
        record: told each change of what the metrics read.
    """

    document: Mapping[str, Any]
    rate: float = 10.0
    stable: Behaviour = field(default_factory=Behaviour)
    candidate: Behaviour = field(default_factory=Behaviour)
    until: timedelta | None = None
    weather: Weather = Weather.CONSTANT
    late: float = 0.0
    over: float = 0.0
    mix: Mix = field(default_factory=Mix)
    inputs: tuple[tuple[str, Spread], ...] = ()
    shifts: tuple[Shift, ...] = ()
    recording: tuple[Recorded, ...] = ()
    record: Callable[[Change], None] | None = None


@dataclass(frozen=True)
class Outcome:
    """How a trial ended.

    Attributes:
        seed: of its chance.
        verdict: what was decided, and when.
        first_request: when the candidate got its first request; None: it got none.
        tape: requests and bad ones of both versions over time.
        lost: requests that reached no pod.
        forecasts: what each metric said it would need.
        moments: weight and evidence over time.
        events: what the operator told.
    """

    seed: int
    verdict: Verdict
    first_request: float | None
    tape: Tape
    lost: float
    forecasts: tuple[Forecast, ...]
    moments: tuple[Moment, ...]
    events: tuple[Told, ...]


SHOWN = timedelta(minutes=5)
"""How often numbers that decide nothing are written to the status: nobody watches."""


async def run_trial(setting: Setting, seed: int, prepare: Callable[[Cluster], None] = lambda _cluster: None) -> Outcome:
    """Run one trial; the same setting and seed give the same outcome.

    Args:
        setting: what it is about.
        seed: of its chance.
        prepare: told the cluster before anything is in it, so that others may answer in it or look on.

    Raises:
        RolloutError: the first version cannot be installed.
    """
    random = Random(seed)  # noqa: S311  # a trial must be repeatable
    replay = Replay(setting.recording) if setting.recording else None
    chance = Chance(random, replay or RandomArrivals(random), timed=_timed(setting))
    name = str(setting.document["metadata"]["name"])
    cluster = Cluster(name, rate=setting.rate, limits=Limits(gate_interval=SHOWN), chance=chance)
    prepare(cluster)
    first = setting.document["spec"]
    provide(cluster.store, first, NAMESPACE)
    second = another_version(first)
    stable, candidate = cluster.person.call(first, "stable"), cluster.person.call(second, "candidate")
    cluster.traffic.mix = replace(setting.mix, inputs=laws(setting.inputs, candidate))
    cluster.behaviours.set(_image(first), setting.stable)
    cluster.behaviours.set(_image(second), setting.stable if setting.late or setting.over else setting.candidate)
    await _install(cluster, first)
    clerk = Clerk(cluster, candidate)
    chance.tell = clerk.count
    if replay is not None:
        cluster.sampled = Playback(setting.recording, clerk.count).put
    elif setting.record is not None:
        cluster.sampled = Recorder(setting.record).note
    clerk.on_first_request = lambda: _comes(cluster, setting, _image(second), replay)
    if replay is not None:
        replay.stable = stable
    begin(setting.weather, cluster, random)
    begin_shifts(setting.shifts, cluster)
    applied = cluster.agenda.now
    cluster.person.apply(second)
    verdict = await _decide(cluster, clerk, setting, replay)
    cluster.traffic.settle()
    if verdict.decision is Decision.PROMOTED:
        await _watch(cluster, setting, applied)
    return Outcome(
        seed=seed,
        verdict=verdict,
        first_request=clerk.first_request,
        tape=clerk.tape,
        lost=sum(cluster.traffic.lost.values()),
        forecasts=clerk.forecasts,
        moments=tuple(clerk.moments),
        events=clerk.events,
    )


def _timed(setting: Setting) -> bool:
    """Return whether any metric looks at how long answers take."""
    spec, _ = parse_object(setting.document)
    metrics = spec.analysis.metrics if spec is not None and spec.analysis is not None else ()
    sources = [metric.source() for metric in metrics]
    return any(
        source.name != "predictions" and getattr(config, "signal", None) not in UNTIMED for source, config in sources
    )


def another_version(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return a spec that names another image and is the same in everything else."""
    changed = copy.deepcopy(dict(spec))
    container = changed["template"]["spec"]["containers"][0]
    container["image"] = f"{container['image']}-candidate"
    return changed


def _image(spec: Mapping[str, Any]) -> str:
    return str(spec["template"]["spec"]["containers"][0]["image"])


async def _install(cluster: Cluster, spec: Mapping[str, Any]) -> None:
    cluster.person.apply(spec)
    try:
        await cluster.until(lambda: _phase(cluster) == "Ready", within=INSTALLS)
    except NeverError as exc:
        words = cluster.person.status.message
        raise RolloutError(f"Simulating {cluster.person.name}: its first version is not installed. {words}") from exc
    await cluster.run(ALONE)
    with contextlib.suppress(NeverError):
        await cluster.until(lambda: _has_learnt(cluster, spec), within=LEARNS)


def _has_learnt(cluster: Cluster, spec: Mapping[str, Any]) -> bool:
    """Return whether what is to be learnt has been: a version has usually served for long when the next one comes."""
    parsed, _ = parse_spec(spec, {"name": cluster.person.name, "namespace": NAMESPACE})
    assert parsed is not None
    asked = reference_of(parsed)
    if asked is None or asked.learn is None:
        return True
    stored = cluster.store.get("ConfigMap", NAMESPACE, reference(cluster.person.name))
    counting = {one.name for one in watched(parsed) if counts_features(one.source, one.source_config)}
    return stored is not None and counting <= {*parse(stored["data"][REFERENCE])}


def _phase(cluster: Cluster) -> str:
    return str(((cluster.person.object or {}).get("status") or {}).get("phase", ""))


def _comes(cluster: Cluster, setting: Setting, image: str, replay: Replay | None) -> None:
    """The candidate gets its first request."""
    if replay is not None:
        # What came before was not recorded.
        cluster.traffic.settle()
        replay.begin = cluster.agenda.now
    if setting.late or setting.over:
        for at, part in Course(setting.late, setting.over).stairs:
            cluster.agenda.after(at, partial(_turn, cluster, image, setting.candidate, part))


def _turn(cluster: Cluster, image: str, behaviour: Behaviour, part: float) -> None:
    cluster.behave(image, cluster.behaviours.of(image).towards(behaviour, part))


async def _watch(cluster: Cluster, setting: Setting, applied: datetime) -> None:
    """Let the watch after a promotion go on for as long as was asked; what clients get then is no part of the rollout."""
    spec, _ = parse_object(setting.document)
    assert spec is not None
    if setting.until is not None and watched(spec):
        assert cluster.traffic.chance is not None
        cluster.traffic.chance.tell = lambda _cluster, _requests, _bad: None
        await cluster.run(max(applied + setting.until - cluster.agenda.now, timedelta()) / timedelta(seconds=1))


async def _decide(cluster: Cluster, clerk: Clerk, setting: Setting, replay: Replay | None) -> Verdict:
    """Let time pass until it is decided, or until there is no more time for it."""
    end = cluster.agenda.now + (LONGEST if setting.until is None else setting.until)
    while clerk.verdict is None:
        if replay is not None and replay.ends is not None:
            end = min(end, replay.ends + _interval(setting))
        if cluster.agenda.next is None or cluster.agenda.next > end:
            await cluster.run((end - cluster.agenda.now) / timedelta(seconds=1))
            return Verdict(Decision.UNDECIDED, clerk.now, clerk.stage, message=clerk.message)
        await cluster.agenda.step()
    # A rollback costs requests until it is done.
    with contextlib.suppress(NeverError):
        await cluster.until(lambda: _phase(cluster) != "Aborting", within=HOME)
    return clerk.verdict


def _interval(setting: Setting) -> timedelta:
    """Return the time until the operator has surely read the last counters."""
    spec, _ = parse_object(setting.document)
    assert spec is not None
    return AFTER + (spec.analysis.interval if spec.analysis else timedelta())
