"""Switches: what they accept, which layers they reach, what they report, and that nothing is left of them."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from styleapp.checkpoint import load_network
from styleapp.lab.switches import LayerSwitch, convolutions_of, norm_layers_of, switched, switched_copy
from styleapp.models.multistyle import MultiStyleNetwork
from styleapp.norms import WEIGHT_NORMS, build_norm

SWITCHES = {
    "another normalizer": (LayerSwitch(normalizer="group", options={"groups": 4}),),
    "one that has learned nothing": (LayerSwitch(normalizer="batch"),),
    "the mean only": (LayerSwitch(removed="mean"),),
    "the deviation only, on other statistics": (LayerSwitch(normalizer="layer", removed="deviation"),),
    "scale only": (LayerSwitch(modulation="scale"),),
    "half": (LayerSwitch("blocks.*", strength=0.5),),
    "weights": (LayerSwitch("blocks.*", weight_norm="weight_standardization"),),
    "all at once": (
        LayerSwitch(normalizer="power", removed="mean", modulation="shift", strength=1.5),
        LayerSwitch(weight_norm="spectral_norm"),
    ),
}


@pytest.fixture
def stylizer(named_checkpoint: Path) -> MultiStyleNetwork:
    network, _, _ = load_network(named_checkpoint)
    assert isinstance(network, MultiStyleNetwork)
    return network


@torch.no_grad()
def painted(network: nn.Module, style: str = "night") -> Tensor:
    x = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    return network.render(x, network.code(style))  # type: ignore[operator]


class TestSwitched:
    @pytest.mark.parametrize("switches", SWITCHES.values(), ids=SWITCHES)
    def test_changes_the_picture_and_puts_everything_back(
        self, switches: tuple[LayerSwitch, ...], stylizer: MultiStyleNetwork
    ) -> None:
        modules, state = dict(stylizer.named_modules()), copy.deepcopy(stylizer.state_dict())
        expected = painted(stylizer)
        with switched(stylizer, switches) as changes:
            other = painted(stylizer)
            assert changes
        assert other.isfinite().all()
        assert (other - expected).abs().max() > 1e-3
        now = dict(stylizer.named_modules())
        assert now.keys() == modules.keys()
        assert all(now[name] is module for name, module in modules.items())
        assert all(torch.equal(stylizer.state_dict()[name], value) for name, value in state.items())
        assert torch.equal(painted(stylizer), expected)

    @pytest.mark.parametrize("switches", SWITCHES.values(), ids=SWITCHES)
    def test_a_copy_paints_the_same_and_leaves_the_network_alone(
        self, switches: tuple[LayerSwitch, ...], stylizer: MultiStyleNetwork
    ) -> None:
        state, expected = copy.deepcopy(stylizer.state_dict()), painted(stylizer)
        twin, changes = switched_copy(stylizer, switches)
        with switched(stylizer, switches) as in_place:
            assert torch.equal(painted(twin), painted(stylizer))
        assert [change.summary for change in changes] == [change.summary for change in in_place]
        assert all(torch.equal(stylizer.state_dict()[name], value) for name, value in state.items())
        assert torch.equal(painted(stylizer), expected)

    def test_after_an_error(self, stylizer: MultiStyleNetwork) -> None:
        expected = painted(stylizer)
        with pytest.raises(RuntimeError, match="in between"), switched(stylizer, SWITCHES["all at once"]):
            raise RuntimeError("in between")
        assert torch.equal(painted(stylizer), expected)
        switches = (*SWITCHES["weights"], LayerSwitch("entry*", normalizer="none"), LayerSwitch("blocks.0.second*"))
        wrong = (*switches[:2], LayerSwitch("blocks.*", normalizer="group", options={"groups": 3}))
        with (
            pytest.raises(ValueError, match="blocks.0.first_norm: groups must be a divisor"),
            switched(stylizer, wrong),
        ):
            raise AssertionError("not reached")
        assert torch.equal(painted(stylizer), expected)

    def test_random_numbers_of_others_are_not_drawn(self, stylizer: MultiStyleNetwork) -> None:
        torch.manual_seed(1)
        expected = torch.rand(1)
        torch.manual_seed(1)
        first, _ = switched_copy(stylizer, [LayerSwitch(weight_norm="spectral_norm")])
        assert torch.equal(torch.rand(1), expected)
        second, _ = switched_copy(stylizer, [LayerSwitch(weight_norm="spectral_norm")])
        assert torch.equal(painted(first), painted(second))


class TestCopy:
    def test_shares_parameters_but_not_running_statistics(self, spade_checkpoint: Path) -> None:
        network, _, _ = load_network(spade_checkpoint)
        twin, changes = switched_copy(network)
        assert changes == ()
        assert all(a is b for a, b in zip(network.parameters(), twin.parameters(), strict=True))
        assert all(a is not b for a, b in zip(network.buffers(), twin.buffers(), strict=True))

    def test_shares_the_encoder(self, network: Any) -> None:
        twin, _ = switched_copy(network, [LayerSwitch("decoder.*", weight_norm="weight_norm")])
        assert twin.encoder is network.encoder
        assert twin.decoder.to_rgb.bias is not network.decoder.to_rgb.bias

    def test_keeps_learned_styles(self, stylizer: MultiStyleNetwork) -> None:
        stylizer.learn("mine", stylizer.code("wave"))
        twin, _ = switched_copy(stylizer, [LayerSwitch(strength=0.5)])
        assert torch.equal(painted(twin, "mine"), painted(twin, "wave"))


class TestWhichLayers:
    def test_convolutions_of_encoder_and_modulators_are_left_out(self, network: Any, spade_checkpoint: Path) -> None:
        assert all(name.startswith("decoder.") for name in convolutions_of(network))
        generator, _, _ = load_network(spade_checkpoint)
        assert "to_rgb" in convolutions_of(generator)
        assert not any("modulator" in name for name in convolutions_of(generator))

    def test_the_last_switch_of_a_layer_counts_whole(self, stylizer: MultiStyleNetwork) -> None:
        switches = [LayerSwitch(normalizer="layer", strength=0.5), LayerSwitch("blocks.0.*", removed="mean")]
        _, changes = switched_copy(stylizer, switches)
        said = {change.layer: change.summary for change in changes}
        assert said["entry_norm"] == "instance → layer; modulation both, strength 0.5"
        assert said["blocks.0.first_norm"] == "takes only the mean away"
        assert list(said) == list(norm_layers_of(stylizer))

    def test_a_switch_of_nothing_gives_a_layer_back(self, stylizer: MultiStyleNetwork) -> None:
        twin, _ = switched_copy(stylizer, [LayerSwitch(normalizer="layer"), LayerSwitch("*")])
        assert torch.equal(painted(twin), painted(stylizer))

    @pytest.mark.parametrize(
        ("switch", "said"),
        [
            (LayerSwitch("head*"), r"no normalization layer fits the pattern 'head\*'; the network has entry_norm, bl"),
            (LayerSwitch("*norm", weight_norm="weight_norm"), r"no convolution fits the pattern '\*norm'; the network"),
            (
                LayerSwitch(modulation="class_mean"),
                "class_mean averages what a label map gives, and none of the layers",
            ),
            (LayerSwitch(statistics="batch"), "statistics batch is for normalizers that keep running statistics; what"),
            (LayerSwitch(normalizer="layer", statistics="running"), "running statistics; layer keeps none"),
            (LayerSwitch(normalizer="batch", statistics="running"), "entry_norm: batch has no running statistics yet"),
        ],
    )
    def test_what_has_no_effect_is_refused(self, switch: LayerSwitch, said: str, stylizer: MultiStyleNetwork) -> None:
        with pytest.raises(ValueError, match=said):
            switched_copy(stylizer, [switch])

    def test_layers_without_modulation(self, spade_checkpoint: Path) -> None:
        generator, _, _ = load_network(spade_checkpoint)
        with pytest.raises(ValueError, match=r"'style_encoder\.\*' have no scale and shift"):
            switched_copy(generator, [LayerSwitch("style_encoder.*", strength=0.5)])


class TestStatistics:
    """Which statistics a layer takes that could have two kinds."""

    def network(self) -> nn.Module:
        torch.manual_seed(0)
        network = nn.Sequential(build_norm("batch", 4))
        for _ in range(50):
            network(torch.randn(8, 4, 8, 8) * 3 + 2)
        return network.eval().requires_grad_(False)

    def output(self, **switch: Any) -> Tensor:
        twin, _ = switched_copy(self.network(), [LayerSwitch(**switch)])
        return twin(torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1)))

    def test_running_ones_are_used_where_they_are_known(self) -> None:
        as_it_is = self.output()
        assert abs(float(as_it_is.mean())) > 0.5  # this batch has another mean than the running one
        torch.testing.assert_close(self.output(statistics="running"), as_it_is, rtol=0, atol=0)
        torch.testing.assert_close(self.output(normalizer="l1_batch"), as_it_is, rtol=1e-3, atol=1e-3)

    def test_batch(self) -> None:
        own = self.output(statistics="batch")
        torch.testing.assert_close(own.mean((0, 2, 3)), torch.zeros(4), rtol=0, atol=1e-5)
        torch.testing.assert_close(self.output(normalizer="batch", statistics="batch"), own, rtol=0, atol=0)

    def test_those_that_would_start_anew_are_the_batchs_own(self, stylizer: MultiStyleNetwork) -> None:
        twin, changes = switched_copy(stylizer, [LayerSwitch(normalizer="batch")])
        assert {change.notes for change in changes} == {("statistics of the batch itself",)}
        one = torch.rand(1, 3, 32, 32)
        with torch.no_grad():
            expected = stylizer.render(one, stylizer.code("wave"))
            torch.testing.assert_close(twin.render(one, twin.code("wave")), expected, rtol=1e-4, atol=1e-4)


class TestWeights:
    @pytest.mark.parametrize("name", WEIGHT_NORMS)
    def test_every_one(self, name: str, stylizer: MultiStyleNetwork) -> None:
        twin, changes = switched_copy(stylizer, [LayerSwitch(weight_norm=name)])
        assert {change.summary for change in changes} == {f"none → {name}"}
        same = torch.allclose(painted(twin), painted(stylizer), atol=1e-3)
        assert same is (name not in ("weight_standardization", "centred_weights", "conv_norm"))

    def test_a_norm_behind_it_takes_the_length_of_filters_away(self, stylizer: MultiStyleNetwork) -> None:
        """Hoffer et al., *Norm Matters*, section 2; the head has no norm behind it."""
        twin, _ = switched_copy(stylizer, [LayerSwitch("blocks.*", weight_norm="bounded_weight_norm")])
        torch.testing.assert_close(painted(twin), painted(stylizer), rtol=1e-3, atol=1e-3)


class TestFields:
    @pytest.mark.parametrize(
        ("fields", "said"),
        [
            ({"normalizer": "grup"}, "unknown normalizer 'grup'; known are none, batch"),
            ({"normalizer": "group", "options": {"k": 3}}, "unknown option k: normalizer group has groups, eps"),
            (
                {"normalizer": "group", "options": {"groups": "many"}},
                "option groups of group must be a whole number or nothing, got 'man",
            ),
            ({"normalizer": "group", "options": {"eps": True}}, "option eps of group must be a number, got True"),
            (
                {"weight_norm": "spectral_norm", "options": {"n_power_iterations": 0.5}},
                "must be a whole number, got 0.5",
            ),
            ({"options": {"k": 3}}, "options k need a normalizer or a weight_norm"),
            (
                {"normalizer": "memorized_batch", "options": {"batches": 10**9}},
                "option batches of memorized_batch must be at most 1024 in a switch, got 1000000000",
            ),
            ({"removed": "variance"}, "removed must be one of both, mean, deviation, got 'variance'"),
            ({"modulation": "gamma"}, "modulation must be one of both, scale, shift, none, class_mean, map_mean"),
            ({"statistics": "own"}, "statistics must be one of running, batch, got 'own'"),
            ({"strength": 2}, r"must be between 0 and 1.5, got 2"),
            ({"strength": float("nan")}, r"must be between 0 and 1.5, got nan"),
            ({"weight_norm": "weigth_norm"}, "there is no weight normalization 'weigth_norm'"),
            ({"weight_norm": "weight_norm", "strength": 0.5}, "for convolutions: it cannot have strength"),
        ],
    )
    def test_refused(self, fields: dict[str, Any], said: str) -> None:
        with pytest.raises(ValueError, match=said):
            LayerSwitch(**fields)

    @pytest.mark.parametrize("switches", SWITCHES.values(), ids=SWITCHES)
    def test_record(self, switches: tuple[LayerSwitch, ...]) -> None:
        assert tuple(LayerSwitch(**switch.record()) for switch in switches) == switches
        assert LayerSwitch().record() == {}
