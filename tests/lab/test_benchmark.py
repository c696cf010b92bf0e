"""The measurements: that they are of the right thing, finite, and apart from each other."""

import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from styleapp.cli import main
from styleapp.lab.benchmark import benchmark, interleaved, measure, measure_apart
from styleapp.lab.convolutions import bare_convolutions, record_convolutions
from styleapp.lab.memory import PeakMemory
from styleapp.lab.peers import PlainAdaIN
from styleapp.models.adain import AdaINStylizer
from styleapp.pipelines.hardware import hardware_name

CPU = torch.device("cpu")
RATIOS = ("times_bare", "times_plain")
FIGURES = ("seconds", "images_per_second", "peak_mib", "bare_seconds", "plain_seconds", *RATIOS)


@pytest.fixture(scope="module")
def plain(network: AdaINStylizer) -> PlainAdaIN:
    """The peer with the weights of our network, so that outputs can be compared."""
    peer = PlainAdaIN().eval().requires_grad_(False)
    ours = [m for part in (network.encoder, network.decoder) for m in part.modules() if isinstance(m, nn.Conv2d)]
    theirs = [module for module in peer.modules() if isinstance(module, nn.Conv2d)]
    for source, target in zip(ours, theirs, strict=True):
        target.load_state_dict(source.state_dict())
    return peer


class TestPeer:
    def test_computes_what_ours_computes(self, network: AdaINStylizer, plain: PlainAdaIN) -> None:
        photo, style = torch.rand(2, 1, 3, 64, 48, generator=torch.Generator().manual_seed(1))
        shifted, scale = (photo - network.encoder.mean) / network.encoder.std, network.decoder.feature_scale
        mean, deviation = plain.code((style - network.encoder.mean) / network.encoder.std)
        features = plain.encoder(shifted)
        theirs = plain.decoder(_restyled(features, mean, deviation) / scale)
        ours = network.render(photo, network.code(style))
        assert torch.allclose(ours, theirs, rtol=1e-3, atol=1e-3)

    def test_keeps_the_size(self, plain: PlainAdaIN) -> None:
        photo = torch.rand(1, 3, 40, 56)
        assert plain(photo, plain.code(photo)).shape == photo.shape


def _restyled(features: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
    variance, own = torch.var_mean(features, dim=(2, 3), keepdim=True, correction=0)
    count = features.shape[2] * features.shape[3]
    biased = (deviation.square() - 1e-5) * (6 * 8 - 1) / (6 * 8)  # the peer's deviation is unbiased, with ε
    assert count == 6 * 8
    return (features - own) / (variance + 1e-5).sqrt() * biased.clamp_min(0).sqrt() + mean


class TestBareConvolutions:
    @pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
    def test_are_those_of_the_network(self, mode: type, network: AdaINStylizer) -> None:
        photo = torch.rand(1, 3, 32, 48).contiguous(memory_format=torch.channels_last)
        with mode():
            code = network.code(photo)
            calls = record_convolutions(lambda: network.render(photo, code))
        layers = [m for part in (network.encoder, network.decoder) for m in part.modules() if isinstance(m, nn.Conv2d)]
        assert [call.weight.data_ptr() for call in calls] == [layer.weight.data_ptr() for layer in layers]
        sides = [(call.image.shape[2], call.image.shape[3]) for call in calls]
        halves = [(32, 48), (16, 24), (8, 12), (4, 6)]
        encoder = [halves[0]] * 2 + [halves[1]] * 2 + [halves[2]] * 4 + [halves[3]]
        decoder = [halves[3]] + [halves[2]] * 4 + [halves[1]] * 2 + [halves[0]] * 2
        assert sides == encoder + decoder
        for call in calls:
            assert call.image.is_contiguous(memory_format=torch.channels_last)
            assert call().shape[2:] == call.image.shape[2:]
        bare_convolutions(calls)

    @pytest.mark.parametrize(
        "layer",
        [
            nn.Conv2d(4, 6, 3, stride=2, padding=1),
            nn.Conv2d(4, 4, 3, groups=4, padding=1),
            nn.Conv2d(4, 2, 1),
            nn.Conv2d(4, 2, 5, padding=2, bias=False),
        ],
    )
    def test_other_kinds_keep_their_shape(self, layer: nn.Conv2d) -> None:
        image = torch.rand(1, 4, 16, 16)
        (call,) = record_convolutions(lambda: layer(image))
        assert call().shape == layer(image).shape
        assert call.groups == layer.groups

    @pytest.mark.parametrize("layer", [nn.ConvTranspose2d(3, 3, 3), nn.Conv2d(3, 3, 3, dilation=2), nn.ReLU()])
    def test_what_cannot_be_compared_is_refused(self, layer: nn.Module) -> None:
        with pytest.raises(NotImplementedError):
            record_convolutions(lambda: layer(torch.rand(1, 3, 16, 16)))


class TestTiming:
    def test_calls_take_turns_after_a_warm_up(self) -> None:
        order: list[str] = []
        rounds = list(interleaved([lambda: order.append("a"), lambda: order.append("b")], 2, CPU))
        assert order == ["a", "b"] * 3
        assert [len(taken) for taken in rounds] == [2, 2]
        assert all(seconds >= 0 for taken in rounds for seconds in taken)

    @pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a peak cannot be set back")
    def test_peak_memory_is_that_of_the_block(self) -> None:
        with PeakMemory(CPU) as memory:
            held = np.ones(8 * 2**20)  # 64 MiB
            del held
        assert memory.mib == pytest.approx(64, abs=12)
        with PeakMemory(CPU) as memory:
            held = np.ones(2**20)
            del held
        assert memory.mib < 30


class TestMeasurement:
    def test_every_figure_is_finite_and_positive(self, checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
        words = ["benchmark", "--checkpoint", str(checkpoint), "--sizes", "64", "--repeats", "1", "--device", "cpu"]
        assert main([*words, "--json"]) == 0
        (record,) = json.loads(capsys.readouterr().out)["measurements"]
        assert (record["size"], record["repeats"], record["checkpoint"]) == (64, 1, str(checkpoint))
        assert all(math.isfinite(record[name]) and record[name] > 0 for name in FIGURES)
        assert record["images_per_second"] == pytest.approx(1 / record["seconds"])
        assert record["times_bare"] == pytest.approx(record["seconds"] / record["bare_seconds"])
        assert record["times_plain"] == pytest.approx(record["plain_seconds"] / record["seconds"])
        assert record["hardware"].rpartition(", ")[0] == hardware_name(CPU).rpartition(", ")[0]

    def test_the_ratio_is_said_in_words(self, capsys: pytest.CaptureFixture[str]) -> None:
        from styleapp.commands.benchmark import show
        from styleapp.lab.benchmark import Measurement

        show([Measurement("adain", 512, 1.0, 1.0, 100.0, 0.8, 1.25, 2.5, 2.5, 5, "a machine")])
        assert "adain at 512: 1.25 × its bare convolutions" in capsys.readouterr().out

    def test_networks_for_masks_have_no_plain_peer(
        self, spade_checkpoint: Path, segmenter_checkpoint: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        checkpoints = [str(spade_checkpoint), str(segmenter_checkpoint)]
        words = ["benchmark", "--checkpoint", *checkpoints, "--sizes", "64", "--repeats", "1", "--device", "cpu"]
        assert main([*words, "--json"]) == 0
        records = json.loads(capsys.readouterr().out)["measurements"]
        assert [record["checkpoint"] for record in records] == checkpoints
        for record in records:
            assert all(record.pop(name) is None for name in ("plain_seconds", "times_plain"))
            assert all(math.isfinite(record[name]) and record[name] > 0 for name in FIGURES if name in record)
            assert record["times_bare"] == pytest.approx(record["seconds"] / record["bare_seconds"])

    def test_without_a_peer_the_table_has_a_dash(self, capsys: pytest.CaptureFixture[str]) -> None:
        from styleapp.commands.benchmark import show
        from styleapp.lab.benchmark import Measurement

        show([Measurement("facades", 256, 0.25, 4.0, 50.0, 0.2, 1.25, None, None, 5, "a machine")])
        out = capsys.readouterr().out.splitlines()
        assert out[1].split() == ["facades", "256", "0.250", "4.00", "50", "1.25", "-"]
        assert out[2] == "facades at 256: 1.25 × its bare convolutions"

    def test_named_styles_are_measured_too(self, named_checkpoint: Path) -> None:
        assert measure(named_checkpoint, 64, repeats=1, device="cpu").seconds > 0

    @pytest.mark.parametrize("size", [8, 60])
    def test_sizes_that_do_not_suit_are_refused(self, size: int, checkpoint: Path) -> None:
        from styleapp.lab.benchmark import check_size

        with pytest.raises(ValueError, match=f"multiples of 8 and at least 16, got {size}"):
            check_size(size, AdaINStylizer.stride)

    def test_a_reason_comes_back_from_the_other_process(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=r"could not be measured: checkpoint .*nowhere.* is neither a file nor"):
            measure_apart(tmp_path / "nowhere", 64, 1)

    def test_at_least_one_round(self, checkpoint: Path) -> None:
        with pytest.raises(ValueError, match="at least 1, got 0"):
            list(benchmark([checkpoint], [64], repeats=0))
