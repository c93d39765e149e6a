"""What real model servers answer is understood: their own predictions, found by the collector's own code."""

import numpy as np
import pytest

from modelrollout.collector.prediction import Reader
from modelrollout.domain.capture import Capture, Extraction, Kind, Protocol
from tests.demo.models import cells, digits

V2, V1 = Protocol.OPEN_INFERENCE, Protocol.KSERVE_V1


def understood(answer, protocol, **extraction):
    """Return what the collector makes of an answer."""
    reader = Reader(Capture(protocol=protocol, extractions=(Extraction(**extraction),)))
    (found,) = reader.read(answer.status, answer.body, answer.headers.get("content-encoding", ""), "")
    return found


def rows(answer, protocol, **extraction):
    found = understood(answer, protocol, **extraction)
    assert found.problem == ""
    return list(found.rows)


def expected(model, samples):
    return [str(label) for label in model.predict(samples)]


def infer(version, name=digits.NAME):
    return f"/v2/models/{name}/versions/{version}/infer"


def batch(images, **more):
    data = {"name": "pixels", "shape": list(images.shape), "datatype": "FP32", "data": images.ravel().tolist()}
    return {"inputs": [data], **more}


@pytest.mark.parametrize("version", ["v1", "v2", "v2-rc1", "v2-rc2", "v4", "mislabelled"])
def test_mlserver_says_of_single_images_what_the_model_says(mlserver, models, version):
    images = digits.sent()[0][:40]
    found = [rows(mlserver.ask(infer(version), digits.body(image)), V2) for image in images]

    assert found == [[label] for label in expected(models[version].model, images)]


def test_a_batch_of_mlserver_is_a_row_for_each_image_also_when_it_is_compressed(mlserver, models):
    images = digits.sent()[0]
    answer = mlserver.ask(infer("v2"), batch(images), accept_encoding="gzip")

    assert answer.headers["content-encoding"] == "gzip"
    assert rows(answer, V2) == expected(models["v2"].model, images)


def test_probabilities_of_mlserver_are_the_label_that_is_likeliest(mlserver, models):
    images = digits.sent()[0][:20]
    answer = mlserver.ask(infer("v1"), batch(images, outputs=[{"name": "predict_proba"}]))

    assert rows(answer, V2) == expected(models["v1"].model, images)


def test_probabilities_of_mlserver_are_numbers_if_asked_for_as_such(mlserver, models):
    images = digits.sent()[0][:5]
    answer = mlserver.ask(infer("v1"), batch(images, outputs=[{"name": "predict_proba"}]))

    found = rows(answer, V2, kind=Kind.NUMBER)
    assert found == pytest.approx(models["v1"].model.predict_proba(images).ravel().tolist())


def test_another_path_finds_the_version_that_answered(mlserver):
    answer = mlserver.ask(infer("v4"), digits.body(digits.sent()[0][0]))

    assert rows(answer, V2, path="model_version", kind=Kind.TEXT, exact=True) == rows(
        answer, Protocol.HTTP, path="model_version", kind=Kind.TEXT, exact=True
    )


def test_the_noisy_model_answers_one_request_in_several_ways(mlserver):
    image = digits.sent()[0][0]
    found = {tuple(rows(mlserver.ask(infer("noisy"), digits.body(image)), V2)) for _ in range(300)}

    # 300 answers without a guess that shows would be a chance of three in ten thousand.
    assert len(found) > 1


def test_the_broken_serving_code_of_mlserver_is_an_error_without_a_prediction(mlserver):
    body = digits.body(digits.sent()[0][0])
    answers = [mlserver.ask(infer("v3"), body) for _ in range(60)]
    failed = [answer for answer in answers if answer.status != 200]

    assert failed
    assert {understood(answer, V2).problem for answer in failed} == {"error"}


def test_what_mlserver_cannot_read_is_no_prediction(mlserver):
    answer = mlserver.ask(infer("v2"), b'{"inputs": [')

    assert answer.status >= 400
    assert understood(answer, V2).problem == "error"


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_kserve_says_of_images_what_the_model_says(kserve, models, version):
    images = digits.sent()[0][:200]
    answer = kserve.ask(f"/v1/models/{version}:predict", {"instances": images.tolist()})

    assert answer.status == 200
    assert rows(answer, V1) == expected(models[version].model, images)


def test_kserve_says_of_cells_what_the_models_say(kserve, models):
    _, samples, _, classes = cells.halves()
    answers = {
        version: rows(kserve.ask(f"/v1/models/{version}:predict", {"instances": samples.tolist()}), V1)
        for version in ("cells-v1", "cells-always")
    }

    assert answers == {version: expected(models[version].model, samples) for version in answers}
    assert np.mean([found == str(true) for found, true in zip(answers["cells-v1"], classes, strict=True)]) > 0.95


def test_mlserver_says_of_cells_what_kserve_says(mlserver, kserve):
    samples = cells.halves()[1][:30]
    over_v1 = rows(kserve.ask("/v1/models/cells-v1:predict", {"instances": samples.tolist()}), V1)
    over_v2 = [rows(mlserver.ask(infer("cells-v1", cells.NAME), cells.body(sample)), V2)[0] for sample in samples]

    assert over_v1 == over_v2
    assert set(over_v1) == {"0", "1"}


@pytest.mark.parametrize("body", [b'{"instances": [', b'{"rows": []}', b'{"instances": [[1, 2]]}'])
def test_what_kserve_cannot_read_is_no_prediction(kserve, body):
    answer = kserve.ask("/v1/models/v2:predict", body)

    assert answer.status >= 400
    assert understood(answer, V1).problem == "error"
