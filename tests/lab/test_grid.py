"""What a grid file says: cells and their names, recipes, tasks, and sentences where it is wrong."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from pytorch_lightning import LightningDataModule, LightningModule
from pytorch_lightning.cli import LightningCLI

from styleapp.lab.grid import Cell, Grid, chosen_cells, read_grid, set_option

GRIDS = sorted((Path(__file__).resolve().parents[2] / "configs" / "ablation" / "grids").glob("*.yaml"))
EXPECTED = {"first": 36, "batch_size": 60, "further": 24, "masks": 15, "cuts": 12}
Write = Callable[..., Path]

every_grid = pytest.mark.parametrize("path", GRIDS, ids=lambda path: path.stem)


def _named(*seeds: int) -> list[str]:
    return [f"{name}--seed{seed}" for seed in seeds for name in ("instance--weight_standardization", "batch--none")]


def test_cells_have_stable_names(write_grid: Write) -> None:
    assert [cell.name for cell in read_grid(write_grid(seeds=[0, 4])).cells()] == _named(0, 4)


def test_all_combinations_without_parts(write_grid: Write) -> None:
    cells = read_grid(write_grid(parts=...)).cells()
    assert [cell.setting for cell in cells] == [
        "instance--none",
        "instance--weight_standardization",
        "batch--none",
        "batch--weight_standardization",
    ]


def test_a_cell_of_two_parts_is_one(write_grid: Write) -> None:
    parts = [{"normalizer": ["batch"]}, {"weight_norm": ["none"]}]
    assert [cell.setting for cell in read_grid(write_grid(parts=parts)).cells()] == [
        "batch--none",
        "batch--weight_standardization",
        "instance--none",
    ]


def test_recipe_of_a_cell(write_grid: Write, tmp_path: Path) -> None:
    grid = read_grid(write_grid(steps=30, saves=4, seeds=[7]))
    cells = grid.cells()
    recipes = [grid.recipe_of(cell, tmp_path) for cell in cells]
    networks = [recipe["model"]["init_args"]["network"]["init_args"] for recipe in recipes]
    assert [(one["normalizer"], one.get("weight_norm")) for one in networks] == [
        ("instance", "weight_standardization"),
        ("batch", None),
    ]
    for recipe in recipes:
        assert recipe["seed_everything"] == recipe["data"]["init_args"]["seed"] == 7
        assert recipe["trainer"]["default_root_dir"] == str(tmp_path)
    kinds = [[one["class_path"].rpartition(".")[2] for one in recipe["trainer"]["callbacks"]] for recipe in recipes]
    assert kinds[1] == [*kinds[0], "PreciseStatistics"]
    saving = next(one for one in recipes[0]["trainer"]["callbacks"] if one["class_path"].endswith("ModelCheckpoint"))
    assert saving["init_args"]["every_n_train_steps"] == 10  # a divisor of 30, at most 4 saves
    assert "callbacks" in grid.recipe["trainer"] and len(grid.recipe["trainer"]["callbacks"]) == len(kinds[0])


def test_what_the_grid_and_two_axes_add_to_a_list_is_all_there(write_grid: Write, tmp_path: Path) -> None:
    axes = {axis: {"one": {"trainer.callbacks+": {"class_path": f"x.{axis}"}}} for axis in ("A", "B")}
    grid = read_grid(write_grid(options={"trainer.callbacks+": {"class_path": "x.All"}}, axes=axes, parts=...))
    (cell,) = grid.cells()
    added = grid.recipe_of(cell, tmp_path)["trainer"]["callbacks"][-3:]
    assert [one["class_path"] for one in added] == ["x.All", "x.A", "x.B"]


def _parsed(recipe: Mapping[str, Any], folder: Path) -> Any:
    class Parser(LightningCLI):
        def instantiate_classes(self) -> None: ...

    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["train.py"])
        kinds = {"subclass_mode_model": True, "subclass_mode_data": True}
        return Parser(LightningModule, LightningDataModule, **kinds, run=False, args=[f"--config={path}"]).config


@every_grid
def test_shipped_grid_is_read(path: Path) -> None:
    grid = read_grid(path)
    cells = grid.cells()
    assert len(cells) == EXPECTED[path.stem]
    assert len({cell.name for cell in cells}) == len(cells)
    assert len(grid.seeds) >= 3
    described = [str(sorted(cell.options, key=str)) for cell in cells if cell.seed == 0]
    assert len(set(described)) == len(described)  # no two settings are the same training


def _one_for_each_choice(grid: Grid) -> list[Cell]:
    seen: set[tuple[str, str]] = set()
    cells = []
    for cell in grid.cells():
        if not seen.issuperset(cell.choices.items()):
            cells.append(cell)
            seen.update(cell.choices.items())
    return cells


@every_grid
def test_every_choice_is_parsed_by_the_training_script(path: Path, tmp_path: Path) -> None:
    grid = read_grid(path)
    for cell in _one_for_each_choice(grid):
        assert _parsed(grid.recipe_of(cell, tmp_path), tmp_path).seed_everything == cell.seed


@pytest.mark.parametrize("tasks", [1, 2, 3, 5])
def test_tasks_share_the_cells(write_grid: Write, tasks: int) -> None:
    grid = read_grid(write_grid(seeds=[0, 1]))
    shares = [chosen_cells(grid, task=task, tasks=tasks) for task in range(tasks)]
    assert sorted(cell.name for share in shares for cell in share) == sorted(_named(0, 1))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize(("task", "tasks"), [(2, 2), (-1, 2), (None, 2), (0, None)])
def test_tasks_must_fit(write_grid: Write, task: int | None, tasks: int | None) -> None:
    with pytest.raises(ValueError, match="a task has a number from 0 to the number of tasks − 1"):
        chosen_cells(read_grid(write_grid()), task=task, tasks=tasks)


def test_cells_by_name(write_grid: Write) -> None:
    grid = read_grid(write_grid(seeds=[0, 1]))
    assert [cell.name for cell in chosen_cells(grid, "batch--*")] == ["batch--none--seed0", "batch--none--seed1"]
    with pytest.raises(ValueError, match="has no cell 'layer'; its cells are instance--weight_standardization--seed0"):
        chosen_cells(grid, "layer")


# Options


def _recipe() -> dict[str, Any]:
    return {"a": {"b": 1}, "list": [{"class_path": "x.First"}, {"class_path": "x.Second", "init_args": {"c": 2}}]}


@pytest.mark.parametrize(
    ("option", "value", "place", "expected"),
    [
        ("a.b", 5, lambda recipe: recipe["a"]["b"], 5),
        ("a.new", 5, lambda recipe: recipe["a"]["new"], 5),
        ("list.Second.init_args.c", 5, lambda recipe: recipe["list"][1]["init_args"]["c"], 5),
        ("list.First.init_args", {"d": 1}, lambda recipe: recipe["list"][0]["init_args"], {"d": 1}),
        ("list+", {"class_path": "x.Third"}, lambda recipe: recipe["list"][-1]["class_path"], "x.Third"),
        ("list+", [{"class_path": "y"}, {"class_path": "z"}], lambda recipe: len(recipe["list"]), 4),
        ("+list", {"class_path": "x.Third"}, lambda recipe: recipe["list"][0]["class_path"], "x.Third"),
    ],
)
def test_option_is_set(option: str, value: Any, place: Callable[[dict[str, Any]], Any], expected: Any) -> None:
    recipe = _recipe()
    set_option(recipe, option, value)
    assert place(recipe) == expected


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("c.b", "the recipe has no c, so c.b cannot be set"),
        ("list.Third.init_args.c", "the recipe has no list.Third"),
        ("a.b.c", "a.b of the recipe has no options"),
        ("a.b+", "a.b of the recipe is no list"),
        ("a.+new", "a.new of the recipe is no list"),
    ],
)
def test_option_that_is_not_there(option: str, said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("+", r"\+")):
        set_option(_recipe(), option, 1)


# Bad files


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"recipe": ...}, "recipe is missing"),
        ({"axes": ...}, "axes is missing"),
        ({"recipe": "nowhere.yaml"}, "nowhere.yaml cannot be read"),
        ({"axis": {}}, "a grid has no axis; it has recipe, axes"),
        ({"parts": [{"colour": ["red"]}]}, "a part names the axis colour; the axes are normalizer, weight_norm"),
        ({"parts": [{"normalizer": ["layer"]}]}, "the axis normalizer has no choice layer; it has instance, batch"),
        ({"axes": {"a--b": {"c/d": {}}}, "parts": ...}, "'a--b' cannot be the name of an axis or choice"),
        ({"axes": {"a": {"b": {"model.nothing.x": 1}}}, "parts": ...}, "the recipe has no model.nothing"),
        ({"scoring": {"sizes": 3}}, "is no grid of recipe, axes and choices"),
        ({"seeds": ["first"]}, "invalid literal"),
    ],
)
def test_bad_grid_is_one_sentence(write_grid: Write, changes: dict[str, Any], said: str) -> None:
    path = write_grid(**changes)
    with pytest.raises(ValueError, match=said) as raised:
        read_grid(path)
    assert "\n" not in str(raised.value)
    assert str(path) in str(raised.value) or "nowhere.yaml" in str(raised.value)


def test_no_yaml_and_no_file(tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("a: [")
    with pytest.raises(ValueError, match="broken.yaml or its recipe is no YAML"):
        read_grid(tmp_path / "broken.yaml")
    with pytest.raises(ValueError, match="gone.yaml cannot be read"):
        read_grid(tmp_path / "gone.yaml")
