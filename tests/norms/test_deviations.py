"""Statistics that the kernels divide by: constants, and the same by another way."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import batch_norm

from styleapp.norms import Code, build_norm
from styleapp.norms.deviations import (
    AbsoluteDeviation,
    FixedStatistics,
    LargestDeviation,
    PooledStatistics,
    batch_moments,
    batch_square,
    plane_moments,
    rescale,
)
from styleapp.norms.kernels import Measured, standardize
from styleapp.norms.statistics import paper_constant, topk_moments

Draw = Callable[..., Tensor]
BATCH, PLANE = (0, 2, 3), (2, 3)


def _biased(x: Tensor, dim: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    return x.mean(dim, keepdim=True), x.var(dim, correction=0, keepdim=True)


@pytest.mark.usefixtures("piece")
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_moments(dtype: torch.dtype, draw: Draw) -> None:
    x = draw(3, 4, 5, 6, scale=2.0, shift=7.0, dtype=dtype).requires_grad_()
    exact = x.detach().to(torch.float64)
    wide = torch.promote_types(dtype, torch.float32)
    found = (batch_moments(x), plane_moments(x), (batch_square(x),))
    wanted = (_biased(exact, BATCH), _biased(exact, PLANE), (exact.square().mean(BATCH, keepdim=True),))
    for ours, others in zip(found, wanted, strict=True):
        for value, other in zip(ours, others, strict=True):
            assert not value.requires_grad
            torch.testing.assert_close(value, other.to(wide))


def test_rescale_numbers_by_hand() -> None:
    x = torch.tensor([1.0, 2.0, 3.0, 4.0]).view(1, 1, 2, 2)
    two, three, ten = (torch.full((1, 1, 1, 1), value) for value in (2.0, 3.0, 10.0))
    assert rescale(x, two, three).flatten().tolist() == pytest.approx([-1 / 3, 0, 1 / 3, 2 / 3])
    assert rescale(x, None, two, three, ten).flatten().tolist() == [11.5, 13.0, 14.5, 16.0]


# The same by another way


sizes = st.tuples(*(st.integers(1, limit) for limit in (4, 5, 9, 9))).filter(lambda s: s[2] * s[3] > 1)
seeds = st.integers(0, 2**31)


def _drawn(size: tuple[int, ...], seed: int) -> Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 3 + 1


@given(size=sizes, seed=seeds)
@settings(max_examples=30, deadline=None)
def test_instances_are_the_batch_of_all_planes_and_groups_of_one(size: tuple[int, ...], seed: int) -> None:
    n, c, h, w = size
    x, gamma, beta = _drawn(size, seed), _drawn((n, c, 1, 1), seed + 1), _drawn((n, c, 1, 1), seed + 2)
    y = build_norm("instance", c, modulator="none")(x, Code(gamma, beta))
    view = batch_norm(x.view(1, n * c, h, w), None, None, gamma.flatten(), beta.flatten(), True, 0.0, 1e-5)
    torch.testing.assert_close(y, view.view(size), rtol=1e-9, atol=1e-9)
    group = build_norm("group", c, modulator="none", groups=c)(x, Code(gamma, beta))
    torch.testing.assert_close(y, group, rtol=1e-9, atol=1e-9)


@given(size=sizes, seed=seeds, k=st.integers(1, 400), levels=st.sampled_from([2, 5, 10**6]))
@settings(max_examples=60, deadline=None)
def test_the_largest_are_found(size: tuple[int, ...], seed: int, k: int, levels: int) -> None:
    """In any shape and also among equal values: of these any may be taken."""
    x = (_drawn(size, seed).sigmoid() * levels).round()
    divisor = standardize(x, LargestDeviation(k, eps=0.0)).divisor
    torch.testing.assert_close(divisor, topk_moments(x, k, dim=BATCH).deviation)


@given(size=sizes, seed=seeds)
@settings(max_examples=30, deadline=None)
def test_all_of_the_largest_are_the_absolute_deviation(size: tuple[int, ...], seed: int) -> None:
    x, count = _drawn(size, seed), size[0] * size[2] * size[3]
    largest = standardize(x, LargestDeviation(count, eps=0.0)).divisor / paper_constant(count)
    absolute = standardize(x, AbsoluteDeviation(eps=0.0)).divisor / (torch.pi / 2) ** 0.5
    torch.testing.assert_close(largest, absolute)


def test_pooled_statistics_are_those_of_the_batches_together(draw: Draw) -> None:
    """The other batch is a constant: the gradient is what the whole batch passes on to its newest part."""
    old, x, upstream = draw(2, 3, 4, 5, scale=2.0, shift=4.0), draw(2, 3, 4, 5).requires_grad_(), draw(2, 3, 4, 5)
    together = torch.cat([old, x])
    mean, variance = batch_moments(together)
    y = standardize(x, PooledStatistics(mean, (variance + 1e-5).sqrt(), 0.5)).y
    expected = batch_norm(together, None, None, None, None, True, 0.0, 1e-5)[2:]
    torch.testing.assert_close(y, expected)
    torch.testing.assert_close(torch.autograd.grad(y, x, upstream), torch.autograd.grad(expected, x, upstream))


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_pooled_statistics_of_one_source(share: float, draw: Draw) -> None:
    """The batch alone is batch normalization; the others alone are constants."""
    x, upstream = draw(2, 3, 4, 5).requires_grad_(), draw(2, 3, 4, 5)
    mean, variance = batch_moments(x) if share else (draw(1, 3, 1, 1), draw(1, 3, 1, 1).square() + 1)
    y = standardize(x, PooledStatistics(mean, (variance + 1e-5).sqrt(), share)).y
    running = (None, None) if share else (mean.flatten(), variance.flatten())
    expected = batch_norm(x, *running, None, None, bool(share), 0.0, 1e-5)
    torch.testing.assert_close(y, expected)
    torch.testing.assert_close(torch.autograd.grad(y, x, upstream), torch.autograd.grad(expected, x, upstream))


def test_measured_statistics_are_what_was_given(draw: Draw) -> None:
    x, mean, divisor = draw(2, 3, 4, 5), draw(1, 3, 1, 1), draw(1, 3, 1, 1).square()
    result: Any = standardize(x, FixedStatistics(mean, divisor))
    assert Measured(result.mean, result.divisor) == Measured(mean, divisor)
