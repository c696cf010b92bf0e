"""Every normalizer × every modulator: what each layer must do whatever it is made of."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from styleapp.norms import MODULATORS, NORMALIZERS, Code, NormLayer

Draw = Callable[..., Tensor]
Build = Callable[..., NormLayer]
Condition = Callable[..., Any]

pairs = pytest.mark.parametrize(
    ("normalizer", "modulator"), [(n, m) for n in NORMALIZERS for m in MODULATORS], ids=lambda name: name
)
BATCH_STATISTICS = {
    "batch",
    "sync_batch",
    "l1_batch",
    "linf_batch",
    "topk_batch",
    "revisited_batch",
    "moving_batch",
    "power",
    "memorized_batch",
    "unified_batch",
    "adaptive_batch",
}
SAMPLE_STATISTICS = {"layer", "instance", "group"}
OWN_BACKWARD = {"moving_batch", "power"}
"""Their backward pass is not the derivative of their forward pass: that is the method. See test_running.py."""

GRAPH_BREAKS = {"moving_batch", "power"}
"""State that changes in the backward pass is left to eager execution."""


def test_tables_are_covered() -> None:
    assert {"none"} | BATCH_STATISTICS | SAMPLE_STATISTICS == set(NORMALIZERS)
    assert set(MODULATORS) == {"none", "affine", "styles", "image", "mask"}


@pairs
def test_forward_and_backward(
    normalizer: str, modulator: str, build_pair: Build, condition_for: Condition, draw: Draw
) -> None:
    layer = build_pair(normalizer, modulator)
    for size in ((6, 8), (9, 5)):
        x = draw(3, 8, *size, scale=2.0, shift=1.0, dtype=torch.float32).requires_grad_()
        y = layer(x, condition_for(modulator, x))
        assert y.shape == x.shape
        assert y.dtype == x.dtype
        (y * draw(*y.shape, dtype=torch.float32)).sum().backward()
        assert x.grad is not None
        assert x.grad.isfinite().all()
        assert x.grad.abs().max() > 1e-4
    for name, parameter in layer.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


@pairs
def test_is_the_modulated_normalizer(
    normalizer: str, modulator: str, build_pair: Build, condition_for: Condition, draw: Draw
) -> None:
    """However it is fused: first the statistics are removed, then γ and β are given."""
    layer = build_pair(normalizer, modulator).double()
    twin = copy.deepcopy(layer)
    x = draw(3, 8, 6, 8, scale=2.0, shift=1.0)
    condition = condition_for(modulator, x)
    code = layer.modulator.code(condition, x.shape[-2:])
    z = twin.normalizer.normalize(x)
    expected = z if code is None else code.gamma * z + code.beta
    torch.testing.assert_close(layer(x, condition), expected, rtol=1e-9, atol=1e-9)


@pairs
def test_takes_a_code_instead_of_a_condition(normalizer: str, modulator: str, build_pair: Build, draw: Draw) -> None:
    layer = build_pair(normalizer, modulator).double()
    x = draw(2, 8, 6, 8)
    code = Code(draw(2, 8, 1, 1), draw(2, 8, 1, 1))
    expected = copy.deepcopy(layer).normalizer.normalize(x) * code.gamma + code.beta
    torch.testing.assert_close(layer(x, code), expected, rtol=1e-9, atol=1e-9)


@pairs
def test_evaluation_is_a_function_of_each_sample(
    normalizer: str, modulator: str, build_pair: Build, condition_for: Condition, draw: Draw
) -> None:
    """In evaluation no sample depends on the others, nothing is stored, and one sample is enough."""
    layer = build_pair(normalizer, modulator).double()
    for _ in range(3):
        x = draw(4, 8, 6, 8, scale=2.0, shift=1.0)
        layer(x, condition_for(modulator, x))
    layer.eval()
    before = copy.deepcopy(layer.state_dict())
    x = draw(3, 8, 7, 5)
    condition = condition_for(modulator, x)
    together = layer(x, condition)
    alone = [layer(x[i : i + 1], None if condition is None else condition[i : i + 1]) for i in range(3)]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-9, atol=1e-9)
    assert all(torch.equal(before[name], value) for name, value in layer.state_dict().items())


@pairs
def test_state_survives(
    normalizer: str, modulator: str, build_pair: Build, condition_for: Condition, draw: Draw
) -> None:
    """A freshly built layer with the stored state, a deep copy and a pickled copy go on exactly alike."""
    layer = build_pair(normalizer, modulator)
    x = draw(3, 8, 6, 8, shift=1.0, dtype=torch.float32)
    condition = condition_for(modulator, x)
    layer(x, condition)
    fresh = build_pair(normalizer, modulator, seed=9)
    fresh.load_state_dict(layer.state_dict())
    twins = [fresh, copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))]
    for mode in (True, False):
        expected = layer.train(mode)(x, condition)
        for twin in twins:
            assert torch.equal(twin.train(mode)(x, condition), expected)


@pairs
def test_autocast(normalizer: str, modulator: str, build_pair: Build, condition_for: Condition, draw: Draw) -> None:
    """Under autocast a half-precision input gives the float32 result rounded, even where squares would overflow."""
    layer = build_pair(normalizer, modulator)
    x = draw(2, 8, 6, 8, scale=3000.0, shift=500.0, dtype=torch.bfloat16)
    condition = condition_for(modulator, x.float())
    code = layer.modulator.code(condition, x.shape[-2:])  # the convolutions of a mask are rounded on purpose
    expected = copy.deepcopy(layer)(x.float(), code)
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(x, code)
        layer(x, condition)
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(y.float(), expected, rtol=2e-2, atol=2e-2 * expected.abs().max().item())


@pairs
def test_channels_last(
    normalizer: str, modulator: str, build_pair: Build, condition_for: Condition, draw: Draw
) -> None:
    layer = build_pair(normalizer, modulator).double()
    twin = copy.deepcopy(layer)
    x = draw(3, 8, 6, 8)
    condition = condition_for(modulator, x)
    torch.testing.assert_close(twin(x.contiguous(memory_format=torch.channels_last), condition), layer(x, condition))


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")  # torch looks, at a break
@pairs
def test_compiles_without_graph_breaks(
    normalizer: str, modulator: str, build_pair: Build, condition_for: Condition, draw: Draw
) -> None:
    torch.compiler.reset()
    layer = build_pair(normalizer, modulator)
    twin = copy.deepcopy(layer)
    x = draw(3, 8, 6, 8, dtype=torch.float32)
    condition = condition_for(modulator, x)
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=normalizer not in GRAPH_BREAKS)
    torch.testing.assert_close(compiled(x, condition), twin(x, condition))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("normalizer", "modulator"),
    [("batch", "affine"), ("instance", "styles"), ("instance", "image"), ("group", "mask"), ("l1_batch", "affine")],
)
def test_inductor(normalizer: str, modulator: str, build_pair: Build, condition_for: Condition, draw: Draw) -> None:
    torch.compiler.reset()
    layer = build_pair(normalizer, modulator)
    twin = copy.deepcopy(layer)
    x = draw(3, 8, 6, 8, dtype=torch.float32).requires_grad_()
    other = x.detach().clone().requires_grad_()
    condition = condition_for(modulator, x.detach())
    y, expected = torch.compile(layer, fullgraph=True)(x, condition), twin(other, condition)
    torch.testing.assert_close(y, expected)
    weight = draw(*y.shape, dtype=torch.float32)
    (y * weight).sum().backward()
    (expected * weight).sum().backward()
    torch.testing.assert_close(x.grad, other.grad, rtol=1e-3, atol=1e-5)


@pairs
def test_exact_gradient(
    normalizer: str, modulator: str, build_pair: Build, condition_for: Condition, draw: Draw
) -> None:
    """Against finite differences in float64, each call on a fresh copy so that memories stay as they are."""
    if normalizer in OWN_BACKWARD:
        pytest.skip("its backward pass is not the derivative, see test_running.py")
    layer = build_pair(normalizer, modulator).double()
    x = draw(2, 8, 2, 3).requires_grad_()
    condition = condition_for(modulator, x.detach())

    def frozen(x: Tensor) -> Tensor:
        return copy.deepcopy(layer)(x, condition)

    assert torch.autograd.gradcheck(frozen, (x,), atol=1e-5, fast_mode=True)


@pytest.mark.parametrize("modulator", MODULATORS)
@pytest.mark.parametrize("normalizer", [name for name in NORMALIZERS if name != "none"])
def test_single_value_statistics_are_refused(
    normalizer: str, modulator: str, build_pair: Build, condition_for: Condition, draw: Draw
) -> None:
    layer = build_pair(normalizer, modulator, **({"groups": 8} if normalizer == "group" else {}))
    x = draw(1, 8, 1, 1, dtype=torch.float32)
    if normalizer == "layer":
        assert layer(x, condition_for(modulator, x)).isfinite().all()  # eight channels are eight values
        return
    with pytest.raises(ValueError, match=r"needs at least 2 values a statistic, features of 1×8×1×1 have 1"):
        layer(x, condition_for(modulator, x))
    if normalizer in BATCH_STATISTICS:
        assert layer.eval()(x, condition_for(modulator, x)).isfinite().all()  # stored statistics are enough


@pairs
def test_moves_to_another_type(normalizer: str, modulator: str, build_pair: Build, draw: Draw) -> None:
    layer = build_pair(normalizer, modulator).double()
    tensors = [*layer.parameters(), *layer.buffers()]
    assert all(tensor.dtype == torch.float64 for tensor in tensors if tensor.is_floating_point())
    assert isinstance(layer, nn.Module)
