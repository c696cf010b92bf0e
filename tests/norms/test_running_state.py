"""moving_batch and power change state in the backward pass: once for each forward, and only to what is finite."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from styleapp.norms import build_norm
from styleapp.norms.running import MovingBatchNormalizer, PowerNormalizer

Draw = Callable[..., Tensor]
BATCH = (0, 2, 3)

both = pytest.mark.parametrize("kind", [MovingBatchNormalizer, PowerNormalizer])


def _pass(layer: nn.Module, x: Tensor, upstream: Tensor) -> tuple[Tensor, Tensor]:
    x = x.clone().requires_grad_()
    y = layer(x)
    y.backward(upstream)
    assert x.grad is not None
    return y.detach(), x.grad


def _close(actual: Any, expected: Any) -> None:
    torch.testing.assert_close(actual, expected, rtol=1e-12, atol=1e-12)


@both
def test_second_backward_moves_nothing(kind: type, draw: Draw) -> None:
    layer = kind(4).double()
    x = draw(3, 4, 5, 6).requires_grad_()
    y = layer(x)
    y.backward(draw(3, 4, 5, 6), retain_graph=True)
    before = copy.deepcopy(layer.state_dict())
    for scale in (1.0, 100.0):
        y.backward(draw(3, 4, 5, 6, scale=scale), retain_graph=True)
    assert all(torch.equal(before[name], value) for name, value in layer.state_dict().items())
    layer(x).backward(draw(3, 4, 5, 6))
    changed = [name for name, value in layer.state_dict().items() if not torch.equal(before[name], value)]
    assert any("projection" in name for name in changed)


@both
@pytest.mark.parametrize("bad", [float("inf"), float("nan")])
def test_overflow_is_not_remembered(kind: type, bad: float, draw: Draw) -> None:
    layer = kind(4).double()
    _pass(layer, draw(3, 4, 5, 6), draw(3, 4, 5, 6))
    twin = copy.deepcopy(layer)
    upstream = draw(3, 4, 5, 6)
    upstream[0, 2, 1, 1] = bad
    _, gradient = _pass(layer, draw(3, 4, 5, 6), upstream)
    assert not gradient.isfinite().all()  # as with any layer: the caller sees it and skips the step
    for name, value in layer.named_buffers():
        assert value.isfinite().all(), name
        if "projection" in name or "gradients" in name:
            assert torch.equal(value, twin.get_buffer(name))


@both
def test_forward_without_backward_stores_no_gradient(kind: type, draw: Draw) -> None:
    layer, twin = (kind(4, warm_up=0).double() for _ in range(2))
    kept = [name for name, _ in layer.named_buffers() if "projection" in name or "gradients" in name]
    _pass(layer, x := draw(3, 4, 5, 6), upstream := draw(3, 4, 5, 6))
    _pass(twin, x, upstream)
    with torch.no_grad():
        layer(draw(3, 4, 5, 6))
    layer(draw(3, 4, 5, 6).requires_grad_())
    assert all(torch.equal(layer.get_buffer(name), twin.get_buffer(name)) for name in kept)
    assert int(layer.num_batches_tracked) == int(twin.num_batches_tracked) + 2


@both
def test_checkpointing_is_refused(kind: type, draw: Draw) -> None:
    for use_reentrant in (False, True):
        layer = kind(4).double()
        y = checkpoint(layer, draw(2, 4, 3, 3).requires_grad_(), use_reentrant=use_reentrant)
        with pytest.raises(RuntimeError, match="activation checkpointing"):
            y.sum().backward()
        assert int(layer.num_batches_tracked) == 1


@both
def test_gradient_cannot_be_differentiated_again(kind: type, draw: Draw) -> None:
    x = draw(2, 4, 3, 3).requires_grad_()
    (gradient,) = torch.autograd.grad(kind(4).double()(x).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiate twice"):
        gradient.sum().backward()


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")  # torch looks, and hides it
@pytest.mark.parametrize("name", ["moving_batch", "power"])
def test_compiled_training_keeps_the_same_state(name: str, draw: Draw) -> None:
    torch.compiler.reset()
    options = {"moving_batch": {"batches": 2}, "power": {}}[name]
    layer = build_norm(name, 4, warm_up=1, **options).double()
    twin = copy.deepcopy(layer)
    compiled = torch.compile(layer, backend="aot_eager")
    for _ in range(4):
        x, upstream = draw(3, 4, 5, 6), draw(3, 4, 5, 6)
        _close(_pass(compiled, x, upstream), _pass(twin, x, upstream))
        _close(dict(layer.named_buffers()), dict(twin.named_buffers()))
    x = draw(3, 4, 5, 6)
    _close(torch.compile(layer.eval(), backend="aot_eager", fullgraph=True)(x), twin.eval()(x))


def test_moving_backwards_in_any_order(draw: Draw) -> None:
    """Two forwards, then their backwards in reverse: each gradient statistic lands in the memory once."""
    layer = MovingBatchNormalizer(4, batches=5).double()
    (x, first), (y, second) = ((draw(2, 4, 3, 3).requires_grad_(), draw(2, 4, 3, 3)) for _ in range(2))
    outputs = layer(x), layer(y)
    outputs[1].backward(second)
    outputs[0].backward(first)
    projections = [(g * z.detach()).mean(BATCH) for g, z in ((second, outputs[1]), (first, outputs[0]))]
    _close(layer.projection_ring[1:3], torch.stack(projections))
    assert int(layer.num_gradients_tracked) == 2
