"""Switching normalizers in built networks: forward, restore, bit-identical output."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from styleapp.models.adain import AdaINStylizer
from styleapp.models.vgg import VGG19
from styleapp.norms import NORMALIZERS, NormLayer, build_norm, switch_norms, switched_norms

OTHERS = [name for name in NORMALIZERS if name != "none"]


class StyleNetwork(nn.Module):
    """A stand-in for the network of many styles: two convolutions, each with a table of styles behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.norm1, self.norm2 = (build_norm("instance", 8, modulator="styles", num_styles=3) for _ in range(2))
        self.out = nn.Conv2d(8, 3, 3, padding=1)

    def forward(self, x: Tensor, condition: Any) -> Tensor:
        x = self.norm1(self.conv1(x), condition).relu()  # N×8×H×W
        return self.out(self.norm2(self.conv2(x), condition).relu())  # N×3×H×W


class MaskNetwork(StyleNetwork):
    """A stand-in for the SPADE generator: the same with label maps."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = (build_norm("batch", 8, modulator="mask", num_labels=4, hidden=5) for _ in range(2))


NETWORKS: dict[str, tuple[Callable[[], nn.Module], Callable[[], Any]]] = {
    "styles": (StyleNetwork, lambda: torch.tensor([[0.2, 0.5, 0.3]])),
    "mask": (MaskNetwork, lambda: torch.randint(4, (2, 9, 9), generator=torch.Generator().manual_seed(0))),
}


def _network(kind: str) -> tuple[nn.Module, Any, Tensor]:
    torch.manual_seed(0)
    make, condition = NETWORKS[kind]
    network = make()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "modulator" in name:
                parameter += 0.3 * torch.randn(parameter.shape)
    return network, condition(), torch.rand(2, 3, 9, 9)


@pytest.mark.parametrize("normalizer", NORMALIZERS)
@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("training", [True, False])
def test_switch_run_and_restore(kind: str, normalizer: str, training: bool) -> None:
    network, condition, x = _network(kind)
    network(x, condition)  # running statistics that are not at their start
    network.train(training)
    state = copy.deepcopy(network.state_dict())
    expected = copy.deepcopy(network)(x, condition)
    with switched_norms(network, normalizer) as report:
        assert [one.layer for one in report] == ["norm1", "norm2"]
        assert {one.after for one in report} == {normalizer}
        assert all(type(layer.normalizer) is NORMALIZERS[normalizer] for layer in (network.norm1, network.norm2))
        assert network.norm1.normalizer.training is training
        other = network(x, condition)
        assert other.isfinite().all()
        if normalizer in {"none", "layer", "group"}:
            assert not torch.allclose(other, expected)
    restored = network.state_dict()
    assert restored.keys() == state.keys()
    assert all(torch.equal(restored[name], value) for name, value in state.items())
    assert torch.equal(network(x, condition), expected)


@pytest.mark.parametrize("normalizer", NORMALIZERS)
def test_modulators_keep_their_weights(normalizer: str) -> None:
    network, _, _ = _network("styles")
    before = {name: value.clone() for name, value in network.state_dict().items() if "modulator" in name}
    modulators = [network.norm1.modulator, network.norm2.modulator]
    switch_norms(network, normalizer)
    assert [network.norm1.modulator, network.norm2.modulator] == modulators
    assert all(torch.equal(network.state_dict()[name], value) for name, value in before.items())


def test_adain_stylizer(vgg: VGG19) -> None:
    torch.manual_seed(0)
    network = AdaINStylizer(encoder=vgg).eval()
    photo, style = torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        expected = network.render(photo, network.code(style))
        with switched_norms(network, "layer") as report:
            other = network.render(photo, network.code(style))
        restored = network.render(photo, network.code(style))
    assert [(one.layer, one.before, one.after) for one in report] == [("adain", "instance", "layer")]
    assert (other - expected).abs().max() > 1e-3
    assert torch.equal(restored, expected)


def test_by_name_and_after_an_error() -> None:
    network, condition, x = _network("styles")
    (one,) = switch_norms(network, "group", pattern="*1", groups=4)
    assert (one.layer, network.norm1.normalizer.groups) == ("norm1", 4)
    expected = network(x, condition)
    with pytest.raises(RuntimeError, match="in between"), switched_norms(network, "none"):
        raise RuntimeError("in between")
    assert torch.equal(network(x, condition), expected)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("batch", "l1_batch", "moved"),
        ("l1_batch", "batch", "moved"),
        ("batch", "topk_batch", "moved"),
        ("batch", "sync_batch", "moved"),
        ("batch", "power", "moved"),
        ("instance", "batch", "new"),
        ("batch", "instance", "none"),
        ("power", "batch", "new"),
    ],
)
def test_state_moves_where_it_means_the_same(before: str, after: str, said: str) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(build_norm(before, 4, modulator="none"))
    for _ in range(50):
        network(torch.randn(8, 4, 8, 8) * 3 + 2)
    (report,) = switch_norms(network.eval(), after)
    assert report.state.startswith(said)
    x = torch.randn(8, 4, 8, 8) * 3 + 2
    if said == "moved" and after not in {"topk_batch", "power"}:
        assert network(x).std().item() == pytest.approx(1, abs=0.1)
    if after == "power":
        assert network(x).square().mean().sqrt().item() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [("instance", "layer", "has an effect now"), ("layer", "batch", "without effect now"), ("batch", "instance", "un")],
)
def test_bias_is_reported(before: str, after: str, said: str) -> None:
    network = nn.Sequential(build_norm(before, 4))
    (report,) = switch_norms(network, after)
    assert report.bias.startswith(said)


def test_nothing_to_switch() -> None:
    network, _, _ = _network("styles")
    with pytest.raises(ValueError, match=r"fits the pattern 'block\*'; the network has norm1, norm2"):
        switch_norms(network, "batch", pattern="block*")
    with pytest.raises(ValueError, match="the network has none at all"):
        switch_norms(nn.Conv2d(1, 1, 1), "batch")


def test_nothing_is_switched_when_one_layer_cannot_be() -> None:
    network = nn.Sequential(build_norm("batch", 8), build_norm("batch", 6))
    with pytest.raises(ValueError, match="divisor of the 6 features, got 4"):
        switch_norms(network, "group", groups=4)
    assert [type(layer.normalizer).__name__ for layer in network] == ["BatchNormalizer"] * 2  # type: ignore[union-attr]


def test_new_normalizer_has_type_and_mode_of_the_layer() -> None:
    layer = build_norm("instance", 4).double().eval()
    network = nn.Sequential(layer)
    switch_norms(network, "batch")
    assert isinstance(layer, NormLayer)
    assert layer.normalizer.running_mean.dtype == torch.float64
    assert not layer.normalizer.training
