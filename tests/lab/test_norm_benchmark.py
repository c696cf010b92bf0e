"""The measurements of normalization layers: of what, beside what, and that figures are possible ones. Never a time."""

import math
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from styleapp.lab import norm_benchmark
from styleapp.lab.norm_benchmark import NormMeasurement, benchmark_norms, measure_norm, movements, pairs_of
from styleapp.norms import MODULATORS, NORMALIZERS, NormLayer
from styleapp.pipelines.hardware import hardware_name

TINY = (2, 8, 6, 5)
EVERY = pairs_of(list(NORMALIZERS))


def _measure(normalizer: str = "batch", modulator: str = "affine", **options: Any) -> NormMeasurement:
    return measure_norm(normalizer, modulator, **{"shape": TINY, "repeats": 1, "device": "cpu", **options})


class TestPairs:
    def test_every_normalizer_has_learned_scales(self) -> None:
        assert EVERY[: len(NORMALIZERS)] == [(name, "affine") for name in NORMALIZERS]

    def test_two_normalizers_have_conditions(self) -> None:
        conditions = [(name, modulator) for name in ("batch", "instance") for modulator in ("styles", "image", "mask")]
        assert EVERY[len(NORMALIZERS) :] == conditions
        assert {modulator for _, modulator in EVERY} == set(MODULATORS) - {"none"}

    def test_names_stay_in_their_order(self) -> None:
        assert pairs_of(["power", "group"]) == [("power", "affine"), ("group", "affine")]
        assert pairs_of(["instance"])[1:] == [("instance", "styles"), ("instance", "image"), ("instance", "mask")]
        assert pairs_of([]) == []

    def test_an_unknown_name(self) -> None:
        with pytest.raises(ValueError, match="unknown normalizer 'grup'; known are none, batch, sync_batch"):
            pairs_of(["group", "grup"])


class TestMeasurement:
    @pytest.mark.parametrize(("normalizer", "modulator"), EVERY)
    def test_every_figure_is_possible(self, normalizer: str, modulator: str) -> None:
        found = _measure(normalizer, modulator)
        assert (found.normalizer, found.modulator, found.shape) == (normalizer, modulator, TINY)
        assert (found.repeats, found.compiled) == (1, False)
        figures = (found.seconds, found.batch_norm_seconds, found.times_batch_norm, found.share_of_copy)
        assert all(math.isfinite(figure) and figure > 0 for figure in figures)
        assert found.peak_mib >= 0
        assert found.hardware == hardware_name(torch.device("cpu"))

    @pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a peak cannot be set back")
    def test_peaks_hold_at_least_what_a_pass_gives_back(self) -> None:
        """The gradient of the features, 4 MiB; some of the first pages may have been there already."""
        found = _measure("l1_batch", shape=(2, 32, 128, 128))
        assert found.peak_mib > 2
        assert found.batch_norm_peak_mib > 2

    def test_the_ratio_of_one_round_is_that_of_its_times(self) -> None:
        found = _measure()
        assert found.times_batch_norm == pytest.approx(found.seconds / found.batch_norm_seconds)

    @pytest.mark.parametrize(("modulator", "passes"), [("affine", 8), ("styles", 8), ("image", 8), ("mask", 13)])
    def test_share_of_copy_counts_what_must_move(
        self, modulator: str, passes: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A layer takes 10 seconds, BatchNorm2d 5 and a copy 0.5: it moves 4 or 6.5 copies in the time of 20."""
        rounds = [(10.0, 5.0, 0.5)] * 3
        monkeypatch.setattr(norm_benchmark, "interleaved", lambda calls, repeats, place: iter(rounds))
        found = _measure("batch", modulator, repeats=3)
        assert movements(modulator) == passes
        assert found.share_of_copy == pytest.approx(passes / 2 / 20)
        assert (found.seconds, found.batch_norm_seconds, found.times_batch_norm) == (10.0, 5.0, 2.0)

    def test_one_after_the_other(self) -> None:
        results = benchmark_norms(pairs_of(["none", "layer"]), TINY, 1, "cpu")
        assert [found.normalizer for found in results] == ["none", "layer"]

    def test_only_ours_is_compiled(self, monkeypatch: pytest.MonkeyPatch) -> None:
        compiled: list[type[nn.Module]] = []

        def keep(layer: nn.Module, **_: Any) -> nn.Module:
            compiled.append(type(layer))
            return layer

        monkeypatch.setattr(torch, "compile", keep)
        assert _measure("group", compiled=True).compiled
        assert compiled == [NormLayer]


@pytest.mark.parametrize(
    ("measure", "message"),
    [
        (lambda: _measure(repeats=0), "repeats must be at least 1, got 0"),
        (lambda: _measure(shape=(2, 8, 6)), r"four numbers N, C, H, W of at least 1, got \[2, 8, 6\]"),
        (lambda: _measure(shape=(2, 8, 0, 6)), r"of at least 1, got \[2, 8, 0, 6\]"),
        (lambda: _measure(shape=(1, 8, 1, 1)), "at least 2 values a statistic"),
        (lambda: _measure(device="tpu"), "device must be auto, cpu or cuda, got 'tpu'"),
        (lambda: _measure("grup"), "unknown normalizer 'grup'"),
        (lambda: _measure("batch", "afine"), "unknown modulator 'afine'"),
    ],
)
def test_bad_input(measure: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        measure()
