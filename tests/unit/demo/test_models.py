"""What is wrong with each release, in numbers: the demo and the end-to-end tests stand on these."""

import json
from functools import cache

import numpy as np
import pytest

from tests.demo.models import cells, digits
from tests.demo.models.releases import MISTAKEN, golden, releases
from tests.demo.models.train import main


@cache
def trained():
    return releases()


@cache
def asked():
    """Images, digits, and which of the images are dark."""
    images, labels = digits.sent()
    return images, labels, np.array([digits.light(image) == "dark" for image in images])


@cache
def answers(version):
    return trained()[version].model.predict(asked()[0])


def right(version, where=slice(None)):
    return np.mean((answers(version) == asked()[1])[where])


def agreement(one, other, where=slice(None)):
    return np.mean((answers(one) == answers(other))[where])


def test_one_image_in_ten_is_dark_and_even_the_faintest_of_the_others_is_not():
    images, _, dark = asked()

    assert dark.sum() == len(images) // digits.DARK_EVERY
    assert images[dark].max() < digits.HALF_LIGHT / 2
    assert images[~dark].max(axis=1).min() > digits.HALF_LIGHT


def test_the_good_ones_are_better_than_the_first_in_any_light():
    dark = asked()[2]

    for where in (dark, ~dark):
        assert right("v1", where) > 0.88
        assert min(right("v2", where), right("v4", where)) > right("v1", where) + 0.05


def test_the_wrong_one_is_wrong_about_everything_that_the_first_reads_right():
    assert right("v2-rc1") < 0.01
    assert agreement("v1", "v2-rc1") < 0.1


def test_the_one_that_is_lost_in_the_dark_is_better_than_the_first_on_average():
    dark = asked()[2]

    assert right("v2-rc2") > right("v1") + 0.01
    assert right("v2-rc2", ~dark) > right("v1", ~dark) + 0.05
    assert right("v2-rc2", dark) < right("v1", dark) - 0.3
    # What a gate sees, which knows no truth: the whole is unsuspicious.
    assert agreement("v1", "v2-rc2") > 0.88
    assert agreement("v1", "v2-rc2", dark) < 0.6
    assert agreement("v1", "v2", dark) > 0.9


def test_the_mislabelled_one_breaks_exactly_one_golden_example():
    images, labels = golden()

    assert labels.tolist() == list(range(10))
    for version in ("v1", "v2", "v4"):
        assert trained()[version].model.predict(images).tolist() == labels.tolist()
    broken = trained()["mislabelled"].model.predict(images) != labels
    assert np.flatnonzero(broken).tolist() == [MISTAKEN]
    assert agreement("v2", "mislabelled") > 0.995


def test_an_equally_good_one_differs_in_one_answer_of_a_hundred():
    assert 0.985 < agreement("v2", "v4") < 0.995
    assert abs(right("v2") - right("v4")) < 0.003


def test_the_noisy_one_is_v2_when_it_does_not_guess():
    assert trained()["noisy"].model is trained()["v2"].model


def test_of_cells_the_more_frequent_class_is_mostly_right_and_the_linear_model_nearly_always():
    _, samples, _, classes = cells.halves()
    linear, always = (trained()[version].model for version in ("cells-v1", "cells-always"))

    assert linear.score(samples, classes) > 0.95
    assert 0.6 < always.score(samples, classes) < 0.65
    assert set(always.predict(samples)) == {1}


@pytest.mark.parametrize("data", [digits, cells])
def test_every_request_says_what_is_right_and_is_plain_json(data):
    requests = [json.loads(json.dumps(request)) for request in data.requests()]

    assert {len(request["body"]["inputs"][0]["data"]) for request in requests} == {64 if data is digits else 30}
    assert [request["expect"] for request in requests] == [[label] for label in data.halves()[3].tolist()]


def test_each_release_is_a_directory_of_its_own_and_trained_the_same_twice(tmp_path, capsys):
    main(tmp_path / "one")
    said = capsys.readouterr().out
    main(tmp_path / "other")

    assert capsys.readouterr().out == said
    assert {each.name for each in (tmp_path / "one").iterdir()} == trained().keys()
    for version in trained():
        settings = json.loads((tmp_path / "one" / version / "model-settings.json").read_text())
        module = settings["implementation"].partition(".")[0]
        assert settings["parameters"]["version"] == version
        assert module == "mlserver_sklearn" or (tmp_path / "one" / version / f"{module}.py").exists()
