"""Losses of mask-to-image training against numbers by hand (specification, section 7c) and identities."""

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import Normal
from torch.distributions import kl_divergence as torch_kl

from styleapp.losses import (
    PERCEPTUAL_WEIGHTS,
    discriminator_loss,
    feature_matching_loss,
    generator_loss,
    gradient_penalty,
    kl_divergence,
    perceptual_loss,
    segmentation_loss,
)

REAL, FAKE = torch.tensor([0.5, 2.0]), torch.tensor([-2.0, 0.3])


def test_hinge_by_hand() -> None:
    assert generator_loss([FAKE]).item() == pytest.approx(0.85)
    assert discriminator_loss([REAL], [FAKE]).item() == pytest.approx(0.25 + 0.65)


def test_hinge_is_averaged_over_discriminators_whatever_their_sizes() -> None:
    zeros = torch.zeros(3, 1, 5, 5)
    assert generator_loss([FAKE, zeros]).item() == pytest.approx(0.85 / 2)
    assert discriminator_loss([REAL, zeros], [FAKE, zeros]).item() == pytest.approx((0.9 + 2) / 2)


def test_hinge_has_a_margin() -> None:
    """What is right by 1 or more teaches the discriminator nothing; the generator always wants more."""
    real, fake = torch.tensor([1.5, 0.5], requires_grad=True), torch.tensor([-1.5, -0.5], requires_grad=True)
    discriminator_loss([real], [fake]).backward()
    assert real.grad is not None and real.grad.tolist() == [0, -0.5]
    assert fake.grad is not None and fake.grad.tolist() == [0, 0.5]
    fake.grad = None
    generator_loss([fake]).backward()
    assert fake.grad.tolist() == [-0.5, -0.5]


def test_both_sides_need_the_same_discriminators() -> None:
    with pytest.raises(ValueError):
        discriminator_loss([REAL, REAL], [FAKE])
    with pytest.raises(ValueError):
        feature_matching_loss([[REAL]], [[REAL, REAL]])


def test_feature_matching_by_hand() -> None:
    fake = [[torch.tensor([1.0, 2.0]), torch.tensor([0.0])], [torch.zeros(4)]]
    real = [[torch.tensor([2.0, 5.0]), torch.tensor([3.0])], [torch.ones(4)]]
    assert feature_matching_loss(fake, real).item() == pytest.approx((2 + 3 + 1) / 2)
    assert feature_matching_loss(real, real).item() == 0


def test_feature_matching_moves_the_generated_side_alone() -> None:
    fake, real = torch.zeros(2, requires_grad=True), torch.ones(2, requires_grad=True)
    feature_matching_loss([[fake]], [[real]]).backward()
    assert fake.grad is not None and fake.grad.tolist() == [-0.5, -0.5]
    assert real.grad is None


def test_perceptual_by_hand() -> None:
    output = {"a": torch.tensor([1.0, 3.0]), "b": torch.tensor([0.0])}
    target = {"a": torch.tensor([2.0, 6.0]), "b": torch.tensor([5.0])}
    # (1 + 3) / 2 over 4, and 5 over 5
    assert perceptual_loss(output, target, {"a": 0.5, "b": 2.0}).item() == pytest.approx(0.5 * 0.5 + 2.0)
    assert perceptual_loss(output, target, {"a": 1.0}).item() == pytest.approx(0.5)


@pytest.fixture
def features() -> dict[str, Tensor]:
    random = torch.Generator().manual_seed(0)
    return {tap: torch.rand(2, 4, 6, 6, generator=random) for tap in PERCEPTUAL_WEIGHTS}


def test_perceptual_does_not_depend_on_the_scale_of_features(features: dict[str, Tensor]) -> None:
    output = {tap: value.flip(1) for tap, value in features.items()}
    expected = perceptual_loss(output, features)
    scaled = [{tap: value * 882 for tap, value in part.items()} for part in (output, features)]
    torch.testing.assert_close(perceptual_loss(*scaled), expected)
    assert expected > 0 and perceptual_loss(features, features) == 0


def test_perceptual_of_a_silent_target_is_finite(features: dict[str, Tensor]) -> None:
    silent = {tap: torch.zeros_like(value) for tap, value in features.items()}
    assert perceptual_loss(features, silent).isfinite()
    assert perceptual_loss(silent, features).item() == pytest.approx(sum(PERCEPTUAL_WEIGHTS.values()))


def test_kl_by_hand() -> None:
    mean, log_variance = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, math.log(4)]])
    assert kl_divergence(mean, log_variance).item() == pytest.approx(1.3068528)
    assert kl_divergence(torch.zeros(3, 5), torch.zeros(3, 5)).item() == 0


def test_kl_is_torchs_and_a_mean_over_samples() -> None:
    random = torch.Generator().manual_seed(0)
    mean, log_variance = torch.randn(3, 5, generator=random), torch.randn(3, 5, generator=random)
    normal = Normal(mean, (log_variance / 2).exp())
    expected = torch_kl(normal, Normal(torch.zeros(5), torch.ones(5))).sum(1).mean()
    torch.testing.assert_close(kl_divergence(mean, log_variance), expected)


# Gradient penalty and segmentation


def test_penalty_by_hand() -> None:
    """Logits 2·(sum of the photo) and 6·(sum): their mean has the slope 4 at each of 12 values, so ½·12·16."""
    photo = torch.rand(5, 3, 2, 2, requires_grad=True)
    total = photo.sum((1, 2, 3)).view(-1, 1, 1, 1)
    assert gradient_penalty([2 * total, 6 * total], photo).item() == pytest.approx(96)


def test_penalty_of_patches_is_that_of_their_mean() -> None:
    photo = torch.rand(2, 1, 2, 2, requires_grad=True)
    assert gradient_penalty([photo], photo).item() == pytest.approx(0.5 * 4 * (1 / 4) ** 2)


def test_penalty_can_be_minimized() -> None:
    slope = torch.tensor(3.0, requires_grad=True)
    photo = torch.rand(2, 1, 1, 1, requires_grad=True)
    gradient_penalty([slope * photo], photo).backward()
    assert slope.grad is not None and slope.grad.item() == pytest.approx(3)


@pytest.mark.parametrize("weights", [None, [1.0, 3.0, 2.0]])
def test_segmentation_loss_is_the_weighted_mean(weights: list[float] | None) -> None:
    logits = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    mask = torch.randint(3, (2, 4, 5), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    mask[0, :2] = 255
    factors = None if weights is None else torch.tensor(weights)
    expected = torch.nn.functional.cross_entropy(logits, mask.long(), factors, ignore_index=255)
    torch.testing.assert_close(segmentation_loss(logits, mask, factors), expected)


def test_segmentation_loss_without_any_label() -> None:
    logits = torch.randn(1, 3, 2, 2, requires_grad=True)
    loss = segmentation_loss(logits, torch.full((1, 2, 2), 255))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None and logits.grad.abs().sum() == 0
