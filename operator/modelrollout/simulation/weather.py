"""What traffic looks like over hours: how the load changes, and what happens to both versions at once."""

import math
from collections.abc import Callable
from enum import StrEnum
from random import Random

from modelrollout.simulation.cluster import Cluster

DAY = 86_400.0
DAILY_STEP = 60.0
"""Seconds between two changes of the load in the course of a day."""
SWING = 0.8
"""The load of a day goes from a fifth of the mean to nine fifths of it."""
CALM = 300.0
"""Mean seconds between two bursts."""
BURST = (20.0, 60.0)
"""Shortest and longest burst."""
PEAK = 5.0
"""How many times the usual load a burst brings."""
PEACE = 1200.0
"""Mean seconds between two incidents."""
INCIDENT = (120.0, 360.0)
"""Shortest and longest incident."""
HARM = (0.02, 0.2)
"""Least and largest share of requests that an incident makes fail, whoever answers them."""


class Weather(StrEnum):
    """Kinds of traffic."""

    CONSTANT = "constant"
    """The same load all the time."""
    DAILY = "daily"
    """A sine over 24 hours; the time of day at which the rollout starts is left to chance."""
    BURSTS = "bursts"
    """Short peaks of load, at any time."""
    INCIDENTS = "incidents"
    """A constant load; now and then requests of both versions fail for some minutes."""


def begin(weather: Weather, cluster: Cluster, random: Random) -> None:
    """Have the traffic of a cluster change from now on."""
    match weather:
        case Weather.CONSTANT:
            pass
        case Weather.DAILY:
            _daily(cluster, cluster.rate, random.uniform(0, DAY))
        case Weather.BURSTS:
            usual = cluster.rate
            _by_turns(cluster, random, CALM, BURST, lambda now: cluster.load(usual * PEAK if now else usual))
        case Weather.INCIDENTS:
            _by_turns(cluster, random, PEACE, INCIDENT, lambda now: _harm(cluster, random.uniform(*HARM) if now else 0))


def _daily(cluster: Cluster, mean: float, hour: float) -> None:
    def change() -> None:
        angle = 2 * math.pi * (cluster.agenda.elapsed + hour) / DAY
        cluster.load(mean * (1 + SWING * math.sin(angle)))
        cluster.agenda.after(DAILY_STEP, change)

    change()


def _by_turns(
    cluster: Cluster, random: Random, pause: float, lasts: tuple[float, float], switch: Callable[[bool], None]
) -> None:
    """Switch something on for a while, after a pause whose end nobody can foresee, again and again."""

    def on() -> None:
        switch(True)
        cluster.agenda.after(random.uniform(*lasts), off)

    def off() -> None:
        switch(False)
        cluster.agenda.after(random.expovariate(1 / pause), on)

    cluster.agenda.after(random.expovariate(1 / pause), on)


def _harm(cluster: Cluster, share: float) -> None:
    chance = cluster.traffic.chance
    assert chance is not None
    cluster.traffic.settle()
    chance.shared = share
