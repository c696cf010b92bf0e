"""Results of grids as people look at them: names of settings, panels, and the table of means."""

from dataclasses import replace
from pathlib import Path

import pytest

from styleapp.lab.grid_figures import (
    Trained,
    heading,
    numbers_of,
    panels,
    summary_lines,
    title_of,
    trained,
    trained_grids,
)
from styleapp.lab.plots import Series


@pytest.fixture
def kinds(ablation_results: Path) -> Trained:
    return trained("kinds", ablation_results)


@pytest.mark.parametrize(
    ("choices", "title"),
    [
        (("group", "none"), "group"),
        (("none", "weight_norm"), "weight_norm"),
        (("none", "none"), "none"),
        (("group", "weight_standardization"), "group + weight_standardization"),
        (("group", "16"), "group + second 16"),
    ],
)
def test_a_setting_goes_by_what_is_not_none(choices: tuple[str, str], title: str) -> None:
    assert title_of(dict(zip(("first", "second"), choices, strict=True))) == title


def test_what_was_collected(kinds: Trained, ablation_results: Path) -> None:
    assert trained_grids(ablation_results) == ("kinds", "sizes")
    assert kinds.title == "Normalizer × weight norm"
    assert kinds.settings == {"instance--none": "instance", "batch--none": "batch", "none--none": "none"}
    assert kinds.seeds == 2
    assert {name: path.is_file() for name, path in kinds.networks.items()} == {
        "batch--none": True,
        "instance--none": True,
    }
    assert kinds.styles == ("wave", "night", "scream")
    assert trained("sizes", ablation_results).networks == {}
    assert trained("sizes", ablation_results).styles == ()
    assert numbers_of(kinds.curves) == ("loss", "style")


def test_an_unknown_grid_names_the_known(ablation_results: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no results of a grid 'kind' were collected; there are those of kinds, sizes"):
        trained("kind", ablation_results)
    with pytest.raises(ValueError, match="there are those of no"):
        trained("kinds", tmp_path)
    assert trained_grids(tmp_path) == ()


def test_a_curve_has_a_line_for_each_seed(kinds: Trained) -> None:
    (panel,) = panels(kinds, "loss", ["batch--none"])
    assert panel.series == (Series("batch", (2, 4), ((4.5, 2.25), (5.5, 3.25))),)
    assert panel.y_label == "training loss (training crops)"
    assert [series.name for series in panels(kinds)[0].series] == ["instance", "batch", "none"]


def test_scores_are_drawn_over_an_axis_of_numbers(ablation_results: Path) -> None:
    curve, scores = panels(trained("sizes", ablation_results), "style")
    assert [series.name for series in curve.series] == [
        f"batch_size {size} + {kind}" for size in (1, 4) for kind in ("batch", "group")
    ]
    assert (scores.x_label, scores.y_label, scores.x_scale) == ("batch size", "style distance", "log")
    assert scores.series[0] == Series("batch", (1.0, 4.0), ((0.1, 0.1), (0.11, 0.11)))
    assert scores.series[1].name == "group"
    assert len(panels(trained("sizes", ablation_results), "style", ["1--batch", "1--group"])) == 1  # one size: no axis


@pytest.mark.parametrize(
    ("loss", "settings", "message"),
    [
        ("gram", None, "the curves of kinds have no 'gram'; they have loss, style"),
        ("loss", ["group--none"], "no setting 'group--none'; its settings are instance--none, batch--none, none--none"),
        ("loss", [], "a figure only for at least one setting"),
    ],
)
def test_what_is_not_there_is_named(kinds: Trained, loss: str, settings: list[str] | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        panels(kinds, loss, settings)


def test_the_table_has_means_over_the_seeds(kinds: Trained) -> None:
    headings, instance, batch, none = summary_lines(kinds)
    assert headings == ["trained with", "seeds", "training loss", "style distance"]
    assert instance == ["instance", "2", "2.75 ± 0.71", "0.105 ± 0.007"]
    assert batch[3] == "0.205 ± 0.007"
    assert none == ["none", "0 of 2", "training diverged", "–"]
    assert summary_lines(kinds, ["batch--none"])[1:] == [batch]


def test_seeds_that_failed_are_counted(kinds: Trained) -> None:
    lost = replace(kinds.results[0], numbers={}, problem="training diverged")
    table = summary_lines(replace(kinds, results=(lost, *kinds.results[1:])))
    assert table[1] == ["instance", "1 of 2", "3.25", "0.110"]


def test_losses_that_fall_below_nought_have_a_linear_scale(kinds: Trained) -> None:
    assert panels(kinds)[0].y_scale == "log"
    below = tuple(replace(row, numbers={**row.numbers, "loss": -1.0}) for row in kinds.curves)
    assert panels(replace(kinds, curves=below))[0].y_scale == "linear"


@pytest.mark.parametrize("empty", ["kinds.csv", "kinds-curves.csv"])
def test_a_table_without_results_is_named(ablation_results: Path, tmp_path: Path, empty: str) -> None:
    for name in ("kinds.csv", "kinds-curves.csv"):
        text = (ablation_results / name).read_text()
        (tmp_path / name).write_text(text.splitlines()[0] + "\n" if name == empty else text)
    with pytest.raises(ValueError, match=f"{empty} holds no results of a training"):
        trained("kinds", tmp_path)


def test_a_column_that_has_no_words_goes_by_its_name() -> None:
    assert heading("colour_error") == "colour error"
