"""Tables of results: what is written is read again, means over seeds, and the size of what is kept."""

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from styleapp.lab import grid_results
from styleapp.lab.grid import Grid, read_grid
from styleapp.lab.grid_results import Mean, Row, collect, curves_to_csv, read_rows, results_to_csv, summarized
from styleapp.lab.grid_run import CellResult, folder_of

Write = Callable[..., Path]


def _result(setting: str = "batch", seed: int = 0, style: float = 0.5, **more: Any) -> CellResult:
    curve = [{"step": 2, "loss": 3.0 + seed, "style": 1.0}, {"step": 4, "loss": 2.0 + seed, "style": None}]
    facts = {"steps": 4, "samples": 8, "scores": {"style_distance": style}, "curve": curve, "device": "CPU, 1 threads"}
    return CellResult("tiny", {"normalizer": setting, "weight_norm": "none"}, seed, **{**facts, **more})


def _write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_results_are_read_again(tmp_path: Path) -> None:
    lost = _result(seed=1, scores={}, problem="training diverged: with a comma, and more")
    rows = read_rows(_write(tmp_path / "a.csv", results_to_csv([_result(), lost])))
    assert [dict(row.choices) for row in rows] == [{"normalizer": "batch", "weight_norm": "none"}] * 2
    assert [row.seed for row in rows] == [0, 1]
    assert rows[0].numbers["style_distance"] == 0.5
    assert rows[0].numbers["loss"] == 2.0
    assert "style_distance" not in rows[1].numbers
    assert [row.problem for row in rows] == ["", lost.problem]
    assert rows[0].setting == "batch--none"


def test_curves_are_read_again(tmp_path: Path) -> None:
    rows = read_rows(_write(tmp_path / "a.csv", curves_to_csv([_result(seed=0), _result(seed=1)])))
    assert [(row.seed, row.numbers["step"], row.numbers["loss"]) for row in rows] == [
        (0, 2, 3.0),
        (0, 4, 2.0),
        (1, 2, 4.0),
        (1, 4, 3.0),
    ]
    assert "style" not in rows[1].numbers  # it was not finite


def test_table_of_a_probe_is_read(tmp_path: Path) -> None:
    rows = read_rows(_write(tmp_path / "p.csv", "case,seed,depth,variance\nbatch,0,1,2.5\nnone,0,1,inf\n"))
    assert [dict(row.choices) for row in rows] == [{"case": "batch"}, {"case": "none"}]
    assert [dict(row.numbers) for row in rows] == [{"depth": 1, "variance": 2.5}, {"depth": 1}]


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "a,seed,loss\nx,0,much\n", "a,seed,loss\nx,0\n"])
def test_other_tables_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match=r"a\.csv is no table of a grid's results"):
        read_rows(_write(tmp_path / "a.csv", text))
    with pytest.raises(ValueError, match=r"gone\.csv cannot be read"):
        read_rows(tmp_path / "gone.csv")


def test_mean_over_rows_and_then_over_seeds(tmp_path: Path) -> None:
    """Seed 0: 3 and 2, seed 1: 4 and 3; so 2.5 and 3.5, whose deviation is √½."""
    rows = read_rows(_write(tmp_path / "a.csv", curves_to_csv([_result(seed=0), _result(seed=1)])))
    mean = summarized(rows, "loss")
    assert mean == Mean(3.0, pytest.approx(0.5**0.5), 2)
    assert summarized(rows, "nothing") is None


@pytest.mark.parametrize(
    ("mean", "words"),
    [
        (Mean(0.08123, 0.00312, 3), "0.0812 ± 0.0031"),
        (Mean(0.5, 0.0, 1), "0.500"),
        (Mean(12.345, 1.0, 2), "12.3 ± 1.0"),
        (Mean(0.0, 0.0, 2), "0.00 ± 0.00"),
        (Mean(2.0**20, 10.0, 3), "1048576 ± 10"),
    ],
)
def test_figures_have_three_digits(mean: Mean, words: str) -> None:
    assert str(mean) == words


@pytest.fixture
def trained(write_grid: Write, tmp_path: Path) -> tuple[Grid, Path]:
    """A grid with two seeds, of which all cells but the last are done."""
    grid = read_grid(write_grid(seeds=[0, 1]))
    runs = tmp_path / "runs"
    for number, cell in enumerate(grid.cells()[:-1]):
        folder = folder_of(runs, grid, cell)
        folder.mkdir(parents=True)
        (folder / "recipe.yaml").write_text(yaml.safe_dump(grid.recipe_of(cell, folder)))
        (folder / "network.safetensors").write_bytes(b"x" * 1000)
        result = CellResult("tiny", cell.choices, cell.seed, 4, 8, {"style_distance": number / 10})
        (folder / "result.json").write_text(json.dumps(asdict(result)))
    return grid, runs


def test_collected_are_tables_and_the_networks_of_one_seed(trained: tuple[Grid, Path], tmp_path: Path) -> None:
    found = collect(*trained, tmp_path / "results")
    assert found.missing == ("batch--none--seed1",)
    assert [row.numbers["style_distance"] for row in read_rows(found.results)] == [0.0, 0.1, 0.2]
    assert found.curves.name == "tiny-curves.csv"
    names = ["batch--none.safetensors", "instance--weight_standardization.safetensors"]
    assert sorted(path.name for path in (tmp_path / "results" / "tiny").iterdir()) == names
    assert collect(*trained, tmp_path / "results") == found  # again, over what is there


def test_what_was_trained_elsewhere_stays(trained: tuple[Grid, Path], tmp_path: Path) -> None:
    grid, runs = trained
    everything = collect(grid, runs, tmp_path / "results")
    before = everything.results.read_text(), everything.curves.read_text()
    first, second, *_ = grid.cells()
    shutil.rmtree(folder_of(runs, grid, first))
    result = CellResult("tiny", second.choices, second.seed, 4, 8, {"style_distance": 0.7, "other": 1.0})
    (folder_of(runs, grid, second) / "result.json").write_text(json.dumps(asdict(result)))
    found = collect(grid, runs, tmp_path / "results")
    assert found.missing == everything.missing
    rows = read_rows(found.results)
    assert [row.numbers["style_distance"] for row in rows] == [0.0, 0.7, 0.2]  # the first from before, then the new one
    assert [row.numbers.get("other") for row in rows] == [None, 1.0, None]
    assert [row.seed for row in rows] == [row.seed for row in read_rows_of(before[0], tmp_path)]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "normalizer,weight_norm,",
            "normalizer,",
            "tiny.csv was collected from a grid with other axes: delete it first",
        ),
        (",4,8,", ",5,8,", "tiny.csv has cells of other steps or samples than the grid has now: delete it first"),
    ],
)
def test_what_was_collected_from_another_grid_is_refused(
    trained: tuple[Grid, Path], tmp_path: Path, old: str, new: str, message: str
) -> None:
    grid, runs = trained
    table = collect(grid, runs, tmp_path / "results").results
    table.write_text(table.read_text().replace(old, new))
    shutil.rmtree(folder_of(runs, grid, grid.cells()[0]))
    before = table.read_text()
    with pytest.raises(ValueError, match=message):
        collect(grid, runs, tmp_path / "results")
    assert table.read_text() == before


def read_rows_of(text: str, folder: Path) -> tuple[Row, ...]:
    return read_rows(_write(folder / "before.csv", text))


def test_networks_must_be_small(trained: tuple[Grid, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid_results, "LARGEST", 2500)
    other = tmp_path / "results" / "other" / "big.safetensors"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"x" * 600)
    with pytest.raises(ValueError, match="would take 0.0 MB, and 0 MB are allowed: set kept_seed of the grid to null"):
        collect(*trained, tmp_path / "results")
    assert not (tmp_path / "results" / "tiny.csv").exists()
    other.write_bytes(b"x" * 500)
    collect(*trained, tmp_path / "results")


def test_nothing_to_collect(write_grid: Write, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no cell of the grid tiny is done in .*: train first"):
        collect(read_grid(write_grid()), tmp_path)
