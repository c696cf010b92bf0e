"""Losses against numbers by hand and the invariances that their docstrings promise."""

import math

import pytest
import torch
from torch import Tensor

from styleapp.losses import content_loss, contrastive_loss, feature_loss, gram_loss, gram_matrix, style_loss
from styleapp.norms import Moments, mean_deviation


@pytest.fixture
def features() -> Tensor:
    return torch.randn(2, 6, 8, 8, generator=torch.Generator().manual_seed(4)).double()


def _moments(*channels: tuple[float, float]) -> Moments:
    mean, deviation = torch.tensor(channels).T
    return Moments(mean.view(1, -1, 1, 1), deviation.view(1, -1, 1, 1))


def test_content_by_hand() -> None:
    rising, falling = torch.tensor([[1.0, 3.0]]).view(1, 1, 1, 2), torch.tensor([[9.0, 5.0]]).view(1, 1, 1, 2)
    assert content_loss(rising, falling, eps=0.0).item() == pytest.approx(4.0)  # (−1, 1) against (1, −1)
    assert content_loss(rising, rising * 100 + 7, eps=0.0).item() == pytest.approx(0.0, abs=1e-12)


def test_content_ignores_each_channels_mean_and_deviation(features: Tensor) -> None:
    random = torch.Generator().manual_seed(5)
    scale = torch.rand(1, 6, 1, 1, generator=random).double() + 0.5
    shift = torch.randn(1, 6, 1, 1, generator=random).double()
    assert content_loss(features * scale + shift, features).item() < 1e-8
    assert content_loss(features.flip(-1), features).item() > 0.5


def test_content_is_at_most_four(features: Tensor) -> None:
    assert content_loss(-features, features).item() == pytest.approx(4.0, rel=1e-4)


def test_content_eps_quiets_silent_channels(features: Tensor) -> None:
    faint = features * 1e-3
    assert content_loss(-faint, faint, eps=400.0).item() < 1e-6


def test_style_by_hand() -> None:
    # (0.6² + 0.8²) over (3² + 4²) on the first tap, (1² + 2²) over (0 + 5²) on the second
    ours, theirs = [_moments((3.6, 4.8)), _moments((1.0, 3.0))], [_moments((3.0, 4.0)), _moments((0.0, 5.0))]
    assert style_loss(ours, theirs).item() == pytest.approx((1 / 25 + 5 / 25) / 2)


def test_style_of_several_channels_is_over_their_norms() -> None:
    ours, theirs = _moments((1.0, 0.0), (0.0, 2.0)), _moments((0.0, 0.0), (3.0, 1.0))
    assert style_loss([ours], [theirs]).item() == pytest.approx((1 + 9 + 1) / (9 + 1))


def test_style_weighs_every_sample_alike(features: Tensor) -> None:
    ours, theirs = mean_deviation(features), mean_deviation(features.flip(1) * 2 + 1)
    alone = [style_loss([_row(ours, i)], [_row(theirs, i)]).item() for i in range(2)]
    assert style_loss([ours], [theirs]).item() == pytest.approx(sum(alone) / 2)


def _row(moments: Moments, index: int) -> Moments:
    return Moments(*(part[index : index + 1] for part in moments))


def test_style_does_not_depend_on_the_scale_of_features(features: Tensor) -> None:
    ours, theirs = features, features.flip(1) + 1
    expected = style_loss([mean_deviation(ours)], [mean_deviation(theirs)]).item()
    scaled = style_loss([mean_deviation(ours * 880)], [mean_deviation(theirs * 880)]).item()
    assert scaled == pytest.approx(expected)


def test_style_needs_as_many_taps_on_both_sides() -> None:
    with pytest.raises(ValueError):
        style_loss([_moments((1, 1))], [_moments((1, 1)), _moments((1, 1))])


def test_feature_by_hand() -> None:
    assert feature_loss(torch.tensor([4.0, 3.0]), torch.tensor([3.0, 4.0])).item() == pytest.approx(2 / 25)
    assert feature_loss(torch.zeros(3), torch.tensor([1.0, 5.0, -2.0])).item() == pytest.approx(1.0)


def test_gradients_reach_the_output(features: Tensor) -> None:
    output = features.clone().requires_grad_()
    target = mean_deviation(features + 1)
    total = content_loss(output, features.flip(-1)) + style_loss([mean_deviation(output)], [target])
    (total + feature_loss(output, features + 1)).backward()
    assert output.grad is not None
    assert output.grad.isfinite().all()
    assert output.grad.abs().max() > 0


def test_contrast_by_hand() -> None:
    """Two orthogonal signals: the own cosine is 1, the other 0; so −log of e^{1/τ} / (e^{1/τ} + e⁰)."""
    signals = torch.tensor([[2.0, 0.0], [0.0, 5.0]])
    share = math.exp(2) / (math.exp(2) + 1)
    assert contrastive_loss(signals, signals, temperature=0.5).item() == pytest.approx(-math.log(share))
    assert contrastive_loss(signals, signals.flip(0), temperature=0.5).item() == pytest.approx(-math.log(1 - share))
    assert contrastive_loss(torch.ones(3, 4), torch.ones(3, 4)).item() == pytest.approx(math.log(3))


def test_contrast_does_not_depend_on_the_length_of_signals(features: Tensor) -> None:
    output, style = features.flatten(1), features.flip(0).flatten(1)
    assert contrastive_loss(output * 7, style).item() == pytest.approx(contrastive_loss(output, style * 3).item())


def test_gram_by_hand() -> None:
    """The specification's example (§7b): rows [1, 2] and [3, 4], two pixels."""
    gram = gram_matrix(torch.tensor([[[1.0, 2.0]], [[3.0, 4.0]]])[None])
    assert gram.tolist() == [[[2.5, 5.5], [5.5, 12.5]]]
    expected = (0.5**2 + 2 * 0.5**2 + 2.5**2) / (2**2 + 2 * 5**2 + 10**2)
    assert gram_loss([gram], [torch.tensor([[[2.0, 5.0], [5.0, 10.0]]])]).item() == pytest.approx(expected)
    assert gram_loss([gram, gram], [gram, 2 * gram]).item() == pytest.approx((0 + 0.25) / 2)


def test_gram_does_not_know_where_things_are(features: Tensor) -> None:
    order = torch.randperm(64, generator=torch.Generator().manual_seed(0))
    shuffled = features.flatten(2)[..., order].view_as(features)
    torch.testing.assert_close(gram_matrix(shuffled), gram_matrix(features))
