"""unified_batch and adaptive_batch: their measures by hand, and the thresholds at which they are other layers."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from styleapp.norms import Moments, build_norm
from styleapp.norms.experimental import (
    AdaptiveBatchNormalizer,
    UnifiedBatchNormalizer,
    feature_heterogeneity,
    feature_similarity,
)
from styleapp.norms.normalizers import BatchNormalizer

Draw = Callable[..., Tensor]
INFINITY = float("inf")


def _same_as_batch_norm(layer: BatchNormalizer, batches: list[Tensor], upstream: Tensor) -> None:
    """Bit for bit: output, gradient and running statistics, in training and after it."""
    twin = nn.BatchNorm2d(layer.num_features, affine=False, dtype=batches[0].dtype)
    for x in batches:
        x, other = x.clone().requires_grad_(), x.clone().requires_grad_()
        y, expected = layer(x), twin(other)
        assert torch.equal(y, expected)
        assert torch.equal(*(torch.autograd.grad(out, inp, upstream)[0] for out, inp in ((y, x), (expected, other))))
        assert all(torch.equal(layer.state_dict()[name], value) for name, value in twin.state_dict().items())
    assert torch.equal(layer.eval()(batches[0]), twin.eval()(batches[0]))


# Measures


def test_similarity_is_the_mean_over_pairs(draw: Draw) -> None:
    x = draw(5, 4, 3, 6, shift=0.4)
    flat = x.flatten(1)
    pairs = [cosine_similarity(flat[i], flat[j], dim=0) for i in range(5) for j in range(5) if i != j]
    assert feature_similarity(x).item() == pytest.approx(torch.stack(pairs).mean().item(), abs=1e-14)


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        ([[1.0, 0.0], [0.0, 2.0]], 0.0),
        ([[1.0, 1.0], [3.0, 3.0]], 1.0),
        ([[1.0, 1.0], [-2.0, -2.0]], -1.0),
        ([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], 1 / 3),
        ([[1.0, 2.0]], 0.0),
    ],
)
def test_similarity_by_hand(samples: list[list[float]], expected: float) -> None:
    x = torch.tensor(samples, dtype=torch.float64)[:, None, None]
    assert feature_similarity(x).item() == pytest.approx(expected, abs=1e-15)


def test_similarity_never_exceeds_one(draw: Draw) -> None:
    """Or a threshold of 1 would skip batches of copies by rounding."""
    for _ in range(20):
        assert feature_similarity(draw(1, 3, 5, 7, dtype=torch.float32).repeat(7, 1, 1, 1)).item() <= 1


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        ([[0.0, 0.0], [2.0, 2.0]], 1.0),
        ([[0.0, 2.0], [0.0, 2.0]], 0.0),
        ([[0.0, 2.0], [2.0, 4.0]], 0.5),
        ([[3.0, 3.0], [3.0, 3.0]], 0.0),
        ([[0.0, 2.0]], 0.0),
    ],
)
def test_heterogeneity_by_hand(samples: list[list[float]], expected: float) -> None:
    x = torch.tensor(samples, dtype=torch.float64)[:, None, None]
    assert feature_heterogeneity(x).item() == pytest.approx(expected, abs=1e-15)


def test_heterogeneity_is_a_mean_over_channels_and_ignores_scale(draw: Draw) -> None:
    x = draw(4, 6, 5, 5) + draw(4, 6, 1, 1)
    each = torch.stack([feature_heterogeneity(x[:, i : i + 1]) for i in range(6)])
    torch.testing.assert_close(feature_heterogeneity(x), each.mean())
    torch.testing.assert_close(feature_heterogeneity(x * torch.arange(1, 7).view(1, 6, 1, 1) - 3), each.mean())


# Unified batch normalization


def test_threshold_of_one_is_batch_normalization(draw: Draw) -> None:
    batches = [draw(3, 4, 5, 6, shift=2.0), draw(1, 4, 5, 6).repeat(3, 1, 1, 1)]
    for use_running in (False, True):
        layer = UnifiedBatchNormalizer(4, threshold=1.0, use_running=use_running).double()
        _same_as_batch_norm(layer, batches, draw(3, 4, 5, 6))


@pytest.mark.parametrize("use_running", [False, True])
def test_alike_samples_leave_the_running_statistics(use_running: bool, draw: Draw) -> None:
    layer = UnifiedBatchNormalizer(4, use_running=use_running).double()
    plain = BatchNormalizer(4).double()
    x = draw(3, 4, 5, 6)
    assert torch.equal(layer(x), plain(x))
    before = copy.deepcopy(layer.state_dict())
    copies = draw(1, 4, 5, 6, shift=3.0).repeat(3, 1, 1, 1)
    y = layer(copies)
    assert all(torch.equal(before[name], value) for name, value in layer.state_dict().items())
    assert torch.equal(y, plain.eval()(copies) if use_running else plain(copies))


def test_skipped_batches_have_gradients(draw: Draw) -> None:
    layer = UnifiedBatchNormalizer(4, use_running=True).double()
    layer(draw(3, 4, 5, 6, scale=3.0))
    x = draw(1, 4, 5, 6).repeat(3, 1, 1, 1).requires_grad_()
    y = layer(x)
    layer(draw(3, 4, 5, 6))  # moves the running statistics before the backward pass
    y.sum().backward()
    var = ((y.max() - y.min()) / (x.max() - x.min())).item()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    assert 0.5 * var < x.grad.mean().item() < 2 * var


# Adaptive batch normalization


def test_threshold_of_minus_infinity_is_batch_normalization(draw: Draw) -> None:
    layer = AdaptiveBatchNormalizer(4, threshold=-INFINITY).double()
    _same_as_batch_norm(layer, [draw(3, 4, 5, 6, shift=2.0) for _ in range(3)], draw(3, 4, 5, 6))


def test_threshold_of_infinity_is_the_affine_alone(draw: Draw) -> None:
    layer = build_norm("adaptive_batch", 4, threshold=INFINITY).double()
    with torch.no_grad():
        layer.modulator.weight.copy_(draw(4))
        layer.modulator.bias.copy_(draw(4))
    gamma, beta = (values.detach().view(1, 4, 1, 1) for values in layer.modulator.parameters())
    before = copy.deepcopy(layer.state_dict())
    for training in (True, False):
        x = draw(3, 4, 5, 6, scale=5.0)
        torch.testing.assert_close(layer.train(training)(x), gamma * x + beta)
        assert torch.equal(layer.normalizer(x), x)
    assert all(torch.equal(before[name], value) for name, value in layer.state_dict().items())


def test_each_batch_is_decided_by_itself(draw: Draw) -> None:
    layer, plain = AdaptiveBatchNormalizer(4, threshold=0.5).double(), BatchNormalizer(4).double()
    alike, different = draw(3, 4, 5, 6), draw(3, 4, 5, 6) + 5 * draw(3, 4, 1, 1)
    assert feature_heterogeneity(alike) < 0.5 < feature_heterogeneity(different)
    assert torch.equal(layer(alike), alike)
    assert torch.equal(layer(different), plain(different))
    assert torch.equal(layer(alike), alike)
    assert all(torch.equal(layer.state_dict()[name], value) for name, value in plain.state_dict().items())
    assert torch.equal(layer.eval()(alike), plain.eval()(alike))


def test_compiled_code_decides_alike(draw: Draw) -> None:
    """Without a branch: outputs, gradients and state, before and after the first batch that is normalized."""
    torch.compiler.reset()
    layer = build_norm("adaptive_batch", 4, threshold=0.5).double()
    twin = copy.deepcopy(layer)
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    alike, different, upstream = draw(3, 4, 5, 6), draw(3, 4, 5, 6) + 5 * draw(3, 4, 1, 1), draw(3, 4, 5, 6)
    for x, training in ((alike, False), (alike, True), (different, True), (alike, True), (alike, False)):
        layer.train(training)
        twin.train(training)
        sources = [(x.clone().requires_grad_(), *each.parameters()) for each in (layer, twin)]
        y, expected = compiled(sources[0][0]), twin(sources[1][0])
        torch.testing.assert_close(y, expected)
        gradients = (torch.autograd.grad(out, of, upstream) for out, of in zip((y, expected), sources, strict=True))
        torch.testing.assert_close(*gradients)
        torch.testing.assert_close(layer.state_dict(), twin.state_dict())
    assert int(twin.normalizer.num_batches_tracked) == 1


def test_adopted_statistics_are_used(draw: Draw) -> None:
    layer, plain = (kind(4).double() for kind in (AdaptiveBatchNormalizer, BatchNormalizer))
    moments = Moments(draw(4), draw(4).abs() + 0.5)
    for each in (layer, plain):
        assert each.adopt_moments(moments)
    x = draw(2, 4, 5, 6)
    assert torch.equal(layer.eval()(x), plain.eval()(x))


@pytest.mark.parametrize("kind", [UnifiedBatchNormalizer, AdaptiveBatchNormalizer])
def test_description_says_what_is_unknown(kind: type) -> None:
    assert kind.__doc__ is not None
    assert "Experimental." in kind.__doc__
    assert "**Unknown**" in kind.__doc__
