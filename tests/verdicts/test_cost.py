"""What the page says of costs is measured on gates that have gathered evidence."""

from tests.verdicts.cost import costs

FITS = 64 * 1024
"""Bytes of all evidence of a rollout."""


def test_each_kind_of_gate_is_measured_and_what_it_stores_fits_many_times():
    measured = {cost.kind: cost for cost in costs(runs=1)}
    assert len(measured) == 9
    assert all(cost.seconds > 0 for cost in measured.values())
    assert all(200 < cost.stored < FITS / 2 for cost in measured.values()), measured
