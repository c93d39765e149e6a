"""Noise: pods that differ more than chance lets them, counted minute by minute."""

import random

from hypothesis import given
from hypothesis import strategies as st

from modelrollout.domain.tally import Measure, Rate
from modelrollout.engine.noise import Noise, listen, recall


def minutes(seed: int, *, clumped: bool, number: int = 40) -> Noise:
    draw, noise = random.Random(seed), Noise()
    for _ in range(number):
        pods = {}
        for pod in ("a", "b", "c"):
            rate = 0.02 * draw.choice((0, 0, 0, 4)) if clumped else 0.02
            pods[pod] = Rate(float(sum(draw.random() < rate for _ in range(400))), 400.0)
        stable = Measure(Rate(sum(each.bad for each in pods.values()), 1200.0), pods)
        bad = float(sum(draw.random() < 0.02 for _ in range(100)))
        for _ in range(6):
            sixth = Measure(
                Rate(stable.tally.bad / 6, 200.0),
                {pod: Rate(rate.bad / 6, rate.total / 6) for pod, rate in pods.items()},
            )
            noise = listen(noise, Measure(Rate(bad / 6, 100 / 6)), sixth, 10.0)
    return noise


def test_pods_that_differ_by_chance_are_calm() -> None:
    assert all(minutes(seed, clumped=False).pods.factor < 1.5 for seed in range(5))


def test_pods_that_misbehave_alone_are_loud() -> None:
    assert all(minutes(seed, clumped=True).phi > 3 for seed in range(5))


def test_only_minutes_that_are_over_temper_anything_and_few_of_them_nothing() -> None:
    stable = Measure(Rate(50.0, 100.0), {"a": Rate(50.0, 50.0), "b": Rate(0.0, 50.0)})
    noise = listen(listen(Noise(), None, stable, 59.0), None, None, 1.0)
    running = listen(noise, None, stable, 59.0)
    assert running.phi == 1.0
    assert listen(running, None, None, 1.0).phi > 10


def test_what_pods_have_counted_since_they_started_is_known_at_once() -> None:
    unlucky = {pod: Rate(bad, 10_000.0) for pod, bad in (("a", 20.0), ("b", 25.0), ("c", 22.0), ("d", 300.0))}
    assert recall(Noise(), Measure(Rate(367.0, 40_000.0), unlucky)).phi > 10
    even = {pod: Rate(bad, 10_000.0) for pod, bad in (("a", 50.0), ("b", 55.0), ("c", 48.0), ("d", 52.0))}
    assert recall(Noise(), Measure(Rate(205.0, 40_000.0), even)).phi == 1.0
    assert recall(Noise(), None) == Noise()


def test_misfortune_that_lasts_is_not_forgotten_over_calm_minutes() -> None:
    unlucky = {pod: Rate(bad, 10_000.0) for pod, bad in (("a", 20.0), ("b", 25.0), ("c", 22.0), ("d", 300.0))}
    noise = before = recall(Noise(), Measure(Rate(367.0, 40_000.0), unlucky))
    for _ in range(60):
        noise = listen(noise, None, Measure(Rate(4.0, 400.0), dict.fromkeys("abcd", Rate(1.0, 100.0))), 60.0)
    assert noise.phi == before.phi


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)), max_size=30))
def test_it_survives_a_restart(counts: list[tuple[int, int, int]]) -> None:
    noise = Noise()
    for candidate, one, two in counts:
        stable = Measure(Rate(float(one + two), 20.0), {"a": Rate(float(one), 10.0), "b": Rate(float(two), 10.0)})
        noise = listen(noise, Measure(Rate(float(candidate), 10.0)), stable, 60.0)
    assert abs(Noise.load(noise.dump()).phi - noise.phi) < 1e-4
