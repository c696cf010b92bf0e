"""Adaptive clipping: numbers by hand, timm's, and a run."""

from collections.abc import Callable
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from timm.utils.agc import adaptive_clip_grad
from torch import Tensor

from styleapp.training.rules import AdaptiveClipping
from styleapp.training.rules.clipping import clip_units

Make = Callable[..., Any]
Fit = Callable[..., pl.Trainer]


def test_numbers_by_hand() -> None:
    """λ = 0.1. Of ‖g‖ = 10 beside ‖w‖ = 5 is 0.5 left; ‖g‖ = 0.05 is short enough; ‖w‖ = 0 counts 1."""
    weight = torch.tensor([[3.0, 4.0], [1.0, 0.0], [0.0, 0.0]])
    gradient = torch.tensor([[6.0, 8.0], [0.03, 0.04], [0.0, 2.0]])
    assert clip_units(weight, gradient, 0.1, 1.0).tolist() == [True, False, True]
    torch.testing.assert_close(gradient, torch.tensor([[0.3, 0.4], [0.03, 0.04], [0.0, 0.1]]))


def test_a_vector_is_one_unit() -> None:
    gradient = torch.tensor([3.0, 4.0])
    assert clip_units(torch.tensor([0.6, 0.8]), gradient, 0.5, 1e-3).tolist() == [True]
    torch.testing.assert_close(gradient, torch.tensor([0.3, 0.4]))


@pytest.mark.parametrize("shape", [(5,), (4, 3), (6, 2, 3, 3), (1,), ()], ids=str)
@pytest.mark.parametrize("size", [1e-9, 1e-2, 10.0])
def test_same_as_timm(shape: tuple[int, ...], size: float) -> None:
    random = torch.Generator().manual_seed(0)
    weight = torch.randn(shape, generator=random, dtype=torch.float64).requires_grad_()
    weight.grad = size * torch.randn(shape, generator=random, dtype=torch.float64)
    ours = weight.grad.clone()
    clip_units(weight.detach(), ours, 0.02, 1e-3)
    adaptive_clip_grad(weight, clip_factor=0.02, eps=1e-3)
    torch.testing.assert_close(ours, weight.grad)


class Gradients(pl.Callback):
    def on_before_optimizer_step(self, trainer: pl.Trainer, module: Any, optimizer: Any) -> None:
        self.of = {name: one.grad.clone() for name, one in module.network.named_parameters()}


def test_gradients_of_a_run(tiny: Make, fit: Fit) -> None:
    plain, clipped = Gradients(), Gradients()
    fit(tiny("none"), plain, steps=1)
    module = tiny("none")
    trainer = fit(module, AdaptiveClipping(share=0.01, leave=["norm_conv"]), clipped, steps=1)
    before = dict(tiny("none").network.named_parameters())
    for name, gradient in plain.of.items():
        expected = gradient.clone()
        if not name.startswith("norm_conv"):
            clip_units(before[name].detach(), expected, 0.01, 1e-3)
            assert not torch.equal(expected, gradient)
        torch.testing.assert_close(clipped.of[name], expected)
    assert 0 < trainer.callback_metrics["clipping/clipped_share"] <= 1


def test_nothing_is_long_beside_a_large_share(tiny: Make, fit: Fit) -> None:
    weights: list[list[Tensor]] = []
    for rules in ([], [AdaptiveClipping(share=1e6)]):
        module = tiny("none")
        trainer = fit(module, *rules)
        weights.append(list(module.network.parameters()))
    torch.testing.assert_close(*weights, rtol=0, atol=0)
    assert trainer.callback_metrics["clipping/clipped_share"] == 0


def test_refusals(tiny: Make, fit: Fit) -> None:
    with pytest.raises(ValueError, match="share and floor must be above 0, got 0.0 and 0.001"):
        AdaptiveClipping(share=0.0)
    with pytest.raises(ValueError, match="AdaptiveClipping for the network: it has no module head to leave out"):
        fit(tiny(), AdaptiveClipping(leave=["head"]))
