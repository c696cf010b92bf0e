"""``styleapp probe``: the list, tables, files, JSON, and refusals."""

import csv
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from styleapp.cli import main
from styleapp.lab.probes import PROBES
from styleapp.lab.probes.growth import GROWTH, GrowthRow

Captured = pytest.CaptureFixture[str]
QUICK = ["probe", "growth", "--cases", "layer", "none", "--seeds", "2"]


def test_all_are_listed(capsys: Captured) -> None:
    assert main(["probe", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if not line.startswith(" ")] == list(PROBES)
    assert f"  cases: {', '.join(GROWTH.cases)}" in lines


def test_the_list_as_json(document: Callable[[], Any]) -> None:
    assert main(["probe", "--list", "--json"]) == 0
    listed = document()["probes"]
    assert [one["name"] for one in listed] == list(PROBES)
    assert listed[1]["cases"] == list(GROWTH.cases)


def test_a_table(capsys: Captured) -> None:
    assert main(QUICK) == 0
    heading, *rows, last = capsys.readouterr().out.splitlines()
    assert heading.split() == ["case", "block", "variance"]
    assert [row.split()[:2] for row in rows] == [[case, str(n)] for case in ("layer", "none") for n in GROWTH.shown]
    assert all(" ± " in row for row in rows)
    assert last.endswith("mean ± deviation of 2 seeds")


def test_json_has_all_rows(document: Callable[[], Any]) -> None:
    assert main([*QUICK, "--json"]) == 0
    found = document()
    assert (found["probe"], found["source"]) == ("growth", GROWTH.source)
    expected = [row for case in ("layer", "none") for seed in (0, 1) for row in GROWTH.measure(case, seed)]
    assert [(r["case"], r["seed"], r["block"]) for r in found["rows"]] == [(r.case, r.seed, r.block) for r in expected]
    assert [r["variance"] for r in found["rows"]] == pytest.approx([r.variance for r in expected], rel=1e-3)


def test_files(tmp_path: Path, capsys: Captured) -> None:
    table, figure = tmp_path / "new" / "rows.csv", tmp_path / "figure.svg"
    assert main([*QUICK, "--csv", str(table), "--plot", str(figure)]) == 0
    with table.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == 2 * 2 * 20
    assert list(rows[0]) == [field.name for field in dataclasses.fields(GrowthRow)]
    assert "<svg" in figure.read_text(encoding="utf-8")
    assert "variance" in capsys.readouterr().out


def test_what_diverged_is_null(document: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    rows = (GrowthRow("none", 0, 1, float("inf")),)
    monkeypatch.setitem(PROBES, "growth", dataclasses.replace(GROWTH, measure=lambda case, seed: rows))
    assert main(["probe", "growth", "--cases", "none", "--seeds", "1", "--json"]) == 0
    assert document()["rows"] == [{"case": "none", "seed": 0, "block": 1, "variance": None}]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "name a probe: signals, growth, landscape, rates, drift"),
        ("grow", "unknown probe 'grow'; known are signals, growth"),
        ("growth --cases layer grup", "probe growth has no case 'grup'; it has none, batch, layer"),
        ("growth --seeds 0", "--seeds must be at least 1, got 0"),
        ("growth --seeds many", "argument --seeds: invalid int value: 'many'"),
        ("growth --plot figure.gif", "figure.gif: a figure's name must end with .png, .svg, .pdf"),
    ],
)
def test_refusals(words: str, said: str, refused: Callable[..., str]) -> None:
    assert said in refused("probe", *words.split())


@pytest.mark.parametrize("option", ["--csv", "--plot"])
def test_a_file_that_cannot_be_written(option: str, tmp_path: Path, refused: Callable[..., str]) -> None:
    (tmp_path / "file").write_text("")
    target = tmp_path / "file" / "figure.png"
    assert "cannot be written" in refused(*QUICK, option, target)
