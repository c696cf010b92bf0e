"""``styleapp benchmark --norms``: the table, JSON, and refusals. tests/lab/test_benchmark.py has checkpoints."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import pytest

from styleapp.cli import main
from styleapp.lab import norm_benchmark
from styleapp.lab.norm_benchmark import NormMeasurement, pairs_of
from styleapp.norms import NORMALIZERS

TINY = ["--shape", "2", "8", "6", "5", "--repeats", "1", "--device", "cpu"]
RATIOS = ("seconds", "batch_norm_seconds", "times_batch_norm", "share_of_copy")


def test_a_table_of_the_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark", "--norms", "power", "batch", *TINY]) == 0
    heading, *rows, last = capsys.readouterr().out.splitlines()
    assert heading.split()[:3] == ["normalizer", "modulator", "ms"]
    assert "× BatchNorm2d" in heading
    assert [tuple(row.split()[:2]) for row in rows] == pairs_of(["power", "batch"])
    assert last.startswith("forward and backward of 2×8×6×5 on ")
    assert last.endswith("; medians of 1 rounds")


def test_json(document: Callable[[], Any]) -> None:
    assert main(["benchmark", "--norms", "instance", *TINY, "--json"]) == 0
    records = document()["norms"]
    assert [(record["normalizer"], record["modulator"]) for record in records] == pairs_of(["instance"])
    for record in records:
        assert list(record) == [field.name for field in dataclasses.fields(NormMeasurement)]
        assert (record["shape"], record["repeats"], record["compiled"]) == ([2, 8, 6, 5], 1, False)
        assert all(math.isfinite(record[name]) and record[name] > 0 for name in RATIOS)
        assert min(record["peak_mib"], record["batch_norm_peak_mib"]) >= 0


def test_without_a_name_all(document: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []
    monkeypatch.setattr(norm_benchmark, "benchmark_norms", lambda pairs, *options: asked.extend(pairs) or iter(()))
    assert main(["benchmark", "--norms", *TINY, "--json"]) == 0
    assert document()["norms"] == []
    assert asked == pairs_of(list(NORMALIZERS))


def test_compiled_is_said(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch, "compile", lambda layer, **options: layer)
    assert main(["benchmark", "--norms", "none", "--compiled", *TINY]) == 0
    assert ", compiled; medians of" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--norms grup", "unknown normalizer 'grup'; known are none, batch, sync_batch"),
        ("--norms group grup --json", "unknown normalizer 'grup'"),
        ("--norms none --repeats 0", "repeats must be at least 1, got 0"),
        ("--norms none --shape 2 0 6 5", "N, C, H, W of at least 1, got [2, 0, 6, 5]"),
        ("--norms none --shape 2 8 6", "--shape: expected 4 arguments"),
        ("--norms l1_batch --shape 1 4 1 1", "needs at least 2 values a statistic"),
        ("--norms none --device tpu", "device must be auto, cpu or cuda"),
        ("--norms none --checkpoint adain", "give one of the two"),
        ("--shape 2 8 6 5", "belong to --norms"),
        ("--compiled", "belong to --norms"),
    ],
)
def test_refusals(words: str, said: str, refused: Callable[..., str]) -> None:
    assert said in refused("benchmark", *words.split())
