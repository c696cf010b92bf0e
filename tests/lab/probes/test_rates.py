"""Effective rates: what a scale-invariant loss does to kernels, by hand and in the probe's training."""

import math

import pytest
import torch
from torch import Tensor, nn

from styleapp.lab.probes.rates import RATE, RATES, effective_rates, kernel_lengths, measure_rates, turns
from styleapp.norms import build_norm


def _loss(weight: Tensor, x: Tensor) -> Tensor:
    """Does not depend on the length of a filter: a batch normalization with next to no ε comes behind it."""
    norm = build_norm("batch", weight.shape[0], modulator="none", eps=1e-12).double()
    return norm(nn.functional.conv2d(x, weight)).sigmoid().square().sum()


@pytest.fixture
def weight_and_input() -> tuple[Tensor, Tensor]:
    draws = torch.Generator().manual_seed(0)
    shapes = ((4, 3, 3, 3), (5, 3, 8, 8))
    weight, x = (torch.randn(shape, generator=draws, dtype=torch.float64) for shape in shapes)
    return weight, x


class TestInvariance:
    def test_a_step_of_plain_descent_only_lengthens(self, weight_and_input: tuple[Tensor, Tensor]) -> None:
        """The gradient is orthogonal to each kernel, so ‖w − η·g‖² = ‖w‖² + η²·‖g‖²."""
        weight, x = weight_and_input
        weight.requires_grad_()
        (gradient,) = torch.autograd.grad(_loss(weight, x), weight)
        after = kernel_lengths(weight.detach() - 0.3 * gradient).square()
        assert torch.allclose(
            after, kernel_lengths(weight.detach()).square() + 0.09 * kernel_lengths(gradient).square()
        )
        assert (after > kernel_lengths(weight.detach()).square()).all()

    @pytest.mark.parametrize("longer", [0.5, 3.0])
    def test_kernels_of_any_length_turn_alike_at_the_same_effective_rate(
        self, longer: float, weight_and_input: tuple[Tensor, Tensor]
    ) -> None:
        weight, x = weight_and_input
        results = []
        for scale in (1.0, longer):
            kernel = (scale * weight).requires_grad_()
            rate = 0.05 * scale**2
            assert torch.allclose(effective_rates(kernel.detach(), rate), effective_rates(weight, 0.05))
            (gradient,) = torch.autograd.grad(_loss(kernel, x), kernel)
            results.append(turns([kernel.detach()], [kernel.detach() - rate * gradient])[0])
        assert torch.allclose(*results, rtol=1e-6)


class TestMeasures:
    def test_lengths_by_hand(self) -> None:
        weight = torch.tensor([[3.0, 4.0], [0.0, 2.0]]).view(2, 2, 1, 1)
        assert kernel_lengths(weight).tolist() == [5.0, 2.0]
        assert effective_rates(weight, 0.1).tolist() == pytest.approx([0.004, 0.025])

    def test_turns_by_hand(self) -> None:
        before = torch.tensor([[1.0, 0.0], [1.0, 0.0], [2.0, 0.0]])
        after = torch.tensor([[0.0, 3.0], [1.0, 1.0], [5.0, 0.0]])
        assert turns([before], [after])[0].tolist() == pytest.approx([90, 45, 0], abs=1e-5)


class TestTraining:
    @pytest.mark.parametrize("case", RATES.cases)
    def test_rows(self, case: str) -> None:
        rows = measure_rates(case, 1, steps=4, every=2)
        assert [(row.case, row.seed, row.step) for row in rows] == [(case, 1, 0), (case, 1, 2), (case, 1, 4)]
        assert measure_rates(case, 1, steps=4, every=2) == rows
        assert all(math.isfinite(row.loss) and row.turn > 0 for row in rows)

    def test_cases_begin_alike(self) -> None:
        first = [measure_rates(case, 0, steps=0, every=1)[0] for case in RATES.cases]
        assert len({row.loss for row in first}) == 1
        assert len({row.length for row in first}) == 1

    def test_without_decay_kernels_grow_and_slow_down_with_it_they_do_not(self) -> None:
        free, decayed = (measure_rates(case, 0, steps=30, every=1) for case in ("no decay", "weight decay"))
        lengths = [row.length for row in free]
        assert lengths == sorted(lengths)
        assert free[-1].effective_rate < free[0].effective_rate
        assert decayed[-1].length < free[-1].length

    def test_corrected_rates_are_those_of_the_run_with_decay(self) -> None:
        decayed, corrected = (measure_rates(case, 0, steps=20, every=5) for case in ("weight decay", "corrected rates"))
        for one, other in zip(decayed, corrected, strict=True):
            assert other.effective_rate == pytest.approx(one.effective_rate, rel=1e-4)
            assert other.loss == pytest.approx(one.loss, rel=0.05)
        assert corrected[-1].length > decayed[-1].length

    def test_the_rate_of_the_first_step(self) -> None:
        row = measure_rates("no decay", 0, steps=0, every=1)[0]
        assert row.effective_rate >= RATE / row.length**2  # the mean of 1/‖w‖² is at least that of the mean length

    def test_panels(self) -> None:
        assert len(RATES.panels(measure_rates("no decay", 0, steps=2, every=1))) == 4
