"""Life with a computed weight: initialisation, copies, compilation, taking it away; and the table of names."""

import copy
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d
from torch.nn.utils import parametrizations

from styleapp.norms.computed_weight import compute_weight, effective_weight
from styleapp.norms.standardized_weight import CentredWeight
from styleapp.norms.weights import (
    WEIGHT_NORMS,
    apply_weight_norm,
    remove_weight_norm,
    spectral_norm,
    weight_norm,
    weight_norm_name,
    weight_standardization,
)

Case = tuple[str, dict[str, Any]]
COMPUTED: list[Case] = [
    ("weight_norm", {}),
    ("bounded_weight_norm", {}),
    ("bounded_weight_norm", {"mode": "frobenius"}),
    ("weight_standardization", {}),
    ("centred_weights", {}),
    ("spectral_norm", {}),
]
EVERY: list[Case] = [("none", {}), *COMPUTED, ("conv_norm", {}), ("conv_norm", {"depthwise": False})]
computed = pytest.mark.parametrize(("name", "options"), COMPUTED)
every = pytest.mark.parametrize(("name", "options"), EVERY)


def _conv(*, seed: int = 0) -> nn.Conv2d:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Conv2d(3, 4, 3, padding=1).double()


def _image(*size: int) -> Tensor:
    return torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


# Initialisation after attaching


def test_torch_loses_an_initialisation_in_silence() -> None:
    conv = parametrizations.spectral_norm(_conv()).eval()
    before = conv.weight.clone()
    nn.init.zeros_(conv.weight)
    assert torch.equal(conv.weight, before)


@computed
@pytest.mark.parametrize("mode", [True, False])
def test_initialisation_that_would_be_lost_is_an_error(name: str, options: dict[str, Any], mode: bool) -> None:
    conv = apply_weight_norm(_conv(), name, **options).train(mode)
    conv(_image(4, 4))
    nn.init.xavier_normal_(conv.weight)
    with pytest.raises(RuntimeError, match="changed in place, and the change is lost"):
        conv(_image(4, 4))
    assert conv(_image(4, 4)).isfinite().all()


@pytest.mark.parametrize(
    ("name", "options"), [("weight_norm", {}), ("centred_weights", {}), ("weight_standardization", {})]
)
def test_assigning_a_weight_counts(name: str, options: dict[str, Any]) -> None:
    conv, other = apply_weight_norm(_conv(), name, **options), _conv(seed=1)
    with torch.no_grad():
        conv.weight = other.weight.detach()
    torch.testing.assert_close(conv.weight, apply_weight_norm(other, name, **options).weight)


# Copies, state dicts, compilation


@every
def test_state_dict_round_trip(name: str, options: dict[str, Any]) -> None:
    conv, fresh = (apply_weight_norm(_conv(seed=seed), name, **options) for seed in (0, 1))
    conv(_image(8, 8)).square().sum().backward()
    torch.optim.SGD(conv.parameters(), lr=1e-3).step()
    fresh.load_state_dict(conv.state_dict())
    assert torch.equal(fresh.eval()(_image(8, 8)), conv.eval()(_image(8, 8)))


@every
def test_deep_copies_are_independent(name: str, options: dict[str, Any]) -> None:
    conv, x = apply_weight_norm(_conv(), name, **options).eval(), _image(8, 8)
    expected = conv(x)
    twin = copy.deepcopy(conv)
    assert torch.equal(twin(x), expected)
    for parameter in twin.parameters():
        parameter.data.zero_()
    assert torch.equal(conv(x), expected)
    remove_weight_norm(twin)
    assert weight_norm_name(twin) == "none"
    assert weight_norm_name(conv) == name
    assert torch.equal(conv(x), expected)


@computed
def test_torch_refuses_to_pickle_computed_weights(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(RuntimeError, match="only supported through state_dict"):
        pickle.dumps(apply_weight_norm(_conv(), name, **options))


@every
def test_compiles_without_a_graph_break(name: str, options: dict[str, Any]) -> None:
    conv, x = apply_weight_norm(_conv().eval(), name, **options), _image(6, 8)
    torch.compiler.reset()
    compiled = torch.compile(conv, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(x), conv(x))


@every
def test_inference_mode(name: str, options: dict[str, Any]) -> None:
    conv, x = apply_weight_norm(_conv().eval(), name, **options), _image(6, 8)
    with torch.inference_mode():
        expected = conv(x)
    conv(x).square().sum().backward()
    torch.testing.assert_close(conv(x), expected)


# Taking it away, replacing it


@computed
@pytest.mark.parametrize("trained", [True, False])
def test_removing_keeps_weight_and_order(name: str, options: dict[str, Any], trained: bool) -> None:
    plain = _conv().requires_grad_(trained)
    order = [key for key, _ in plain.named_parameters()]
    conv, x = apply_weight_norm(copy.deepcopy(plain), name, **options), _image(8, 8)
    weight = effective_weight(conv)
    remove_weight_norm(conv)
    assert type(conv) is nn.Conv2d
    assert [key for key, _ in conv.named_parameters()] == order == list(conv.state_dict())
    assert conv.weight.requires_grad == trained
    assert torch.equal(conv.weight, weight)
    torch.testing.assert_close(conv(x), conv2d(x, weight, plain.bias, padding=1))


def test_reading_the_effective_weight_moves_no_estimate() -> None:
    conv = spectral_norm(_conv())
    before = copy.deepcopy(conv.state_dict())
    effective_weight(conv)
    assert all(torch.equal(value, before[key]) for key, value in conv.state_dict().items())
    assert conv.parametrizations.weight.training


def test_second_weight_norm_on_top_is_refused() -> None:
    conv = weight_norm(_conv())
    with pytest.raises(ValueError, match="already has a computed weight"):
        compute_weight(conv, CentredWeight())


@every
def test_replacing_starts_from_the_effective_weight(name: str, options: dict[str, Any]) -> None:
    conv = weight_standardization(_conv())
    weight = conv.weight.detach()
    expected = _conv()
    expected.weight.data = weight.clone()
    torch.manual_seed(2)
    apply_weight_norm(conv, name, **options)
    torch.manual_seed(2)
    apply_weight_norm(expected, name, **options)
    torch.testing.assert_close(conv.weight, expected.weight)


# The table


def test_names() -> None:
    assert set(WEIGHT_NORMS) == {
        *("none", "weight_norm", "bounded_weight_norm", "weight_standardization", "conv_norm", "spectral_norm"),
        "centred_weights",
    }


@every
def test_name_is_found_again(name: str, options: dict[str, Any]) -> None:
    assert weight_norm_name(apply_weight_norm(_conv(), name, **options)) == name


def test_name_of_what_is_not_ours() -> None:
    assert weight_norm_name(parametrizations.weight_norm(_conv())) == "weight_norm"
    assert weight_norm_name(parametrizations.orthogonal(_conv())) == "_Orthogonal"


def test_unknown_name_lists_the_known() -> None:
    with pytest.raises(ValueError, match=f"'group'; known are {', '.join(WEIGHT_NORMS)}"):
        apply_weight_norm(_conv(), "group")


@pytest.mark.parametrize(
    ("name", "message"),
    [("weight_norm", "'epsilon'; its options are none at all"), ("conv_norm", "'epsilon'.*are depthwise, eps")],
)
def test_unknown_option_lists_the_known(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        apply_weight_norm(_conv(), name, epsilon=1)


def test_unknown_mode() -> None:
    with pytest.raises(ValueError, match="'row'; known are channel, frobenius"):
        apply_weight_norm(_conv(), "bounded_weight_norm", mode="row")


def test_failure_leaves_the_convolution_as_it_was() -> None:
    conv = weight_norm(nn.Conv2d(4, 4, 3, groups=2))
    parts = list(conv.parameters())
    with pytest.raises(ValueError, match="groups"):
        apply_weight_norm(conv, "conv_norm")
    assert weight_norm_name(conv) == "weight_norm"
    assert all(ours is theirs for ours, theirs in zip(conv.parameters(), parts, strict=True))


def test_rehearsal_draws_no_random_numbers() -> None:
    torch.manual_seed(3)
    apply_weight_norm(_conv(), "spectral_norm")
    after = torch.rand(())
    torch.manual_seed(3)
    spectral_norm(_conv())
    assert torch.equal(torch.rand(()), after)
