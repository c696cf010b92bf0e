"""MimicNorm: centred kernels after every step, and a critic whose logits are normalized."""

from collections.abc import Callable
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EMAWeightAveraging
from torch import nn

from styleapp.losses import discriminator_loss
from styleapp.models.discriminator import MultiScaleDiscriminator
from styleapp.norms import WEIGHT_NORMS
from styleapp.norms.weights import apply_weight_norm
from styleapp.training.rules import MimicNorm
from styleapp.training.rules.mimic import centre, kernels, with_last_norm

Make = Callable[..., Any]
Fit = Callable[..., pl.Trainer]


class Means(pl.Callback):
    """The largest mean of a kernel of the network before and after each batch."""

    def __init__(self) -> None:
        self.before: list[float] = []
        self.after: list[float] = []

    def on_train_batch_start(self, trainer: pl.Trainer, module: Any, *_: Any) -> None:
        self.before.append(_largest_mean(module.network))

    def on_train_batch_end(self, trainer: pl.Trainer, module: Any, *_: Any) -> None:
        self.after.append(_largest_mean(module.network))


def _largest_mean(network: nn.Module) -> float:
    return max(float(kernel.detach().flatten(1).mean(1).abs().max()) for kernel in kernels(network))


# Kernels


def test_kernels_are_centred_before_training_and_after_each_step(tiny: Make, fit: Fit) -> None:
    """Below 1e-7, where a plain run has means of a hundredth."""
    plain, ours = Means(), Means()
    fit(tiny(double=False), plain, steps=3, precision="32-true")
    trainer = fit(tiny(double=False), MimicNorm(), ours, steps=3, precision="32-true")
    assert max(ours.before + ours.after) < 1e-7
    assert min(plain.before + plain.after) > 1e-3
    assert 1e-7 < trainer.callback_metrics["mimic/largest_mean"] < 1  # what the last step had brought in


def test_a_step_by_hand(tiny: Make, fit: Fit) -> None:
    """The plain step from centred kernels, centred again; biases and norms as the step leaves them."""
    module, plain = tiny(), tiny()
    fit(module, MimicNorm(), steps=1)
    for conv in (plain.network.conv, plain.network.norm_conv):
        centre(conv.weight)
    fit(plain, steps=1)
    for name, expected in plain.network.named_parameters():
        if name.endswith("conv.weight"):
            expected = expected - expected.mean((1, 2, 3), keepdim=True)
        torch.testing.assert_close(module.network.get_parameter(name), expected)


def test_centring_twice_is_centring_once() -> None:
    kernel = torch.randn(5, 4, 3, 3, dtype=torch.float64)
    mean = kernel.mean((1, 2, 3))
    torch.testing.assert_close(centre(kernel), mean)
    once = kernel.clone()
    centre(kernel)
    torch.testing.assert_close(kernel, once, rtol=0, atol=1e-16)


def test_a_constant_picture_gives_nothing() -> None:
    conv = nn.Conv2d(3, 4, 3, bias=False, dtype=torch.float64)
    assert conv(torch.ones(1, 3, 5, 5, dtype=torch.float64)).abs().max() > 0.01
    centre(conv.weight)
    assert conv(torch.full((1, 3, 5, 5), 7.0, dtype=torch.float64)).abs().max() < 1e-14


def test_which_kernels() -> None:
    """Linear layers, groups, single numbers, frozen and transposed ones are left alone."""
    network = nn.ModuleDict(
        {
            "conv": nn.Conv2d(3, 4, 3),
            "point": nn.Conv1d(3, 4, 1),
            "linear": nn.Linear(3, 4),
            "groups": nn.Conv2d(4, 4, 3, groups=2),
            "number": nn.Conv2d(1, 4, 1),
            "frozen": nn.Conv2d(3, 4, 3).requires_grad_(False),
            "transposed": nn.ConvTranspose2d(3, 4, 3),
        }
    )
    assert [id(kernel) for kernel in kernels(network)] == [id(network[name].weight) for name in ("conv", "point")]


@pytest.mark.parametrize("weight_norm", sorted(WEIGHT_NORMS))
def test_computed_weights_have_the_mean_of_what_they_are_made_of(weight_norm: str) -> None:
    conv = apply_weight_norm(nn.Conv2d(3, 4, 3), weight_norm).double()
    (kernel,) = kernels(conv)
    centre(kernel)
    assert conv.weight.flatten(1).mean(1).abs().max() < 1e-15


def test_a_network_without_kernels_is_refused(fit: Fit, tiny: Make) -> None:
    module = tiny()
    module.network.requires_grad_(False)
    with pytest.raises(ValueError, match="network: it has no convolution whose kernels could be centred"):
        fit(module, MimicNorm())


# Logits of a critic


def test_logits_are_those_of_pictures_and_photos_together() -> None:
    """The second of two batches has mean and deviation of both; a batch norm of each alone would tell nothing."""
    layer = with_last_norm(nn.Conv2d(2, 1, 1)).double()
    pictures, photos = (torch.randn(4, 2, 5, 5, dtype=torch.float64) + shift for shift in (0.0, 3.0))
    with torch.no_grad():
        raw = [layer[0](x) for x in (pictures, photos)]
        layer(pictures)
        normalized = layer(photos)
    both = torch.cat(raw)
    expected = (raw[1] - both.mean()) / (both.var(correction=0) + 1e-5).sqrt()
    torch.testing.assert_close(normalized, expected)
    assert abs(normalized.mean()) > 0.5


def test_a_critic_with_it_learns_to_tell() -> None:
    """With one norm for pictures and photos together the hinge loss falls; apart it cannot."""

    def trained(norm: nn.Module | None) -> float:
        torch.manual_seed(0)
        conv = nn.Conv2d(1, 1, 3)
        critic = with_last_norm(conv) if norm is None else nn.Sequential(conv, norm)
        optimizer = torch.optim.SGD(conv.parameters(), lr=0.1)
        for _ in range(30):
            fake, real = torch.randn(8, 1, 6, 6), torch.randn(8, 1, 6, 6) + 2
            judged = [critic(x) for x in (fake, real)]
            loss = discriminator_loss([judged[1]], [judged[0]])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return loss.item()

    together, apart = trained(None), trained(nn.BatchNorm2d(1, affine=False))
    assert together < 0.6, (together, apart)
    assert apart > 1.5, (together, apart)


@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_a_run_with_normalized_logits(penalty: float, synthesis: Make, fit_masks: Fit) -> None:
    module = synthesis(r1_weight=penalty, r1_every=1)
    rules = [MimicNorm(), MimicNorm(last_norm=True, part="discriminator")]
    average = EMAWeightAveraging(decay=0.5, use_buffers=False)
    trainer = fit_masks(module, *rules, average, limit_val_batches=1)
    for scale in module.discriminator.at_scales:
        assert isinstance(scale.to_logits, nn.Sequential)
        assert int(scale.to_logits[1].num_batches_tracked) == 2 * 4  # steps × passes
    assert all(value.isfinite() for value in trainer.callback_metrics.values())
    assert trainer.callback_metrics["mimic_discriminator/largest_mean"] > 0


def test_the_norm_is_put_there_once() -> None:
    critic = MultiScaleDiscriminator(3, (6, 8)).at_scales[0]
    wrapped = with_last_norm(critic.to_logits)
    assert with_last_norm(wrapped) is wrapped
    names = {name for name, _ in wrapped.named_parameters()}
    assert names == {"0.weight", "0.bias"}  # no scale and shift


def test_refusals_of_the_last_norm(tiny: Make, fit: Fit, synthesis: Make, fit_masks: Fit) -> None:
    with pytest.raises(ValueError, match="network: it has no logits of a critic: set last_norm to false"):
        fit(tiny(), MimicNorm(last_norm=True))
    rule = MimicNorm(last_norm=True, part="discriminator")
    with pytest.raises(ValueError, match="put it before EMAWeightAveraging"):
        fit_masks(synthesis(), EMAWeightAveraging(use_buffers=False), rule)
