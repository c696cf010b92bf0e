"""Torch's batch norm as an instance norm: the same numbers where it is used, and not used where they would differ."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from styleapp.norms import Code, build_norm
from styleapp.norms.deviations import InstanceDeviation
from styleapp.norms.fused import fused_instance_norm
from styleapp.norms.kernels import standardize

Draw = Callable[..., Tensor]


def _inputs(draw: Draw, samples: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    x = draw(samples, 5, 6, 7, scale=2.0, shift=3.0, dtype=torch.float32)
    return x, draw(samples, 5, 1, 1, dtype=torch.float32), draw(1, 5, 1, 1, dtype=torch.float32)


@pytest.mark.parametrize(
    ("samples", "layout"), [(1, torch.channels_last), (1, torch.contiguous_format), (3, torch.contiguous_format)]
)
def test_equals_the_kernel(samples: int, layout: torch.memory_format, draw: Draw) -> None:
    x, gamma, beta = _inputs(draw, samples)
    x = x.contiguous(memory_format=layout)
    for code in ((gamma, beta), (None, None)):
        with torch.no_grad():
            found = fused_instance_norm(x, 1e-5, *code)
        assert found is not None
        assert found.is_contiguous(memory_format=layout)
        torch.testing.assert_close(found, standardize(x, InstanceDeviation(), *code).y, rtol=1e-5, atol=1e-5)


def test_is_exact_where_the_mean_is_large() -> None:
    """10⁶ values of N(100, 1): the deviation of z is 1."""
    x = torch.randn(1, 1, 1000, 1000, generator=torch.Generator().manual_seed(0)) + 100
    with torch.no_grad():
        z = fused_instance_norm(x, 0.0)
    assert z is not None
    assert z.double().std().item() == pytest.approx(1.0, abs=1e-4)


def _of(draw: Draw, change: str) -> tuple[Tensor, Tensor, Tensor]:
    x, gamma, beta = _inputs(draw)
    if change == "a dead channel":
        x[:, 1] = 1234.567
    if change == "scales that vary":
        gamma, beta = gamma.expand_as(x), beta.expand_as(x)
    if change == "double precision":
        x, gamma, beta = x.double(), gamma.double(), beta.double()
    if change == "samples that alternate":
        x = x.expand(2, -1, -1, -1).contiguous(memory_format=torch.channels_last)
    return x, gamma, beta


@pytest.mark.parametrize(
    "change", ["a dead channel", "scales that vary", "double precision", "samples that alternate", "a gradient"]
)
def test_leaves_the_rest_to_the_kernel(change: str, draw: Draw) -> None:
    x, gamma, beta = _of(draw, change)
    norm = build_norm("instance", 5, modulator="none")
    with torch.set_grad_enabled(change == "a gradient"):
        assert fused_instance_norm(x, 1e-5, gamma, beta) is None
        assert torch.equal(norm(x, Code(gamma, beta)), standardize(x, InstanceDeviation(), gamma, beta).y)


def test_dead_channel_becomes_the_shift(draw: Draw) -> None:
    x, gamma, beta = _of(draw, "a dead channel")
    with torch.no_grad():
        y = build_norm("instance", 5, modulator="none")(x, Code(gamma * 500, beta))
    assert torch.equal(y[:, 1], beta[:, 1].expand_as(y[:, 1]))
