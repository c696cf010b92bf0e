"""What a convolutional normalization keeps: cached filters, copies, and what is left when it is taken away."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from styleapp.norms import conv_norm as room
from styleapp.norms.conv_norm import attach_conv_norm, detach_conv_norm, whitening_filter
from styleapp.norms.weights import weight_norm

Draw = Callable[..., Tensor]


def _conv(seed: int = 0, **options: Any) -> nn.Conv2d:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Conv2d(3, 4, 3, **options).double()


# The cache


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The sizes at which filters were computed."""
    sizes: list[tuple[int, int]] = []

    def counting(weight: Tensor, size: tuple[int, int], eps: float) -> Tensor:
        sizes.append(size)
        return whitening_filter(weight, size, eps)

    monkeypatch.setattr(room, "whitening_filter", counting)
    return sizes


def test_training_computes_each_time(draw: Draw, computed: list[tuple[int, int]]) -> None:
    conv, x = attach_conv_norm(_conv(padding=1)), draw(1, 3, 8, 8)
    conv(x), conv(x)
    assert computed == [(10, 10), (10, 10)]


def test_evaluation_computes_once_a_size(draw: Draw, computed: list[tuple[int, int]]) -> None:
    conv = attach_conv_norm(_conv(padding=1)).eval()
    for size in ((8, 8), (8, 8), (6, 7), (6, 7), (8, 8)):
        conv(draw(1, 3, *size))
    assert computed == [(10, 10), (8, 9), (10, 10)]


def _step(conv: nn.Conv2d) -> None:
    conv.weight.grad = torch.ones_like(conv.weight)
    torch.optim.SGD([conv.weight], lr=0.1).step()


def _renew_in_the_same_memory(conv: nn.Conv2d) -> None:
    version = conv.weight._version
    conv.weight = nn.Parameter(conv.weight.data)
    with torch.no_grad():
        conv.weight += 1
        while conv.weight._version < version:
            conv.weight += 0


@pytest.mark.parametrize(
    "change",
    [
        _step,
        lambda conv: nn.init.normal_(conv.weight),
        lambda conv: conv.load_state_dict(attach_conv_norm(_conv(seed=1)).state_dict()),
        lambda conv: conv.load_state_dict(attach_conv_norm(_conv(seed=1)).state_dict(), assign=True),
        lambda conv: setattr(conv, "weight", nn.Parameter(conv.weight.detach().flip(2) * 2)),
        lambda conv: (conv.weight.data.add_(1), conv.eval()),
        _renew_in_the_same_memory,
        lambda conv: setattr(conv.conv_norm, "eps", 0.5),
    ],
    ids=["step", "init", "load", "load-assign", "new", "data-and-eval", "new-in-place", "eps"],
)
def test_evaluation_notices_changes(draw: Draw, change: Callable[[nn.Conv2d], object]) -> None:
    conv, x = attach_conv_norm(_conv(padding=1)).eval(), draw(1, 3, 8, 8)
    before = conv(x)
    change(conv)
    result = conv(x)
    assert not torch.allclose(result, before)
    torch.testing.assert_close(result, conv.train()(x), rtol=0, atol=0)


def test_evaluation_notices_another_type(draw: Draw) -> None:
    conv, x = attach_conv_norm(_conv(padding=1)).eval(), draw(1, 3, 8, 8)
    expected = conv(x)
    assert conv.float()(x.float()).dtype == torch.float32
    torch.testing.assert_close(conv(x.float()).double(), expected, rtol=0, atol=1e-4)


def test_computed_weight_is_never_cached(draw: Draw) -> None:
    conv, x = attach_conv_norm(weight_norm(_conv(padding=1))).eval(), draw(1, 3, 8, 8)
    before = conv(x)
    conv.parametrizations.weight.original1.data.add_(0.5)
    result = conv(x)
    assert not torch.allclose(result, before)
    torch.testing.assert_close(result, conv.train()(x))


# Copies, types, taking it away


@pytest.mark.parametrize(
    "clone", [copy.deepcopy, lambda conv: pickle.loads(pickle.dumps(conv))], ids=["copy", "pickle"]
)
def test_clones_are_independent(draw: Draw, clone: Callable[[nn.Conv2d], nn.Conv2d]) -> None:
    conv, x = attach_conv_norm(_conv(padding=1, stride=2)).eval(), draw(1, 3, 8, 8)
    expected = conv(x)
    twin = clone(conv)
    assert torch.equal(twin(x), expected)
    twin.weight.data.add_(1)
    twin.eval()
    assert not torch.allclose(twin(x), expected)
    assert not detach_conv_norm(twin)._forward_hooks
    assert torch.equal(conv(x), expected)


def test_pickle_carries_no_filter(draw: Draw) -> None:
    conv = attach_conv_norm(_conv(padding=1)).eval()
    size = len(pickle.dumps(conv))
    conv(draw(1, 3, 64, 64))
    assert len(pickle.dumps(conv)) == size


def test_detaching_restores_the_layer(draw: Draw) -> None:
    conv, x = _conv(padding=1, stride=2), draw(1, 3, 8, 8)
    expected, weight, bias, text = conv(x), conv.weight, conv.bias, repr(conv)
    attach_conv_norm(conv)(x).sum().backward()
    detach_conv_norm(conv)
    assert torch.equal(conv(x), expected)
    assert conv.weight is weight
    assert conv.bias is bias
    assert repr(conv) == text
    assert list(conv.state_dict()) == ["weight", "bias"]
    with pytest.raises(ValueError, match="no ConvNorm to take away"):
        detach_conv_norm(conv)


def test_autocast_filters_in_float32(draw: Draw) -> None:
    conv, x = _conv(padding=1).float(), draw(1, 3, 16, 16, dtype=torch.float32)
    expected = attach_conv_norm(conv)(x)
    with torch.autocast("cpu", torch.bfloat16):
        result = conv(x)
    assert result.dtype == torch.bfloat16
    torch.testing.assert_close(result.float(), expected, rtol=0.05, atol=0.05)
