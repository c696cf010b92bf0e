"""l1_batch, linf_batch, topk_batch: numbers by hand, constants, running averages. test_kernels.py has the gradients."""

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from styleapp.norms import Code
from styleapp.norms.lp_batch import L1BatchNormalizer, LinfBatchNormalizer, LpBatchNormalizer, TopKBatchNormalizer
from styleapp.norms.statistics import L1_CONSTANT, paper_constant

Draw = Callable[..., Tensor]
Build = Callable[..., LpBatchNormalizer]
BATCH = (0, 2, 3)

# Two samples of 1×2, two channels: 0, 0, 0, 8 with mean 2, and 1, 2, 3, 4 with mean 2.5.
HAND = torch.tensor([[[[0.0, 0.0]], [[1.0, 2.0]]], [[[0.0, 8.0]], [[3.0, 4.0]]]], dtype=torch.float64)
KINDS: dict[str, tuple[Build, tuple[float, float]]] = {
    "l1": (L1BatchNormalizer, (1.2533141 * 3, 1.2533141 * 1)),
    "linf": (LinfBatchNormalizer, (0.9269377 * 6, 0.9269377 * 1.5)),
    "top 2": (partial(TopKBatchNormalizer, k=2), (0.9269377 * 4, 0.9269377 * 1.5)),
    "top 3": (partial(TopKBatchNormalizer, k=3), (0.9269377 * 10 / 3, 0.9269377 * 3.5 / 3)),
    "more than there are": (TopKBatchNormalizer, (0.9269377 * 3, 0.9269377 * 1)),
}
"""Constructor, and the deviations of the two channels above: constant for four values × mean of the largest."""

every_kind = pytest.mark.parametrize(("build", "deviations"), KINDS.values(), ids=KINDS)
every_class = pytest.mark.parametrize("build", [L1BatchNormalizer, LinfBatchNormalizer, TopKBatchNormalizer])
with_constant = pytest.mark.parametrize("build", [LinfBatchNormalizer, TopKBatchNormalizer])


def _by_channel(x: Tensor) -> list[list[float]]:
    return x.transpose(0, 1).flatten(1).tolist()


# Training


@every_kind
@pytest.mark.parametrize("eps", [1e-5, 0.25])
def test_numbers_by_hand(build: Build, deviations: tuple[float, float], eps: float) -> None:
    """ε is added to the product of constant and deviation, outside of any root."""
    first, second = _by_channel(build(2, eps=eps).double()(HAND))
    assert first == pytest.approx([value / (deviations[0] + eps) for value in (-2, -2, -2, 6)], rel=1e-7)
    assert second == pytest.approx([value / (deviations[1] + eps) for value in (-1.5, -0.5, 0.5, 1.5)], rel=1e-7)


def test_l1_is_the_mean_of_all_as_largest(draw: Draw) -> None:
    """With the same constant: for all n values the calibrated one is that of L1."""
    x, upstream = draw(2, 3, 4, 5, scale=2.0, shift=1.0).requires_grad_(), draw(2, 3, 4, 5)
    l1, all_of_them = L1BatchNormalizer(3).double()(x), TopKBatchNormalizer(3, k=40, constant="calibrated").double()(x)
    torch.testing.assert_close(all_of_them, l1, rtol=1e-6, atol=1e-6)
    gradients = (torch.autograd.grad(y, x, upstream) for y in (all_of_them, l1))
    torch.testing.assert_close(*gradients, rtol=1e-6, atol=1e-6)
    by_the_paper = TopKBatchNormalizer(3, k=40, eps=0.0).double()(x) * paper_constant(40) / L1_CONSTANT
    torch.testing.assert_close(by_the_paper, L1BatchNormalizer(3, eps=0.0).double()(x))


@pytest.mark.parametrize(
    ("build", "paper"), [(LinfBatchNormalizer, 1 / 1.45), (partial(TopKBatchNormalizer, k=10), 1 / 1.29)]
)
def test_calibrated_constant_gives_normal_values_deviation_1(build: Build, paper: float, draw: Draw) -> None:
    """The paper's gives 0.7 or 0.8 of it, as the tables of test_statistics.py say; averages of 64 channels."""
    x = draw(4, 64, 64, 64, scale=3.0, shift=5.0)
    for options, expected in (({}, paper), ({"constant": "paper"}, paper), ({"constant": "calibrated"}, 1.0)):
        deviation = build(64, **options).double()(x).std(BATCH).mean().item()
        assert deviation == pytest.approx(expected, rel=0.02), options


def test_l1_gives_normal_values_deviation_1(draw: Draw) -> None:
    y = L1BatchNormalizer(8).double()(draw(4, 8, 64, 64, scale=3.0, shift=5.0))
    assert y.std(BATCH).mean().item() == pytest.approx(1, rel=0.01)


# Running averages


@every_kind
def test_running_averages_move_by_momentum(build: Build, deviations: tuple[float, float]) -> None:
    """From mean 0 and deviation 1; the deviation is kept without ε."""
    layer = build(2, eps=0.25).double()
    mean, deviation = (0.0, 0.0), (1.0, 1.0)
    for count in (1, 2, 3):
        layer(HAND)
        mean = tuple(0.9 * old + 0.1 * new for old, new in zip(mean, (2, 2.5), strict=True))
        deviation = tuple(0.9 * old + 0.1 * new for old, new in zip(deviation, deviations, strict=True))
        assert layer.running_mean.tolist() == pytest.approx(mean, rel=1e-12)
        assert layer.running_scale.tolist() == pytest.approx(deviation, rel=1e-7)
        assert int(layer.num_batches_tracked) == count


@every_class
def test_momentum_of_one_keeps_the_last_batch(build: Build, draw: Draw) -> None:
    """So that evaluation is what training was, bit for bit but for the order of two roundings."""
    layer, x = build(4, momentum=1.0).double(), draw(2, 4, 5, 6, scale=2.0, shift=1.0)
    layer(draw(2, 4, 5, 6))
    trained = layer(x)
    torch.testing.assert_close(layer.eval()(x), trained, rtol=1e-14, atol=1e-14)


@every_class
def test_evaluation_by_hand(build: Build, draw: Draw) -> None:
    """(x − mean) / (deviation + ε) with what was stored, as constants; nothing moves."""
    layer = build(2, eps=0.5).double().eval()
    layer.running_mean.copy_(torch.tensor([1.0, 2.0]))
    layer.running_scale.copy_(torch.tensor([1.5, 3.5]))
    before, x = copy.deepcopy(layer.state_dict()), HAND.clone().requires_grad_()
    y = layer(x)
    assert _by_channel(y) == [[-0.5, -0.5, -0.5, 3.5], [-0.25, 0.0, 0.25, 0.5]]
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert _by_channel(gradient) == [[0.5] * 4, [0.25] * 4]
    code = Code(torch.tensor([2.0, 4.0]).double().view(1, 2, 1, 1), torch.tensor([10.0, 0.0]).double().view(1, 2, 1, 1))
    assert _by_channel(layer(x, code)) == [[9.0, 9.0, 9.0, 17.0], [-1.0, 0.0, 1.0, 2.0]]
    assert all(torch.equal(before[name], value) for name, value in layer.state_dict().items())


# Types, and what is refused


@every_class
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_keeps_averages_in_float32(build: Build, dtype: torch.dtype, draw: Draw) -> None:
    """Sums of these features overflow in float16; output and averages are those of float32."""
    layer, twin = build(4), build(4)
    x = draw(4, 4, 16, 16, scale=3000.0, shift=5000.0, dtype=dtype)
    for mode in (True, False):
        y, expected = layer.train(mode)(x), twin.train(mode)(x.float())
        assert y.dtype == dtype
        assert torch.equal(y, expected.to(dtype))
    assert layer.running_scale.dtype == torch.float32
    assert all(torch.equal(value, twin.state_dict()[name]) for name, value in layer.state_dict().items())


@every_class
def test_a_single_value_is_refused_before_anything_moves(build: Build, draw: Draw) -> None:
    layer = build(4).double()
    before = copy.deepcopy(layer.state_dict())
    with pytest.raises(ValueError, match=r"batch normalization needs at least 2 values a statistic, .* 1×4×1×1 have 1"):
        layer(draw(1, 4, 1, 1))
    assert all(torch.equal(before[name], value) for name, value in layer.state_dict().items())
    assert layer(draw(2, 4, 1, 1)).isfinite().all()  # two samples are two values


@pytest.mark.parametrize("k", [0, -3])
def test_bad_k(k: int) -> None:
    with pytest.raises(ValueError, match=f"k must be at least 1, got {k}"):
        TopKBatchNormalizer(4, k=k)


@with_constant
def test_bad_constant(build: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match='constant must be "paper" or "calibrated", got \'exact\''):
        build(4, constant="exact")
