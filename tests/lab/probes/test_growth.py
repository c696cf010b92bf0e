"""Activation growth: linear with normalized activations, exponential with normalized weights, as specified."""

import pytest

from styleapp.lab.probes.growth import CASES, GROWTH, measure_growth

SPECIFIED = {
    "none": (1.7, 14.9, 273, 1.4e5),
    "batch": (2.0, 6.0, 10.9, 20.9),
    "layer": (1.8, 4.0, 6.4, 10.9),
    "group": (1.7, 3.9, 6.4, 10.8),
    "weight_standardization": (2.0, 31.8, 1004, 9.9e5),
    "weight_norm": (1.7, 14.8, 266, 1.2e5),
}
"""Variance after 1, 5, 10 and 20 blocks."""


def _variances(case: str) -> dict[int, float]:
    return {row.block: row.variance for row in measure_growth(case, 0)}


@pytest.mark.parametrize("case", SPECIFIED)
def test_as_specified(case: str) -> None:
    """Errors multiply over the blocks: each block may be a tenth off for 5, and a twentieth for more."""
    found = _variances(case)
    for block, variance in zip((1, 5, 10, 20), SPECIFIED[case], strict=True):
        assert variance / 1.12 < found[block] < variance * 1.12 or abs(found[block] / variance - 1) < 0.035 * block


def test_batch_statistics_add_one_a_block() -> None:
    for block, variance in _variances("batch").items():
        assert variance == pytest.approx(block + 1, rel=0.03)


@pytest.mark.parametrize("case", ["batch", "layer", "group"])
def test_linear_with_normalized_activations(case: str) -> None:
    found = _variances(case)
    assert (found[20] - found[10]) / (found[10] - found[1]) < 1.4


@pytest.mark.parametrize("case", [name for name, case in CASES.items() if case.norm == "none"])
def test_exponential_with_normalized_weights(case: str) -> None:
    """Ten blocks later multiply by no less than ten blocks before; where growth is linear they add the same."""
    found = _variances(case)
    assert found[20] / found[10] > 0.9 * found[11] / found[1] > 2


def test_weights_are_the_same_where_the_norm_keeps_them() -> None:
    """Weight normalization starts from the weights that it gets, so it is the network without any."""
    assert _variances("weight_norm")[20] == pytest.approx(_variances("none")[20], rel=1e-3)


def test_rows_and_panels() -> None:
    rows = measure_growth("layer", 3)
    assert [(row.case, row.seed, row.block) for row in rows] == [("layer", 3, block) for block in range(1, 21)]
    assert measure_growth("layer", 3) == rows
    assert len(GROWTH.panels(rows)) == 2
    assert len(GROWTH.panels(measure_growth("none", 0))) == 1
