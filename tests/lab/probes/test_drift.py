"""Small batches: parts are as passes of their own, drift by hand, and rows of a short training."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from styleapp.lab.probes.drift import DRIFT, Parts, layer_drift, measure_drift
from styleapp.norms import NormLayer, build_norm


def _network(norm: Callable[[int], nn.Module]) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), norm(4), nn.ReLU(), nn.Conv2d(4, 4, 3), norm(4))


class TestParts:
    @pytest.mark.parametrize("size", [1, 2, 6, 9])
    def test_as_passes_of_their_own(self, size: int) -> None:
        """Gradients that are accumulated over small batches, and running statistics, are the same."""
        x = torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(1))
        joined = _network(lambda width: Parts(build_norm("batch", width), size))
        alone = _network(lambda width: build_norm("batch", width))
        joined(x).sigmoid().mean().backward()
        for part in x.split(size):
            (alone(part).sigmoid().mean() * len(part) / 6).backward()
        for ours, theirs in zip(joined.parameters(), alone.parameters(), strict=True):
            assert torch.allclose(ours.grad, theirs.grad, atol=1e-6)
        for ours, theirs in zip(joined.buffers(), alone.buffers(), strict=True):
            assert torch.allclose(ours, theirs)

    def test_whole_in_evaluation(self) -> None:
        norm = build_norm("batch", 3, track_running_stats=False).eval()
        x = torch.randn(4, 3, 5, 5)
        assert torch.equal(Parts(norm, 1).eval()(x), norm(x))


class TestDrift:
    @pytest.mark.parametrize("norm", ["group", "layer", "instance", "none"])
    def test_none_where_statistics_are_the_samples_own(self, norm: str) -> None:
        network = _network(lambda width: build_norm(norm, width, **({"groups": 2} if norm == "group" else {})))
        assert layer_drift(network, torch.randn(4, 3, 8, 8), 1) == pytest.approx(0, abs=1e-6)

    def test_by_hand(self) -> None:
        """Running statistics 0 and 1; the parts [1, 3] and [5, 9] become [−1, 1] each in training."""
        network = nn.Sequential(build_norm("batch", 1, modulator="none", eps=1e-12))
        x = torch.tensor([1.0, 3.0, 5.0, 9.0]).view(4, 1, 1, 1)
        trained = torch.tensor([-1.0, 1.0, -1.0, 1.0])
        expected = float((trained - x.flatten()).norm() / x.norm())
        assert layer_drift(network, x, 2) == pytest.approx(expected)

    def test_larger_parts_drift_less(self) -> None:
        network = _network(lambda width: build_norm("batch", width, momentum=None))
        draws = torch.Generator().manual_seed(2)
        for _ in range(20):
            network(torch.randn(32, 3, 8, 8, generator=draws) * 2 + 1)
        x = torch.randn(32, 3, 8, 8, generator=draws) * 2 + 1
        drifts = [layer_drift(network, x, size) for size in (1, 4, 32)]
        assert drifts == sorted(drifts, reverse=True)

    @pytest.mark.parametrize("training", [True, False])
    @pytest.mark.parametrize("norm", ["batch", "moving_batch", "memorized_batch"])
    def test_nothing_is_changed(self, norm: str, training: bool) -> None:
        network = _network(lambda width: Parts(build_norm(norm, width), 2)).train(training)
        before = {name: value.clone() for name, value in network.state_dict().items()}
        layer_drift(network, torch.randn(4, 3, 8, 8), 2)
        assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
        assert all(module.training is training for module in network.modules())
        assert not any(module._forward_hooks for module in network.modules() if isinstance(module, NormLayer))

    def test_a_network_without_norms(self) -> None:
        with pytest.raises(ValueError, match="the network has no normalization layer"):
            layer_drift(nn.Sequential(nn.Conv2d(3, 4, 3)), torch.ones(2, 3, 8, 8), 1)


class TestTraining:
    @pytest.mark.parametrize("case", DRIFT.cases)
    def test_rows(self, case: str) -> None:
        rows = measure_drift(case, 1, steps=2, sizes=(4, 16))
        assert [(row.case, row.seed, row.batch) for row in rows] == [(case, 1, 4), (case, 1, 16)]
        assert all(math.isfinite(row.loss) and 0 <= row.accuracy <= 1 for row in rows)
        assert measure_drift(case, 1, steps=2, sizes=(16,)) == rows[1:]

    def test_groups_do_not_care_for_the_batch(self) -> None:
        one, many = measure_drift("group", 0, steps=3, sizes=(2, 16))
        assert (one.drift, many.drift) == (0, 0)
        assert one.loss == pytest.approx(many.loss, rel=1e-4)
        assert one.train_loss == pytest.approx(one.loss, rel=1e-5)

    def test_panels(self) -> None:
        panels = DRIFT.panels(measure_drift("batch", 0, steps=1, sizes=(8, 16)))
        assert all(series.x == (8, 16) for panel in panels for series in panel.series)


def test_losses_are_means_over_all_pictures() -> None:
    """Parts only change statistics: without any, training and evaluation say the same."""
    values: list[Tensor] = []
    norm = Parts(build_norm("layer", 3, modulator="none"), 2)
    x = torch.randn(6, 3, 4, 4)
    for mode in (True, False):
        values.append(norm.train(mode)(x))
    assert torch.allclose(*values)
