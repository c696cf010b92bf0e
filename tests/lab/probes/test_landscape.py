"""The loss along the gradient: a quadratic and the specification's identity as oracles, and networks left alone."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from styleapp.lab.probes.gratings import GratingNetwork, gratings
from styleapp.lab.probes.landscape import LANDSCAPE, measure_landscape, probe_landscape
from styleapp.norms import NORMALIZERS, build_norm
from styleapp.norms.normalizers import BatchNormalizer

OPTIONS: dict[str, dict[str, Any]] = {"group": {"groups": 4}}


class Point(nn.Module):
    """A point in the plane, and the quadratic ½(x² + 10y²)."""

    def __init__(self) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.ones(2, dtype=torch.float64))

    def forward(self) -> Tensor:
        return (torch.tensor([1.0, 10.0], dtype=torch.float64) * self.place.square()).sum() / 2


class TestQuadratic:
    """The specification's: ½(x² + 10y²) from (1, 1)."""

    @pytest.mark.parametrize("step", [0.05, 0.1, 0.2, 0.4, 3.0])
    def test_effective_smoothness_is_the_same_at_every_step(self, step: float) -> None:
        point = Point()
        assert probe_landscape(point, point, [step]).smoothness == pytest.approx(9.950869, abs=1e-6)

    def test_losses(self) -> None:
        point = Point()
        found = probe_landscape(point, point, [0.05, 0.1, 0.2, 0.4])
        assert found.losses == pytest.approx([1.70125, 0.405, 5.32, 45.18])
        assert (found.loss, found.gradient) == pytest.approx((5.5, math.sqrt(101)))
        assert found.loss_range == pytest.approx(45.18 - 0.405)
        assert found.predictiveness == pytest.approx(0.4 * math.sqrt(1 + 1e4))

    def test_a_straight_slope_does_not_change(self) -> None:
        point = Point()
        found = probe_landscape(point, lambda: point.place.sum(), [0.1, 1.0])
        assert found.changes == (0, 0)
        assert found.smoothness == 0
        assert found.losses == pytest.approx([1.8, 0.0])

    @pytest.mark.parametrize("steps", [[], [0.1, 0.0], [-1.0], [math.inf], [math.nan]])
    def test_bad_steps(self, steps: list[float]) -> None:
        point = Point()
        with pytest.raises(ValueError, match="steps must be numbers above 0, at least one"):
            probe_landscape(point, point, steps)

    def test_bad_losses(self) -> None:
        point = Point()
        with pytest.raises(ValueError, match="the loss must be a scalar"):
            probe_landscape(point, lambda: point.place * 2, [0.1])
        with pytest.raises(ValueError, match="which require a gradient"):
            probe_landscape(point, lambda: torch.tensor(1.0), [0.1])
        with pytest.raises(ValueError, match="the gradient has length 0.0: there is no direction to go"):
            probe_landscape(point, lambda: (point.place * 0).sum(), [0.1])
        with pytest.raises(ValueError, match="the gradient has length inf"):
            probe_landscape(point, lambda: (point.place * 1e300).exp().sum(), [0.1])


def test_batch_normalization_shortens_the_gradient_by_the_identity() -> None:
    """‖∂L/∂y‖² = γ²/σ² · (‖∂L/∂z‖² − (Σ ∂L/∂z)²/m − ⟨∂L/∂z, ŷ⟩²/m), Santurkar et al., theorem 4.1, for one channel."""
    draws = torch.Generator().manual_seed(0)
    m, gamma = 500, 2.5
    y = (3 * torch.randn(m, 1, 1, 1, generator=draws, dtype=torch.float64) + 1).requires_grad_()
    slope = torch.randn(m, 1, 1, 1, generator=draws, dtype=torch.float64) * 10
    normalized = BatchNormalizer(1, eps=1e-15).double()(y)
    (gradient,) = torch.autograd.grad((slope * (gamma * normalized + 0.7)).sum(), y)
    along = (slope * normalized).sum() ** 2 / m
    variance = y.detach().var(unbiased=False)
    right = (gamma**2 / variance * (slope.square().sum() - slope.sum() ** 2 / m - along)).detach()
    assert float(gradient.square().sum()) == pytest.approx(float(right), rel=1e-12)
    assert float(right) < float(gamma**2 / variance * slope.square().sum())


class TestNetworksStay:
    @pytest.mark.parametrize("norm", NORMALIZERS)
    def test_bit_for_bit(self, norm: str) -> None:
        torch.manual_seed(0)
        network = GratingNetwork(lambda width: build_norm(norm, width, **OPTIONS.get(norm, {})))
        pictures, classes = gratings(4, torch.Generator().manual_seed(0))

        def loss() -> Tensor:
            return nn.functional.cross_entropy(network(pictures), classes)

        loss().backward()  # moves running statistics and leaves a gradient
        before = {name: value.clone() for name, value in network.state_dict().items()}
        gradients = [parameter.grad.clone() for parameter in network.parameters()]
        random = torch.get_rng_state()
        found = probe_landscape(network, loss, [0.05, 0.2])
        assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
        assert all(torch.equal(p.grad, g) for p, g in zip(network.parameters(), gradients, strict=True))
        assert torch.equal(torch.get_rng_state(), random)
        assert network.training
        assert found == probe_landscape(network, loss, [0.05, 0.2])

    def test_dropout_drops_the_same_everywhere(self) -> None:
        """Where the loss is linear in the weights it must not seem to bend."""
        network = nn.Sequential(nn.Linear(6, 50, bias=False), nn.Dropout(0.5))
        x = torch.randn(3, 6)
        found = probe_landscape(network, lambda: network(x).sum(), [0.1, 0.3])
        assert found.changes == pytest.approx([0, 0], abs=1e-6)

    def test_parameters_that_are_frozen_stay(self) -> None:
        network = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 1))
        network[0].requires_grad_(False)
        x = torch.randn(3, 4)
        found = probe_landscape(network, lambda: network(x).sum(), [0.5])
        assert found.changes == pytest.approx([0], abs=1e-6)


class TestTraining:
    @pytest.mark.parametrize("case", LANDSCAPE.cases)
    def test_rows(self, case: str) -> None:
        rows = measure_landscape(case, 1, steps=4, every=2)
        assert [(row.case, row.seed, row.step) for row in rows] == [(case, 1, 0), (case, 1, 2), (case, 1, 4)]
        assert measure_landscape(case, 1, steps=4, every=2) == rows
        for row in rows:
            assert row.loss_range == pytest.approx(row.highest - row.lowest)
            assert row.relative_change == pytest.approx(row.predictiveness / row.gradient)
            assert row.relative_change <= 0.4 * row.smoothness * (1 + 1e-6)  # the largest step is 0.4

    def test_trains_as_if_it_was_not_looked_at(self) -> None:
        often, seldom = measure_landscape("batch", 0, steps=4, every=1), measure_landscape("batch", 0, steps=4, every=4)
        assert often[-1] == seldom[-1]

    def test_panels(self) -> None:
        panels = LANDSCAPE.panels(measure_landscape("layer", 0, steps=2, every=1))
        assert len(panels) == 4
        assert all([one.name for one in panel.series] == ["layer"] for panel in panels)
