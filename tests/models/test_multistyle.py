"""Networks with named styles: sizes, names, mixtures, and that a style is nothing but its row."""

import json

import pytest
import torch
from torch import Tensor

from styleapp.models.multistyle import MultiStyleNetwork, NamedStylizer, PaperMultiStyleNetwork
from styleapp.norms import NORMALIZERS, Code, build_norm, switch_norms, switch_weight_norm
from styleapp.norms.weights import WEIGHT_NORMS, weight_norm_name

STYLES = ("wave", "night", "scream")
NETWORKS = {"fast": MultiStyleNetwork, "paper": PaperMultiStyleNetwork}


def _built(kind: str, **options: object) -> NamedStylizer:
    """With rows that differ, as if it had been trained."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = NETWORKS[kind](STYLES, **options)
        for norm in network.norms:
            for table in (norm.modulator.weight, norm.modulator.bias):
                table.data.add_(torch.randn_like(table) / 2)
    return network.eval().requires_grad_(False)


@pytest.fixture(scope="module", params=NETWORKS)
def network(request: pytest.FixtureRequest) -> NamedStylizer:
    return _built(request.param)


def _sizes(network: NamedStylizer) -> tuple[int, int]:
    """Shared weights, and numbers a style."""
    shared = sum(value.numel() for name, value in network.named_parameters() if ".modulator." not in name)
    return shared, 2 * sum(norm.num_features for norm in network.norms)


def test_parameters_of_the_paper() -> None:
    """1,674,432 shared, 3,206 a style; with 32 styles 1,777,024 in all."""
    network = PaperMultiStyleNetwork([str(number) for number in range(32)])
    assert _sizes(network) == (1_674_432, 3_206)
    assert sum(parameter.numel() for parameter in network.parameters()) == 1_777_024


def test_parameters_of_the_fast_one() -> None:
    assert _sizes(MultiStyleNetwork(STYLES)) == (101_763, 576)


@pytest.mark.parametrize("kind", NETWORKS)
def test_options_build_the_same_network(kind: str) -> None:
    network = _built(kind, normalizer="layer")
    other = NETWORKS[kind](**network.options())
    other.load_state_dict(network.state_dict())
    assert other.options() == network.options()


def test_options_of_normalizer_and_weights() -> None:
    options = {"normalizer": "group", "normalizer_options": {"groups": 4}, "weight_norm": "weight_standardization"}
    network = MultiStyleNetwork(STYLES, width=8, blocks=1, **options)  # type: ignore[arg-type]
    assert [norm.normalizer.groups for norm in network.norms] == [4, 4, 4]
    assert options.items() <= network.options().items()
    other = MultiStyleNetwork(**json.loads(json.dumps(network.options())))
    other.load_state_dict(network.state_dict())
    photo = torch.rand(1, 3, 16, 16)
    assert torch.equal(other.render(photo, other.code("wave")), network.render(photo, network.code("wave")))


def test_options_of_older_files_are_enough() -> None:
    network = MultiStyleNetwork(STYLES)
    assert network.options() == {"styles": list(STYLES), "normalizer": "instance", "width": 32, "blocks": 4}


@pytest.mark.parametrize("weight_norm", WEIGHT_NORMS)
def test_weight_norms_are_of_all_convolutions_before_a_norm(weight_norm: str) -> None:
    """The head, which no norm follows, has none; plain weights compute the same, but for ConvNorm."""
    network = MultiStyleNetwork(STYLES, width=8, blocks=1, weight_norm=weight_norm).eval()
    convs = [module for module in network.modules() if isinstance(module, torch.nn.Conv2d)]
    assert [weight_norm_name(conv) for conv in convs] == [weight_norm] * 3
    photo = torch.rand(1, 3, 16, 16)
    before = network.render(photo, network.code("wave"))
    changes = switch_weight_norm(network, "none")
    assert "weight_norm" not in network.options()
    same = torch.allclose(network.render(photo, network.code("wave")), before, atol=1e-5)
    assert same == (weight_norm != "conv_norm") == all(change.exact for change in changes)


@pytest.mark.parametrize("kind", NETWORKS)
def test_unknown_option_of_the_normalizer(kind: str) -> None:
    with pytest.raises(ValueError, match="unknown option groups"):
        NETWORKS[kind](STYLES, normalizer="instance", normalizer_options={"groups": 4})


@pytest.mark.parametrize("styles", [(), ("a", "a")])
def test_names_must_be_there_and_differ(styles: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="styles must be names, each once"):
        MultiStyleNetwork(styles)


@pytest.mark.parametrize("size", [(16, 16), (48, 64), (100, 20)])
def test_output_has_the_photos_size(network: NamedStylizer, size: tuple[int, int]) -> None:
    output = network.render(torch.rand(2, 3, *size), network.code("wave"))
    assert output.shape == (2, 3, *size)
    assert output.isfinite().all()


def test_flat_photo_has_no_grid() -> None:
    fast = _built("fast")
    output = fast.render(torch.full((1, 3, 64, 64), 0.4), fast.code("scream"))
    spectrum = torch.fft.fft2(output.double()).abs() / output[0, 0].numel()
    spectrum[..., 0, 0] = 0
    assert spectrum.max() < 1e-5


# Codes


def test_code_is_the_row_of_every_norm(network: NamedStylizer) -> None:
    code = network.code("night")
    rows = [norm.modulator.weight[1] for norm in network.norms]
    assert torch.equal(code.gamma.flatten(), torch.cat(rows))
    assert torch.equal(code.beta.flatten(), torch.cat([norm.modulator.bias[1] for norm in network.norms]))


def test_corner_of_a_mixture_is_the_style_bit_for_bit(network: NamedStylizer, photo: Tensor) -> None:
    alone = network.render(photo, network.code("wave"))
    assert torch.equal(network.render(photo, network.code({"wave": 3.0, "night": 0.0})), alone)
    assert torch.equal(network.render(photo, network.code(torch.tensor([0]))), alone)


def test_mixture_is_the_mean_of_rows(network: NamedStylizer) -> None:
    one, other, mixed = network.code("wave"), network.code("night"), network.code({"wave": 1, "night": 3})
    torch.testing.assert_close(mixed.gamma, 0.25 * one.gamma + 0.75 * other.gamma)
    torch.testing.assert_close(mixed.beta, 0.25 * one.beta + 0.75 * other.beta)


def test_learned_style_is_one_among_others(photo: Tensor) -> None:
    network = _built("fast")
    before, code = network.render(photo, network.code("wave")), network.code({"wave": 1, "night": 1})
    network.learn("dawn", code)
    assert network.names == (*STYLES, "dawn") and network.styles == STYLES
    assert torch.equal(network.render(photo, network.code("dawn")), network.render(photo, code))
    mixed = network.code({"dawn": 1, "wave": 1})
    torch.testing.assert_close(mixed.gamma, (code.gamma + network.code("wave").gamma) / 2)
    assert torch.equal(network.render(photo, network.code("wave")), before)
    with pytest.raises(ValueError, match="has a style called 'wave' from the beginning"):
        network.learn("wave", code)
    with pytest.raises(ValueError, match="a code for layers of .* has 288, got 3"):
        network.learn("dusk", Code(torch.ones(1, 3, 1, 1), torch.ones(1, 3, 1, 1)))


@pytest.mark.parametrize(
    ("style", "sentence"),
    [
        ("dawn", "unknown style 'dawn'; known are wave, night, scream"),
        ({"wave": 1.0, "dawn": 0.0}, "unknown style 'dawn'"),
        ({"wave": -1.0}, "at least 0"),
        ({"wave": 0.0}, "sum to 0"),
    ],
)
def test_bad_styles(network: NamedStylizer, style: object, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        network.code(style)  # type: ignore[arg-type]


def test_samples_of_a_batch_have_styles_and_strengths_of_their_own(network: NamedStylizer, photo: Tensor) -> None:
    numbers, strengths = torch.tensor([0, 1, 2]), torch.tensor([0.0, 0.5, 1.0])
    together = network.render(photo.expand(3, -1, -1, -1), network.code(numbers), strengths.view(3, 1, 1, 1))
    for row, name, strength in zip(together, STYLES, strengths.tolist(), strict=True):
        torch.testing.assert_close(row, network.render(photo, network.code(name), strength)[0], rtol=1e-4, atol=1e-5)


def test_strength_fades_from_the_photo_to_the_painting(network: NamedStylizer, photo: Tensor) -> None:
    code = network.code("wave")
    painting = network.render(photo, code)
    assert torch.equal(painting, network.paint(photo, code))
    assert torch.equal(network.render(photo, code, 0.0), photo)
    torch.testing.assert_close(network.render(photo, code, 0.3), 0.7 * photo + 0.3 * painting)


def test_strength_above_one_leaves_the_mean_of_all_styles(network: NamedStylizer, photo: Tensor) -> None:
    code, mean = network.code("wave"), network.code(dict.fromkeys(STYLES, 1.0))
    further = Code(1.5 * code.gamma - 0.5 * mean.gamma, 1.5 * code.beta - 0.5 * mean.beta)
    found = network.render(photo, code, 1.5)
    torch.testing.assert_close(found, network.paint(photo, further), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("strength", [1.0, 0.7, 1.3])
def test_regions(network: NamedStylizer, photo: Tensor, strength: float) -> None:
    one, other = network.code("wave"), network.code("night")
    left = torch.zeros(1, 1, 48, 64)
    left[..., :32] = 1
    everywhere = network.render(photo, [Code(one.gamma, one.beta, torch.ones(1, 1, 48, 64))], strength)
    torch.testing.assert_close(everywhere, network.render(photo, one, strength), rtol=1e-4, atol=1e-5)
    halves = [Code(one.gamma, one.beta, left), Code(other.gamma, other.beta, 1 - left)]
    assert not torch.allclose(network.render(photo, halves, strength), everywhere)


# Norms


@pytest.mark.parametrize("normalizer", sorted(set(NORMALIZERS) - {"sync_batch"}))
def test_normalizer_is_an_option_and_a_switch(normalizer: str, photo: Tensor) -> None:
    built, switched = _built("fast", normalizer=normalizer), _built("fast")
    switched.load_state_dict({k: v for k, v in built.state_dict().items() if ".normalizer." not in k})
    assert len(switch_norms(switched, normalizer)) == 9
    outputs = [network.render(photo, network.code("wave")) for network in (built, switched)]
    torch.testing.assert_close(*outputs)


def test_gradients_of_a_style_stay_in_its_rows(photo: Tensor) -> None:
    network = MultiStyleNetwork(STYLES, width=8, blocks=1)
    network.render(photo, network.code("night")).square().mean().backward()
    for norm in network.norms:
        assert (norm.modulator.weight.grad.abs().sum(1) > 0).tolist() == [False, True, False]
    shared = [value for name, value in network.named_parameters() if ".modulator." not in name]
    assert all(value.grad is not None for value in shared)


def test_unconditional_twin(photo: Tensor) -> None:
    """With one row, conditional instance norm is instance norm with that scale and shift."""
    norm = build_norm("instance", 4, modulator="styles", num_styles=1)
    torch.nn.init.normal_(norm.modulator.weight)
    twin = torch.nn.InstanceNorm2d(4, affine=True)
    twin.weight.data, twin.bias.data = norm.modulator.weight.data[0], norm.modulator.bias.data[0]
    x = torch.randn(2, 4, 6, 7)
    torch.testing.assert_close(norm(x, torch.tensor([0])), twin(x), rtol=1e-4, atol=1e-5)
