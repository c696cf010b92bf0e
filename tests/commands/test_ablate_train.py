"""`styleapp ablate`: what is asked for reaches the lab, and what comes back is told; errors are one line."""

import json
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from styleapp.cli import main
from styleapp.lab import grid_run
from styleapp.lab.claims_table import CLAIMS
from styleapp.lab.grid import Cell, Grid
from styleapp.lab.grid_run import CellResult, Outcome

Captured = pytest.CaptureFixture[str]
ROOT = Path(__file__).resolve().parents[2]
FIRST = str(ROOT / "configs" / "ablation" / "grids" / "first.yaml")


@pytest.fixture
def run(capsys: Captured) -> Callable[..., tuple[int, str, str]]:
    """``run("train", …)`` gives exit status, output and errors."""

    def call(*words: object) -> tuple[int, str, str]:
        status = main(["ablate", *map(str, words)])
        return status, *capsys.readouterr()

    return call


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Cells that are asked for; they are done at once, but for those of `none`, which cannot be trained."""
    asked: list[str] = []

    def cells(grid: Grid, chosen: Sequence[Cell], runs: str) -> Iterator[Outcome]:
        assert signal.getsignal(signal.SIGTERM) not in (signal.SIG_DFL, None)
        for cell in chosen:
            asked.append(cell.name)
            result = CellResult(grid.name, cell.choices, cell.seed, 300, 1200, {"style_distance": 0.25})
            failed = cell.choices["normalizer"] == "none"
            yield Outcome(cell, reason=f"{cell.name}: it\nfailed") if failed else Outcome(cell, result, new=True)

    monkeypatch.setattr(grid_run, "run_cells", cells)
    return asked


def test_list(run: Any, tmp_path: Path) -> None:
    status, out, err = run("train", "--grid", FIRST, "--list", "--only", "batch--*", "--runs", tmp_path)
    assert (status, err) == (0, "")
    assert out.splitlines()[1].split() == ["batch--none--seed0", "to", "do"]
    assert out.splitlines()[-1] == "0 of 3 cells are done"
    status, out, _ = run("train", "--grid", FIRST, "--list", "--runs", tmp_path, "--json")
    document = json.loads(out)
    assert (status, document["grid"], len(document["cells"])) == (0, "first", 36)
    assert document["cells"][0] == {"cell": "none--none--seed0", "done": False}


def test_train(run: Any, trained: list[str]) -> None:
    before = signal.getsignal(signal.SIGTERM)
    status, out, err = run("train", "--grid", FIRST, "--only", "batch--*", "--task-id", 1, "--tasks", 2)
    assert trained == ["batch--none--seed1"]
    assert (status, out, err) == (0, "batch--none--seed1: style_distance 0.2500\n", "")
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_cell_that_fails_is_told_and_the_others_are_too(run: Any, trained: list[str]) -> None:
    status, out, err = run("train", "--grid", FIRST, "--only", "*--none--seed0", "--json")
    assert status == 1
    document = json.loads(out)
    assert document["problems"] == ["none--none--seed0: it\nfailed"]
    assert [cell["cell"] for cell in document["cells"]] == [name for name in trained if not name.startswith("none")]
    assert err == "styleapp: none--none--seed0: it failed\n"


def test_a_cell_of_another_process_is_no_failure(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def cells(grid: Grid, chosen: Sequence[Cell], runs: str) -> list[Outcome]:
        return [Outcome(cell, reason=f"{cell.name} is being trained", elsewhere=True) for cell in chosen]

    monkeypatch.setattr(grid_run, "run_cells", cells)
    status, out, err = run("train", "--grid", FIRST, "--only", "batch--none--seed0")
    assert (status, out, err) == (0, "", "styleapp: batch--none--seed0 is being trained\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train", "--grid", "nowhere.yaml"], "nowhere.yaml cannot be read"),
        (["train", "--grid", FIRST, "--only", "rms"], "has no cell 'rms'"),
        (["train", "--grid", FIRST, "--task-id", "3", "--tasks", "3"], "a task has a number from 0"),
        (["train", "--grid", FIRST, "--results", "x"], "--results says where --collect writes"),
        (["train", "--grid", FIRST, "--collect", "--runs", "nowhere"], "no cell of the grid first is done in nowhere"),
        (["train"], "--grid"),
        (["paint"], "'paint'"),
        ([], "ACTION"),
    ],
)
def test_bad_input_is_one_line(run: Any, words: list[str], said: str) -> None:
    status, out, err = run(*words)
    assert (status, out) == (2, "")
    assert err.startswith("styleapp: error: ") and err.count("\n") == 1
    assert said in err


def test_claims(run: Any, tmp_path: Path) -> None:
    page = tmp_path / "claims.md"
    status, out, err = run("claims", "--results", tmp_path, "-o", page)
    assert (status, err) == (0, "")
    assert out.startswith(f"{page}: {len(CLAIMS)} claims, {len(CLAIMS) - 1} open, 1 confirmed")
    assert page.read_text(encoding="utf-8").startswith("# What the papers claim")
    status, out, _ = run("claims", "--results", tmp_path, "--json")
    rows = json.loads(out)["claims"]
    assert {"system", "claim", "experiment", "measured", "verdict", "command"} == set(rows[0])
    assert len(rows) == len(CLAIMS)


@pytest.mark.parametrize("action", ["train", "claims"])
def test_actions_explain_themselves(run: Any, action: str) -> None:
    status, out, err = run(action, "--help")
    assert (status, err) == (0, "")
    assert f"\n  styleapp ablate {action}" in out and "exit status" in out


def test_plot_lists_draws_and_tells(run: Any, ablation_results: Path, tmp_path: Path) -> None:
    status, out, _ = run("plot", "--results", ablation_results)
    assert status == 0 and out.splitlines()[1].split() == ["kinds", "Normalizer", "×", "weight", "norm", "3", "2"]
    file = tmp_path / "sizes.svg"
    status, out, err = run(
        "plot", "sizes", "--results", ablation_results, "-o", file, "--settings", "4--batch", "1--batch"
    )
    assert (status, err) == (0, "") and "batch size" in file.read_text()
    assert [line.split()[:4] for line in out.splitlines()[1:]] == [
        ["batch_size", size, "+", "batch"] for size in ("1", "4")
    ]
    status, out, _ = run("plot", "kinds", "--results", ablation_results, "--json")
    first, _, none = json.loads(out)["settings"]
    assert (first["setting"], first["title"], first["seeds"]) == ("instance--none", "instance", 2)
    assert first["style_distance"] == pytest.approx({"value": 0.105, "deviation": 0.01 / 2**0.5, "seeds": 2})
    assert none["problems"] == ["training diverged"] * 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("plot", "other"), "no results of a grid 'other' were collected; there are those of kinds, sizes"),
        (("plot", "-o", "first.svg"), "name the grid that is to be drawn; those with results are kinds, sizes"),
        (("plot", "kinds", "--loss", "gram"), "the curves of kinds have no 'gram'"),
        (("plot", "kinds", "-o", "kinds.txt"), "kinds.txt: a figure's name must end with .png, .svg, .pdf"),
    ],
)
def test_plot_of_what_is_not_there(run: Any, ablation_results: Path, words: tuple[str, ...], message: str) -> None:
    status, _, err = run(*words, "--results", ablation_results)
    assert status == 2 and message in err and err.count("\n") == 1
