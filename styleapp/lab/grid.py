"""Grids of short trainings that differ in a few options: which cells there are, and the recipe of each."""

import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import product
from pathlib import Path
from typing import Any

import yaml

__all__ = ["Cell", "Grid", "Scoring", "chosen_cells", "read_grid", "set_option"]

NAME = re.compile(r"[A-Za-z0-9_.]+")
Options = Mapping[str, Any]


@dataclass(frozen=True)
class Cell:
    """One training of a grid.

    Attributes:
        choices: the name of the choice on each axis, in the grid's order.
        seed: of the first weights and of the samples.
        options: what the choices set in the recipe, one after the other, see :func:`set_option`.
    """

    choices: Mapping[str, str]
    seed: int
    options: Sequence[tuple[str, Any]]

    @property
    def setting(self) -> str:
        """What cells with other seeds share, such as ``group--weight_standardization``."""
        return "--".join(self.choices.values())

    @property
    def name(self) -> str:
        """Of its folder; it depends on nothing but its choices and its seed."""
        return f"{self.setting}--seed{self.seed}"


@dataclass(frozen=True)
class Scoring:
    """What the scores of a cell are taken over.

    Attributes:
        photos: how many held-out photos; of a mask-to-image network, how many photos with masks.
        size: side of the pictures in pixels. Of named styles only; others are scored at 256.
        segmenter: of mask-to-image networks, the checkpoint that guesses labels; without it label agreement is not
            scored.
    """

    photos: int = 6
    size: int = 256
    segmenter: str | None = None


@dataclass(frozen=True)
class Grid:
    """What :func:`read_grid` found in a file.

    Attributes:
        name: the file's stem.
        recipe: of a training (``configs/``), which all cells share.
        axes: by name their choices, by name what each sets in the recipe.
        parts: each gives for every axis the choices of which all combinations are trained.
        seeds: every combination is trained with each.
        options: what all cells set in the recipe.
        saves: how often a run is saved, the end included: from there an interrupted cell goes on.
        kept_seed: the networks of this seed are kept when results are collected; ``None`` for none.
        scoring: see there.
    """

    name: str
    recipe: Mapping[str, Any]
    axes: Mapping[str, Mapping[str, Options]]
    parts: Sequence[Mapping[str, Sequence[str]]]
    seeds: Sequence[int] = (0, 1, 2)
    options: Options = field(default_factory=dict)
    saves: int = 3
    kept_seed: int | None = 0
    scoring: Scoring = field(default_factory=Scoring)

    def cells(self) -> tuple[Cell, ...]:
        """All of them, each once: all settings with the first seed come first, so that a first look is early."""
        combinations = dict.fromkeys(self._combinations())
        return tuple(self._cell(names, seed) for seed in self.seeds for names in combinations)

    def _combinations(self) -> Iterator[tuple[str, ...]]:
        for part in self.parts:
            yield from product(*(part[axis] for axis in self.axes))

    def _cell(self, names: Sequence[str], seed: int) -> Cell:
        choices = dict(zip(self.axes, names, strict=True))
        options = [option for axis, name in choices.items() for option in self.axes[axis][name].items()]
        return Cell(choices, seed, options)

    def recipe_of(self, cell: Cell, folder: Path) -> dict[str, Any]:
        """The whole recipe of a cell, whose run lies in a folder.

        Raises:
            ValueError: an option is not in the recipe.
        """
        recipe = deepcopy(dict(self.recipe))
        for option, value in (*self.options.items(), *cell.options):
            set_option(recipe, option, deepcopy(value))
        steps = recipe["trainer"]["max_steps"]
        own = {
            "seed_everything": cell.seed,
            "data.init_args.seed": cell.seed,
            "trainer.default_root_dir": str(folder),
            "trainer.enable_progress_bar": False,
            "trainer.enable_model_summary": False,
            "trainer.callbacks.ModelCheckpoint.init_args.dirpath": str(folder / "checkpoints"),
            "trainer.callbacks.ModelCheckpoint.init_args.save_last": "link",
            "trainer.callbacks.ModelCheckpoint.init_args.every_n_train_steps": _spacing(steps, self.saves),
        }
        for option, value in own.items():
            set_option(recipe, option, value)
        return recipe


def _spacing(steps: int, saves: int) -> int:
    """The smallest divisor of the steps with which there are no more saves than that: the last step is saved, too."""
    return next(number for number in range(1, steps + 1) if steps % number == 0 and steps // number <= saves)


def set_option(recipe: dict[str, Any], option: str, value: Any) -> None:
    """Sets one option of a recipe in place, by its name as on the command line of ``train.py``.

    Args:
        recipe: as read from YAML.
        option: keys with dots between them. One that ends with ``+`` adds to a list, and one whose last key begins with
            ``+`` adds in front. In a list, an entry goes by the name of its class, as in
            ``trainer.callbacks.EMAWeightAveraging.init_args.decay``.
        value: for a list that is added to, one entry or several.

    Raises:
        ValueError: the recipe has nothing there.
    """
    *path, last = option.split(".")
    place: Any = recipe
    for depth, key in enumerate(path, start=1):
        place = _inside(place, key)
        if place is None:
            raise ValueError(f"the recipe has no {'.'.join(path[:depth])}, so {option} cannot be set")
    if not isinstance(place, dict):
        raise ValueError(f"{'.'.join(path)} of the recipe has no options, so {option} cannot be set")
    if "+" not in last:
        place[last] = value
        return
    key, added = last.strip("+"), value if isinstance(value, list) else [value]
    old = place.get(key)
    if not isinstance(old, list):
        raise ValueError(f"{'.'.join([*path, key])} of the recipe is no list, so nothing can be added to it")
    place[key] = [*added, *old] if last.startswith("+") else [*old, *added]


def _inside(place: Any, key: str) -> Any:
    if isinstance(place, dict):
        return place.get(key)
    if isinstance(place, list):
        return next((one for one in place if str(one.get("class_path")).rpartition(".")[2] == key), None)
    return None


def chosen_cells(
    grid: Grid, only: str | None = None, task: int | None = None, tasks: int | None = None
) -> tuple[Cell, ...]:
    """The cells of a grid that one process trains.

    Args:
        only: names of cells, with ``*`` and ``?`` as in file names.
        task, tasks: every ``tasks``-th cell, beginning with number ``task``, from 0: the processes of an array job
            share the grid.

    Raises:
        ValueError: no cell is called so, or the number of the task is not below that of the tasks.
    """
    cells = [cell for cell in grid.cells() if only is None or fnmatchcase(cell.name, only)]
    if not cells:
        known = ", ".join(cell.name for cell in grid.cells())
        raise ValueError(f"the grid {grid.name} has no cell {only!r}; its cells are {known}")
    if task is None and tasks is None:
        return tuple(cells)
    if task is None or tasks is None or not 0 <= task < tasks:
        raise ValueError(f"a task has a number from 0 to the number of tasks − 1, got task {task} of {tasks}")
    return tuple(cells[task::tasks])


# Reading

KEYS = ("recipe", "axes", "parts", "seeds", "options", "saves", "kept_seed", "scoring")


def read_grid(path: str | Path) -> Grid:
    """A grid from a YAML file; what its keys mean says :class:`Grid`, and ``recipe`` is a path relative to the file.

    Without ``parts`` all combinations of all choices are trained.

    Raises:
        ValueError: it cannot be read or used; the message names the file and says why.
    """
    path = Path(path)
    try:
        stated = yaml.safe_load(path.read_text(encoding="utf-8"))
        recipe = yaml.safe_load((path.parent / stated["recipe"]).read_text(encoding="utf-8"))
        grid = _grid(path.stem, stated, recipe)
        for cell in grid.cells():
            grid.recipe_of(cell, Path())
    except OSError as error:
        raise ValueError(f"{error.filename} cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ValueError(f"{path} or its recipe is no YAML: {' '.join(str(error).split())}") from error
    except KeyError as error:
        raise ValueError(f"{path} is no grid: {error.args[0]} is missing") from error
    except (TypeError, AttributeError) as error:
        raise ValueError(f"{path} is no grid of recipe, axes and choices: {error}") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return grid


def _grid(name: str, stated: Mapping[str, Any], recipe: Mapping[str, Any]) -> Grid:
    unknown = [key for key in stated if key not in KEYS]
    if unknown:
        raise ValueError(f"a grid has no {unknown[0]}; it has {', '.join(KEYS)}")
    axes = {
        str(axis): {str(choice): dict(options or {}) for choice, options in choices.items()}
        for axis, choices in stated["axes"].items()
    }
    for label in (label for axis, choices in axes.items() for label in (axis, *choices)):
        if not NAME.fullmatch(label):
            raise ValueError(f"{label!r} cannot be the name of an axis or choice: letters, digits, _ and . are allowed")
    kept = {key: stated[key] for key in ("options", "saves", "kept_seed") if key in stated}
    seeds = tuple(int(seed) for seed in stated.get("seeds", Grid.seeds))
    parts = tuple(_part(axes, part) for part in stated.get("parts", [{}]))
    return Grid(name, recipe, axes, parts, seeds, scoring=Scoring(**stated.get("scoring", {})), **kept)


def _part(axes: Mapping[str, Mapping[str, Options]], part: Mapping[str, Sequence[Any]]) -> dict[str, tuple[str, ...]]:
    unknown = [axis for axis in part if axis not in axes]
    if unknown:
        raise ValueError(f"a part names the axis {unknown[0]}; the axes are {', '.join(axes)}")
    named = {axis: tuple(str(one) for one in part.get(axis, choices)) for axis, choices in axes.items()}
    for axis, names in named.items():
        for name in names:
            if name not in axes[axis]:
                raise ValueError(f"the axis {axis} has no choice {name}; it has {', '.join(axes[axis])}")
    return named
