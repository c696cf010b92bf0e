"""Training the cells of a grid, one process each; what is done is skipped, what was interrupted goes on."""

import json
import math
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
import yaml
from filelock import FileLock, Timeout

from styleapp.data.files import write_whole
from styleapp.lab.grid import Cell, Grid
from styleapp.lab.grid_scores import scores_of
from styleapp.training.export import export_run

__all__ = ["CellResult", "Outcome", "folder_of", "read_result", "result_of", "run_cells"]

RESULT, NETWORK, RECIPE, LOG = "result.json", "network.safetensors", "recipe.yaml", "log.txt"
CURVE_POINTS = 60
TRAIN = Path(__file__).resolve().parents[2] / "train.py"


@dataclass(frozen=True)
class CellResult:
    """What came of a cell.

    Attributes:
        choices, seed: see :class:`styleapp.lab.grid.Cell`.
        steps, samples: of the training; samples are steps times batch size.
        scores: by name, as ``styleapp evaluate`` has them; empty where there is a problem.
        curve: training losses over the steps: ``step``, ``loss`` and its parts, each a mean over the steps since the
            point before; ``None`` where it was not finite.
        seconds, processor_seconds: of the training alone, on the clock and of the processor.
        device, commit: on what it was trained, and with which code.
        problem: why there are no scores, in words; empty where there are.
        scoring: what the scores were taken over, see :class:`styleapp.lab.grid.Scoring`; empty in results from before
            it was noted.
    """

    grid: str
    choices: Mapping[str, str]
    seed: int
    steps: int
    samples: int
    scores: Mapping[str, float] = field(default_factory=dict)
    curve: Sequence[Mapping[str, float | None]] = ()
    seconds: float = 0.0
    processor_seconds: float = 0.0
    device: str = ""
    commit: str = ""
    problem: str = ""
    scoring: Mapping[str, Any] = field(default_factory=dict)

    @property
    def setting(self) -> str:
        return "--".join(self.choices.values())


@dataclass(frozen=True)
class Outcome:
    """What happened to a cell.

    Attributes:
        result: where it is done; ``new`` where it was trained now.
        reason: why it is not done, in words; it did not fail where it is ``elsewhere``, trained by another process.
    """

    cell: Cell
    result: CellResult | None = None
    new: bool = False
    reason: str = ""
    elsewhere: bool = False


def folder_of(runs: str | Path, grid: Grid, cell: Cell) -> Path:
    """Where a cell's run lies."""
    return Path(runs) / grid.name / cell.name


def result_of(runs: str | Path, grid: Grid, cell: Cell) -> CellResult | None:
    """The result of a cell that is done, else ``None``.

    Raises:
        ValueError: it was trained or scored with other settings than the grid has now.
    """
    folder = folder_of(runs, grid, cell)
    result = read_result(folder / RESULT)
    if result is not None:
        _require_same(grid, cell, folder)
        if result.scoring and result.scoring != asdict(grid.scoring):
            raise ValueError(f"{folder} was scored in another way than the grid has now: remove its {RESULT}")
    return result


def read_result(path: Path) -> CellResult | None:
    """From a file; ``None`` where there is none, or half of one."""
    try:
        return CellResult(**json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def run_cells(grid: Grid, cells: Sequence[Cell], runs: str | Path) -> Iterator[Outcome]:
    """Trains and scores what is not done; gives one outcome a cell, in their order.

    Several processes may share a folder of runs: a cell that another one trains is left to it. A cell that fails does
    not keep the others from being trained.
    """
    for cell in cells:
        try:
            yield _run(grid, cell, folder_of(runs, grid, cell))
        except (ValueError, OSError, RuntimeError) as error:
            yield Outcome(cell, reason=f"{cell.name}: {error}")


def _run(grid: Grid, cell: Cell, folder: Path) -> Outcome:
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "lock", timeout=0)
    try:
        with lock:
            done = result_of(folder.parents[1], grid, cell)
            if done is not None:
                return Outcome(cell, done)
            _require_same(grid, cell, folder)
            recipe = grid.recipe_of(cell, folder)
            write_whole(folder / RECIPE, yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True).encode())
            saved = _trained(folder, recipe)
            result = _judged(grid, cell, folder, recipe, saved)
            write_whole(folder / RESULT, (json.dumps(asdict(result), indent=1, allow_nan=False) + "\n").encode())
            return Outcome(cell, result, new=True)
    except Timeout:
        return Outcome(cell, reason=f"{cell.name} is being trained by another process", elsewhere=True)


def _require_same(grid: Grid, cell: Cell, folder: Path) -> None:
    """What was begun in a folder must be this cell as the grid has it now; the folder may have been moved."""
    file = folder / RECIPE
    if not file.is_file():
        return
    begun = yaml.safe_load(file.read_text(encoding="utf-8"))
    if begun != grid.recipe_of(cell, Path(begun["trainer"]["default_root_dir"])):
        raise ValueError(f"{folder} was begun with other settings than the grid has now: remove it, or name another")


# Training


def _trained(folder: Path, recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The checkpoint after the last step, which is trained up to if need be."""
    steps = recipe["trainer"]["max_steps"]
    saved = _last(folder)
    if saved is None or saved["global_step"] < steps:
        _train(folder, goes_on=saved is not None)
        saved = _last(folder)
    if saved is None or saved["global_step"] < steps:
        reached = 0 if saved is None else saved["global_step"]
        raise RuntimeError(f"training ended after {reached} of {steps} steps; {folder / LOG} says why")
    return saved


def _last(folder: Path) -> dict[str, Any] | None:
    """The newest checkpoint; ``None`` where there is none that can be read, so that training begins again."""
    path = folder / "checkpoints" / "last.ckpt"
    try:
        return torch.load(path, map_location="cpu", weights_only=True) if path.is_file() else None
    except Exception:  # torch raises many kinds for a file that was cut off
        return None


def _train(folder: Path, goes_on: bool) -> None:
    if not TRAIN.is_file():
        raise ValueError(f"{TRAIN} is gone: grids are trained from a checkout of the repository")
    command = [sys.executable, str(TRAIN), "fit", f"--config={folder / RECIPE}"]
    if goes_on:
        command.append(f"--ckpt_path={folder / 'checkpoints' / 'last.ckpt'}")
    else:  # beside a file that cannot be read, Lightning would write under another name
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    if _process(command, folder / LOG) != 0:
        lines = (folder / LOG).read_text(encoding="utf-8", errors="replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        raise RuntimeError(f"training failed: {last[:300]} ({folder / LOG})")


def _process(command: Sequence[str], log: Path) -> int:
    """Runs a command to its end; what it prints is added to a file. Gives its exit status."""
    with log.open("a", encoding="utf-8") as file:
        return subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, check=False).returncode


# Results


def _judged(grid: Grid, cell: Cell, folder: Path, recipe: Mapping[str, Any], saved: Mapping[str, Any]) -> CellResult:
    record = saved["callbacks"]["TrainingRecord"]
    steps, facts = saved["global_step"], record["facts"]
    scores, problem = _scored(grid, folder, recipe, saved)
    return CellResult(
        grid=grid.name,
        choices=cell.choices,
        seed=cell.seed,
        steps=steps,
        samples=steps * facts["batch_size"],
        scores=scores,
        curve=_thinned(saved["callbacks"].get("LossCurve", {}).get("points", [])),
        seconds=round(record["seconds"], 1),
        processor_seconds=round(record["processor_seconds"], 1),
        device=facts["device"],
        commit=facts["commit"],
        problem=problem,
        scoring=asdict(grid.scoring),
    )


def _scored(
    grid: Grid, folder: Path, recipe: Mapping[str, Any], saved: Mapping[str, Any]
) -> tuple[dict[str, float], str]:
    """Scores of the averaged weights as they are shipped, in half precision; or why there are none."""
    weights = [
        one for name, one in saved["state_dict"].items() if name.startswith("network.") and one.is_floating_point()
    ]
    if not all(bool(one.half().isfinite().all()) for one in weights):
        return {}, "training diverged: there are weights that are not finite in half precision"
    scores = scores_of(export_run(folder / "checkpoints", folder / NETWORK), recipe, grid.scoring)
    broken = [name for name, value in scores.items() if not math.isfinite(value)]
    return ({}, f"training diverged: the {broken[0]} is not finite") if broken else (scores, "")


def _thinned(points: Sequence[Mapping[str, float]]) -> list[dict[str, float | None]]:
    """At most 60 points: means over neighbours, with the step of the last of them."""
    every = -(-len(points) // CURVE_POINTS)
    groups = [points[start : start + every] for start in range(0, len(points), max(1, every))]
    return [{name: _mean([point[name] for point in group], name) for name in group[-1]} for group in groups]


def _mean(values: Sequence[float], name: str) -> float | None:
    mean = values[-1] if name == "step" else sum(values) / len(values)
    return (round(mean, 5) if name != "step" else mean) if math.isfinite(mean) else None
