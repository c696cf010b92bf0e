"""Cells of a grid: trained by the real script, scored, resumed, skipped, and collected into tables."""

import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from filelock import FileLock

from styleapp.checkpoint import load_network
from styleapp.lab import grid_run
from styleapp.lab.grid import Grid, chosen_cells, read_grid
from styleapp.lab.grid_results import collect, read_rows
from styleapp.lab.grid_run import folder_of, result_of, run_cells
from styleapp.training.callbacks import LossCurve

ROOT = Path(__file__).resolve().parents[2]
Write = Callable[..., Path]
Commands = list[list[str]]


def _in_process(command: Sequence[str], log: Path) -> int:
    """``train.py`` in this process, which spares half a minute of imports."""
    assert list(command[:2]) == [sys.executable, str(ROOT / "train.py")]
    spec = importlib.util.spec_from_file_location("train", ROOT / "train.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["train.py"])  # Lightning warns of arguments beside its own
        module.main(list(command[2:]))
    return 0


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Commands:
    """The trainings that are begun in this process."""
    seen: Commands = []

    def call(command: Sequence[str], log: Path) -> int:
        seen.append(list(command))
        return _in_process(command, log)

    monkeypatch.setattr(grid_run, "_process", call)
    return seen


@pytest.fixture(scope="module")
def grid(write_grid: Write) -> Grid:
    return read_grid(write_grid())


@pytest.fixture(scope="module")
def runs(grid: Grid, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where both cells of the grid are trained."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grid_run, "_process", _in_process)
        assert [(one.new, one.reason) for one in run_cells(grid, grid.cells(), folder)] == [(True, "")] * 2
    return folder


def test_results(grid: Grid, runs: Path) -> None:
    first, second = (result_of(runs, grid, cell) for cell in grid.cells())
    assert first is not None and second is not None
    assert (first.setting, second.setting) == ("instance--weight_standardization", "batch--none")
    for one in (first, second):
        assert (one.grid, one.seed, one.steps, one.samples, one.problem) == ("tiny", 0, 4, 8, "")
        assert set(one.scores) == {"style_distance", "content_distance", "photo_itself_style_distance"}
        assert [point["step"] for point in one.curve] == [2, 4]
        assert all(point["loss"] == pytest.approx(_sum_of_parts(point), rel=1e-3) for point in one.curve)
        assert one.processor_seconds > 0
    assert first.scores["photo_itself_style_distance"] == second.scores["photo_itself_style_distance"]


def _sum_of_parts(point: Mapping[str, float | None]) -> float:
    return sum(value or 0 for name, value in point.items() if name not in ("step", "loss"))


def test_networks_have_plain_weights_and_fresh_statistics(grid: Grid, runs: Path) -> None:
    first, second = (load_network(folder_of(runs, grid, cell) / "network.safetensors") for cell in grid.cells())
    assert "weight_norm" not in first[1].options
    assert first[1].record["seed"] == 0
    # Cumulative means over two batches, where four training steps would have counted on.
    assert second[0].entry_norm.normalizer.num_batches_tracked == 2  # type: ignore[union-attr]


def test_what_is_done_is_skipped(grid: Grid, runs: Path, commands: Commands) -> None:
    outcomes = list(run_cells(grid, grid.cells(), runs))
    assert [one.new for one in outcomes] == [False, False]
    assert [one.result for one in outcomes] == [result_of(runs, grid, cell) for cell in grid.cells()]
    assert commands == []


def test_interrupted_cell_ends_as_if_it_had_not_been(
    grid: Grid, runs: Path, commands: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cell,) = chosen_cells(grid, "batch*")

    def stop(self: LossCurve, trainer: Any, *_: Any) -> None:
        if trainer.global_step == 2:
            raise RuntimeError("the machine goes down")

    with monkeypatch.context() as patch:
        patch.setattr(LossCurve, "on_train_batch_start", stop)
        (stopped,) = run_cells(grid, [cell], tmp_path)
    assert stopped.reason == f"{cell.name}: the machine goes down"
    (resumed,) = run_cells(grid, [cell], tmp_path)
    assert commands[1][-1] == f"--ckpt_path={folder_of(tmp_path, grid, cell)}/checkpoints/last.ckpt"
    whole = result_of(runs, grid, cell)
    assert whole is not None and resumed.result is not None
    assert resumed.result.scores == whole.scores
    assert resumed.result.curve == whole.curve


def test_scores_alone_are_made_up_for(grid: Grid, runs: Path, commands: Commands) -> None:
    """A process that ends between training and scoring does not train again; half a result is none."""
    (cell,) = chosen_cells(grid, "batch*")
    file, whole = folder_of(runs, grid, cell) / "result.json", result_of(runs, grid, cell)
    file.write_bytes(file.read_bytes()[:100])
    assert result_of(runs, grid, cell) is None
    (again,) = run_cells(grid, [cell], runs)
    assert again.new and again.result == whole
    assert commands == []


def test_training_that_diverges_is_a_result(
    grid: Grid, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cell,) = chosen_cells(grid, "batch*")
    saved = torch.load(folder_of(runs, grid, cell) / "checkpoints" / "last.ckpt", weights_only=True)
    saved["state_dict"]["network.entry.weight"].fill_(70_000)  # infinite in half precision
    saved["callbacks"]["LossCurve"]["points"][-1]["loss"] = float("nan")
    monkeypatch.setattr(grid_run, "_trained", lambda folder, recipe: saved)
    (outcome,) = run_cells(grid, [cell], tmp_path)
    assert outcome.result is not None
    assert outcome.result.problem.startswith("training diverged")
    assert outcome.result.scores == {}
    assert outcome.result.curve[-1]["loss"] is None
    assert result_of(tmp_path, grid, cell) == outcome.result


def test_other_settings_are_not_taken_for_the_same(grid: Grid, runs: Path, write_grid: Write, tmp_path: Path) -> None:
    other = read_grid(write_grid(steps=6))
    outcomes = list(run_cells(other, other.cells(), runs))
    assert all("was begun with other settings than the grid has now" in one.reason for one in outcomes)
    with pytest.raises(ValueError, match="begun with other settings"):
        collect(other, runs, tmp_path)


def test_scores_of_another_kind_are_not_mixed(grid: Grid, runs: Path, tmp_path: Path) -> None:
    other = replace(grid, scoring=replace(grid.scoring, photos=2))
    with pytest.raises(ValueError, match=r"was scored in another way than the grid has now: remove its result\.json"):
        collect(other, runs, tmp_path)


def test_results_may_be_moved(grid: Grid, runs: Path, commands: Commands, tmp_path: Path) -> None:
    shutil.copytree(runs, tmp_path / "elsewhere")
    assert [one.new for one in run_cells(grid, grid.cells(), tmp_path / "elsewhere")] == [False, False]
    assert collect(grid, tmp_path / "elsewhere", tmp_path / "results").missing == ()


def test_a_cell_of_another_process_is_left_to_it(grid: Grid, commands: Commands, tmp_path: Path) -> None:
    (cell,) = chosen_cells(grid, "batch*")
    folder = folder_of(tmp_path, grid, cell)
    folder.mkdir(parents=True)
    with FileLock(folder / "lock"):
        (outcome,) = run_cells(grid, [cell], tmp_path)
    assert outcome.reason == f"{cell.name} is being trained by another process" and outcome.elsewhere
    assert commands == []


def test_a_failing_cell_says_why_and_the_others_go_on(
    grid: Grid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(command: Sequence[str], log: Path) -> int:
        log.write_text("Traceback …\nValueError: no such folder\n\n", encoding="utf-8")
        return 1

    monkeypatch.setattr(grid_run, "_process", fail)
    outcomes = list(run_cells(grid, grid.cells(), tmp_path))
    assert len(outcomes) == 2
    for one in outcomes:
        assert one.reason.startswith(f"{one.cell.name}: training failed: ValueError: no such folder (")


def test_a_damaged_checkpoint_is_begun_again(grid: Grid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (cell,) = chosen_cells(grid, "batch*")
    last = folder_of(tmp_path, grid, cell) / "checkpoints" / "last.ckpt"
    last.parent.mkdir(parents=True)
    last.write_bytes(b"cut off")

    def train(command: Sequence[str], log: Path) -> int:
        assert not command[-1].startswith("--ckpt_path=")
        assert not last.exists()  # beside it, the new one would have another name
        return 0

    monkeypatch.setattr(grid_run, "_process", train)
    (outcome,) = run_cells(grid, [cell], tmp_path)
    assert "training ended after 0 of 4 steps" in outcome.reason


def test_what_a_process_prints_is_kept(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    assert grid_run._process([sys.executable, "-c", "print('first')"], log) == 0
    assert grid_run._process([sys.executable, "-c", "raise SystemExit('second')"], log) == 1
    assert log.read_text().split() == ["first", "second"]


@pytest.mark.slow
def test_in_processes_from_the_command_line(write_grid: Write, tmp_path: Path) -> None:
    """Two cells of 20 steps by two processes that share the grid; then the tables and a network that paints."""
    path, runs, results = write_grid(steps=20), tmp_path / "runs", tmp_path / "results"
    command = [sys.executable, "-m", "styleapp", "ablate", "train", f"--grid={path}", f"--runs={runs}", "--json"]
    tasks = [
        subprocess.Popen([*command, f"--task-id={task}", "--tasks=2"], cwd=ROOT, stdout=subprocess.PIPE)
        for task in range(2)
    ]
    told = [json.loads(task.communicate(timeout=500)[0]) for task in tasks]
    assert [task.returncode for task in tasks] == [0, 0]
    assert [[cell["cell"] for cell in one["cells"]] for one in told] == [
        ["instance--weight_standardization--seed0"],
        ["batch--none--seed0"],
    ]
    done = subprocess.run([*command, "--collect", f"--results={results}"], cwd=ROOT, capture_output=True, check=True)
    assert json.loads(done.stdout)["missing"] == []
    rows = read_rows(results / "tiny.csv")
    assert [row.numbers["steps"] for row in rows] == [20, 20]
    assert len(read_rows(results / "tiny-curves.csv")) == 20
    network: Any = load_network(results / "tiny" / "batch--none.safetensors")[0]
    picture = network.render(torch.rand(1, 3, 32, 32), network.code(network.styles[0]))
    assert bool(picture.isfinite().all())
