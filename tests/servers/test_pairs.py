"""Pairs of real answers become the right counters: MLServer's two versions, compared by the collector as beside a router."""

import numpy as np

from modelrollout.api.slices import Slice
from modelrollout.collector.collector import Collector, Message
from modelrollout.domain.capture import Capture, Extraction, Protocol
from modelrollout.names import mirror_cluster
from tests.demo.models import digits

STABLE, CANDIDATE = "v1", "v2-rc2"
ASKED = 300


def test_counters_are_what_the_models_say_and_the_dark_is_counted_by_itself(mlserver, models):
    light = Slice(name="light", header="x-light", values=("bright", "dark"))
    collector = Collector(
        Capture(
            stable=STABLE,
            candidate=CANDIDATE,
            protocol=Protocol.OPEN_INFERENCE,
            parts=light.parts(),
            extractions=(Extraction(),),
        )
    )
    images = digits.sent()[0][:ASKED]
    for number, image in enumerate(images):
        for arm, version in ((STABLE, STABLE), (mirror_cluster(CANDIDATE), CANDIDATE)):
            answer = mlserver.ask(f"/v2/models/digits/versions/{version}/infer", digits.body(image))
            message = Message(
                f"request-{number}", arm, answer.status, answer.body, headers={"x-light": digits.light(image)}
            )
            (collector.primary if arm == STABLE else collector.copy)(message, float(number))

    stable, candidate = (models[version].model.predict(images) for version in (STABLE, CANDIDATE))
    dark = np.array([digits.light(image) == "dark" for image in images])
    counted = {(part, series): number for _, part, series, number in collector.page()["counters"]}
    for part, where in (("", slice(None)), ("light=dark", dark), ("light=bright", ~dark)):
        same = int((stable == candidate)[where].sum())
        pairs = len(stable[where])
        assert counted[part, "pairs"] == pairs
        assert counted[part, "score/1"] == same
        assert counted[part, "score/0"] == pairs - same
        for one in range(10):
            for other in range(10):
                both = int(((stable == one) & (candidate == other))[where].sum())
                assert counted.get((part, f"class/{one}/{other}"), 0) == both
