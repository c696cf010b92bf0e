"""Weight normalizations against numbers computed by hand, torch, and what all of them must do."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d
from torch.nn.utils import parametrizations

from styleapp.models.blocks import ReflectConv2d, reflect_conv
from styleapp.norms.computed_weight import effective_weight
from styleapp.norms.standardized_weight import CONVENTIONS
from styleapp.norms.weights import apply_weight_norm, bounded_weight_norm, spectral_norm, weight_norm

Case = tuple[str, dict[str, Any]]
COMPUTED: list[Case] = [
    ("weight_norm", {}),
    ("bounded_weight_norm", {}),
    ("bounded_weight_norm", {"mode": "frobenius"}),
    *(("weight_standardization", {"convention": name}) for name in CONVENTIONS),
    ("centred_weights", {}),
    ("spectral_norm", {}),
]
EVERY: list[Case] = [("none", {}), *COMPUTED, ("conv_norm", {}), ("conv_norm", {"depthwise": False})]
computed = pytest.mark.parametrize(("name", "options"), COMPUTED)
every = pytest.mark.parametrize(("name", "options"), EVERY)


def _conv(*, seed: int = 0, dtype: torch.dtype = torch.float64, **options: Any) -> nn.Conv2d:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Conv2d(3, 4, 3, **{"padding": 1, **options}).to(dtype)


def _image(*size: int, channels: int = 3, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(2, channels, *size, generator=torch.Generator().manual_seed(5), dtype=dtype)


def _with_rows(*rows: list[float]) -> nn.Conv2d:
    """A convolution of 1×n kernels with these filters."""
    conv = nn.Conv2d(1, len(rows), (1, len(rows[0])), bias=False).double()
    conv.weight.data = torch.tensor(rows, dtype=torch.float64).view(len(rows), 1, 1, -1)
    return conv


def _rows(weight: Tensor) -> Tensor:
    return weight.detach().flatten(1)


def _matrix(*rows: list[float]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


# Weight norm


def test_weight_norm_and_its_gradients_by_hand() -> None:
    conv = weight_norm(_with_rows([3.0, 4.0]))
    length, direction = conv.parametrizations.weight.original0, conv.parametrizations.weight.original1
    length.data.fill_(10)
    torch.testing.assert_close(_rows(conv.weight), _matrix([6.0, 8.0]))
    conv.weight.flatten()[0].backward()
    assert length.grad.item() == pytest.approx(0.6)
    torch.testing.assert_close(_rows(direction.grad), _matrix([1.28, -0.96]))


def test_attaching_weight_norm_changes_nothing() -> None:
    conv = _conv()
    before = conv.weight.detach().clone()
    assert (weight_norm(conv).weight - before).abs().max() < 1e-16


def test_gradient_of_weight_norm_is_orthogonal_to_the_direction() -> None:
    conv = weight_norm(_conv())
    conv(100 * _image(8, 8)).square().mean().backward()
    direction = conv.parametrizations.weight.original1
    along = (direction * direction.grad).flatten(1).sum(1)
    assert direction.grad.norm() > 1000
    assert along.abs().max() < 1e-10


# Bounded weight norm


def test_bounded_weight_norm_by_hand() -> None:
    conv = bounded_weight_norm(_with_rows([3.0, 4.0], [0.0, 2.0]))
    assert conv.parametrizations.weight[0].rho.item() == pytest.approx(3.5)
    torch.testing.assert_close(_rows(conv.weight), _matrix([2.1, 2.8], [0.0, 3.5]))


def test_bounded_weight_norm_is_weight_norm_with_one_frozen_length() -> None:
    ours, theirs = bounded_weight_norm(_conv()), parametrizations.weight_norm(_conv())
    theirs.parametrizations.weight.original0.data[:] = theirs.parametrizations.weight.original0.mean()
    torch.testing.assert_close(ours.weight, theirs.weight)


def test_frobenius_mode_by_hand() -> None:
    conv = bounded_weight_norm(_with_rows([3.0, 4.0], [0.0, 2.0]), mode="frobenius")
    torch.testing.assert_close(_rows(conv.weight), _matrix([3.0, 4.0], [0.0, 2.0]))
    conv.parametrizations.weight.original0.data.mul_(7)
    torch.testing.assert_close(_rows(conv.weight), _matrix([3.0, 4.0], [0.0, 2.0]))
    conv.parametrizations.weight.original0.data = torch.ones(2, 1, 1, 1, dtype=torch.float64)
    assert conv.weight.norm().item() == pytest.approx(math.sqrt(29))


@pytest.mark.parametrize("mode", ["channel", "frobenius"])
@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.Adam])
def test_bound_holds_after_steps(mode: Any, optimizer: Callable[..., torch.optim.Optimizer]) -> None:
    conv = _conv()
    norms = conv.weight.detach().flatten(1).norm(dim=1)
    bounded_weight_norm(conv, mode=mode)
    start, steps = conv.weight.detach().clone(), optimizer(conv.parameters(), lr=0.5)
    for _ in range(3):
        steps.zero_grad()
        conv(_image(8, 8)).square().mean().backward()
        steps.step()
    after = conv.weight.detach().flatten(1).norm(dim=1)
    assert not torch.allclose(start, conv.weight)
    if mode == "channel":
        torch.testing.assert_close(after, norms.mean().expand(4))
    else:
        torch.testing.assert_close(after.norm(), norms.norm())
        assert not torch.allclose(after, norms)


def test_rho_is_no_parameter() -> None:
    conv = bounded_weight_norm(_conv())
    assert [name for name, _ in conv.named_parameters()] == ["bias", "parametrizations.weight.original"]
    assert [name for name, _ in conv.named_buffers()] == ["parametrizations.weight.0.rho"]


@pytest.mark.parametrize("attach", [weight_norm, bounded_weight_norm])
def test_empty_filter_has_no_direction(attach: Callable[[nn.Conv2d], nn.Conv2d]) -> None:
    with pytest.raises(ValueError, match="output channel 1 are 0"):
        attach(_with_rows([3.0, 4.0], [0.0, 0.0]))


# Spectral norm


def test_spectral_norm_reaches_one() -> None:
    conv = spectral_norm(_conv(dtype=torch.float32))
    for _ in range(100):
        conv(_image(4, 4, dtype=torch.float32))
    assert torch.linalg.svdvals(conv.eval().weight.flatten(1))[0].item() == pytest.approx(1, abs=1e-6)


def test_spectral_norm_is_torchs() -> None:
    torch.manual_seed(1)
    ours = spectral_norm(_conv(), n_power_iterations=2)
    torch.manual_seed(1)
    theirs = parametrizations.spectral_norm(_conv(), n_power_iterations=2)
    assert torch.equal(ours.weight, theirs.weight)


def test_spectral_norm_of_nothing() -> None:
    with pytest.raises(ValueError, match="a weight that is 0"):
        spectral_norm(_with_rows([0.0, 0.0]))
    with pytest.raises(ValueError, match="at least 1, got 0"):
        spectral_norm(_conv(), n_power_iterations=0)


def test_network_in_evaluation_gets_no_power_iterations() -> None:
    conv = spectral_norm(_conv().eval())
    assert torch.equal(conv.weight, conv.weight)


# All of them


def _scalar(conv: nn.Conv2d, x: Tensor) -> Tensor:
    return conv(x).square().sum()


@computed
def test_gradient(name: str, options: dict[str, Any]) -> None:
    conv = apply_weight_norm(_conv(bias=False).eval(), name, **options)  # spectral norm would move while it is tested
    names, values = zip(*conv.named_parameters(), strict=True)
    x = _image(4, 3)

    def output(*parameters: Tensor) -> Tensor:
        return torch.func.functional_call(conv, dict(zip(names, parameters, strict=True)), x)

    inputs = tuple(value.detach().requires_grad_() for value in values)
    assert torch.autograd.gradcheck(output, inputs, fast_mode=True)


@computed
def test_functional_gradient(name: str, options: dict[str, Any]) -> None:
    conv = apply_weight_norm(_conv().eval(), name, **options)
    parameters, x = {key: value.detach() for key, value in conv.named_parameters()}, _image(4, 4)
    found = torch.func.grad(lambda p: torch.func.functional_call(conv, p, x).square().sum())(parameters)
    _scalar(conv, x).backward()
    for key, parameter in conv.named_parameters():
        torch.testing.assert_close(found[key], parameter.grad)


@computed
@pytest.mark.parametrize("size", [(16, 16), (7, 20)])
def test_output_is_a_convolution_with_the_effective_weight(
    name: str, options: dict[str, Any], size: tuple[int, int]
) -> None:
    conv, x = apply_weight_norm(_conv().eval(), name, **options), _image(*size)
    torch.testing.assert_close(conv(x), conv2d(x, effective_weight(conv), conv.bias, padding=1))
    assert conv(x[:1]).shape == (1, 4, *size)


@computed
def test_convolution_that_pads_itself(name: str, options: dict[str, Any]) -> None:
    conv, x = ReflectConv2d(3, 4).double().eval(), _image(8, 6)
    apply_weight_norm(conv, name, **options)
    plain = ReflectConv2d(3, 4).double()
    plain.weight.data, plain.bias = effective_weight(conv), conv.bias
    assert isinstance(conv, ReflectConv2d)
    torch.testing.assert_close(conv(x), reflect_conv(x, plain.weight, plain.bias))


@every
def test_training_and_evaluation_agree(name: str, options: dict[str, Any]) -> None:
    conv, x = apply_weight_norm(_conv(), name, **options), _image(8, 8)
    for _ in range(100 if name == "spectral_norm" else 0):
        conv(x)
    torch.testing.assert_close(conv.train()(x), conv.eval()(x))


@every
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_types_are_kept(name: str, options: dict[str, Any], dtype: torch.dtype) -> None:
    conv = apply_weight_norm(_conv(dtype=dtype), name, **options)
    assert conv.weight.dtype == dtype
    output = conv(_image(8, 8, dtype=dtype))
    assert output.dtype == dtype
    assert output.isfinite().all()


@every
def test_channels_last_gives_the_same(name: str, options: dict[str, Any]) -> None:
    conv, x = apply_weight_norm(_conv().eval(), name, **options), _image(8, 6)
    torch.testing.assert_close(conv(x.to(memory_format=torch.channels_last)), conv(x))
