"""The tab *Lab* without a browser: what is shown after each step."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from styleapp.lab.ablation import Ablation, Outcome, layers_of, run
from styleapp.lab.presets import PRESETS
from styleapp.lab.switches import LayerSwitch
from styleapp.norms.catalogue import catalogue
from styleapp.web.lab_handlers import DOWNLOADS, OUTPUTS, SETUP, LabHandlers
from styleapp.web.lab_views import (
    PLACES,
    brightened,
    explained_preset,
    score_table,
    statistics_chart,
    system_words,
    tiles,
)
from styleapp.web.lab_wish import AS_IT_IS, OPTIONS, Switchboard
from styleapp.web.layer_map import shown_layers

BOARD = len(Switchboard._fields)


@pytest.fixture(autouse=True)
def small_networks(paint_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STYLEAPP_CHECKPOINTS", str(paint_folder))


@pytest.fixture
def handlers() -> LabHandlers:
    return LabHandlers()


def values(kept: Any = (), chosen: list[str] | None = None, **board: Any) -> list[Any]:
    """Of the controls, for the small network of named styles."""
    layers = shown_layers(layers_of("multistyle"), chosen)
    subjects = ["multistyle", ["tower"], None, "night", None, "", 0, 0.5, 1.0, 64]
    return [*subjects, [*kept], layers, *Switchboard(**board)]


@pytest.fixture(scope="module")
def outcome(paint_folder: Path) -> Iterator[Outcome]:
    """Two photos, with switches."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STYLEAPP_CHECKPOINTS", str(paint_folder))
        switch = LayerSwitch(normalizer="batch", strength=0.5)
        yield run(Ablation("multistyle", (switch,), ("tower", "lion"), ("night",), size=64))


def test_tab_opens_once_with_something_to_see(handlers: LabHandlers) -> None:
    shown = handlers.open(False)
    notice, studio, opened, network, pictures, _, style, _, second, *_ = shown
    assert second["choices"][0] == ("nothing", "") and second["value"] == ""
    assert len(shown) == 3 + SETUP and opened is True
    assert (notice["visible"], studio["visible"]) == (False, True)
    assert (network["value"], pictures["value"], style["value"]) == ("multistyle", ["tower"], "wave")
    assert [name for _, name in network["choices"]] == ["facades", "town", "multistyle"]
    assert len(handlers.open(True)) == 3 + SETUP


def test_without_networks_the_tab_says_so(
    handlers: LabHandlers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STYLEAPP_CHECKPOINTS", str(tmp_path))
    notice, studio, opened, *_ = handlers.open(False)
    assert notice["visible"] and "lists no network" in notice["value"]
    assert (studio["visible"], opened) == (False, False)


def test_networks_of_label_maps_have_other_controls(handlers: LabHandlers) -> None:
    shown = handlers.choose("facades")
    assert len(shown) == SETUP
    name, pictures, _, style, own_style, second, seed, share, overall, layers, *_ = shown
    assert not share["visible"] and (overall["value"], overall["maximum"]) == (1.0, 1.0)
    assert not second["visible"]
    assert (name, pictures["label"], style["visible"], own_style["visible"], seed["visible"]) == (
        *("facades", "Label maps"),
        *(False, False, True),
    )
    assert layers["chosen"] == [layer.name for layer in layers_of("facades")]
    modulation = shown[12 + [*Switchboard._fields].index("modulation")]
    assert {"class_mean", "map_mean"} < {value for _, value in modulation["choices"]}


def test_preset_sets_the_switchboard(handlers: LabHandlers) -> None:
    name = next(name for name, one in PRESETS.items() if one.ablation.checkpoint == "facades")
    shown = handlers.begin(name, "multistyle")
    (switch,) = PRESETS[name].ablation.switches
    assert (shown[0], shown[-2]) == ("facades", name)
    assert PRESETS[name].look in shown[-1]["value"].replace("&#x27;", "'")
    assert [one["value"] for one in shown[12 : 12 + BOARD]] == [*Switchboard.of(switch)]


def test_systems_are_told_in_a_line_that_leads_to_their_page(handlers: LabHandlers) -> None:
    for entry in catalogue():
        *_, normalizer, weight_norm = handlers.systems(entry.name, "l2", AS_IT_IS)
        assert f"](#norm-{entry.name})" in normalizer["info"] and "All systems" in weight_norm["info"]
    assert "z = (x − μ) / √(σ² + ε)" in system_words("group")
    assert system_words(AS_IT_IS) == "[All systems](#norm-README)"
    assert all(f'href="#norm-{preset.system}"' in explained_preset(preset) for preset in PRESETS.values())


def test_options_follow_the_normalizer(handlers: LabHandlers) -> None:
    *shown, normalizer, weight_norm = handlers.systems("group", "l2", "bounded_weight_norm")
    assert [name for name, one in zip(OPTIONS, shown, strict=True) if one["visible"]] == ["groups", "eps", "mode"]
    assert "#norm-group" in normalizer["info"] and "#norm-bounded_weight_norm" in weight_norm["info"]


def test_run_shows_the_result_and_then_its_files(handlers: LabHandlers, tmp_path: Path) -> None:
    steps = handlers.run(None, "after", *values(normalizer="layer", groups=3))
    problem, shown, scores, charts, chart, layers, *files, key = next(steps)
    assert not problem["visible"] and len(shown) == 3
    assert "content distance" in scores and chart == charts["after"] != charts["before"]
    assert layers["answer"] and set(layers["now"].values()) == {"instance → layer"}
    assert len(files) == len(DOWNLOADS) and not any(one["interactive"] for one in files)
    *_, grid, statistics, table, configuration, together, _ = next(steps)
    assert [Path(one["value"]).name for one in (grid, statistics, table, configuration, together)] == [
        *("grid.png", "layers.csv", "scores.csv", "ablation.yaml", "ablation.zip"),
    ]
    again = Ablation.load(configuration["value"])
    np.testing.assert_array_equal(np.asarray(run(again).switched.pictures[0]), np.asarray(shown[1][0]))
    assert list(steps) == []
    assert len(list(handlers.run(key, "after", *values(normalizer="layer", groups=3)))[0]) == OUTPUTS


def test_reset_brings_the_original_back_bit_for_bit(handlers: LabHandlers) -> None:
    plain, switched, again = (
        [np.asarray(picture) for picture, _ in next(handlers.run(None, "after", *values(**board)))[1]]
        for board in ({}, {"modulation": "none"}, {})
    )
    assert not np.array_equal(switched[0], switched[1])
    for one in (plain, again):
        np.testing.assert_array_equal(one[1], switched[0])
        assert not one[2].any()


def test_what_does_not_work_is_one_sentence_and_the_rest_stays(handlers: LabHandlers) -> None:
    (shown,) = handlers.run(None, "after", *values(normalizer="group", groups=3))
    assert len(shown) == OUTPUTS and shown[-1] is None
    assert "groups must be a divisor of the 8 features, got 3" in shown[0]["value"] and shown[0]["visible"]
    (shown,) = handlers.run(None, "after", *values(normalizer="batch", chosen=[]))
    assert "tick at least one normalization layer" in shown[0]["value"]


def test_kept_switches_stay_below_new_ones(handlers: LabHandlers) -> None:
    kept, told, *board = handlers.keep(*values(normalizer="batch", chosen=["entry_norm"]))
    assert kept == [{"layers": "entry_norm", "normalizer": "batch"}]
    assert "<code>entry_norm</code>: normalizer batch" in told["value"] and told["visible"]
    assert [one["value"] for one in board] == [*Switchboard()]
    layers = next(handlers.run(None, "after", *values(kept, ["blocks.0.first_norm"], modulation="none")))[5]
    assert set(layers["now"]) == {"entry_norm", "blocks.0.first_norm"}


def test_unknown_network_is_told(handlers: LabHandlers) -> None:
    with pytest.raises(gr.Error, match="unknown network 'moon'"):
        handlers.choose("moon")


def test_tiles_are_rows_of_three(outcome: Outcome) -> None:
    found = tiles(outcome)
    assert [re.sub(r" × \d+", "", caption) for _, caption in found] == [
        *("original 1", "switched 1", "difference 1"),
        *("original 2", "switched 2", "difference 2"),
    ]
    assert found[3][0] is outcome.original.pictures[1]


@pytest.mark.parametrize(("value", "factor"), [(0, 16), (4, 16), (10, 4), (30, 2), (60, 1), (255, 1)])
def test_dark_differences_are_brightened(value: int, factor: int) -> None:
    bright, found = brightened(Image.new("RGB", (4, 4), (value, value, value)))
    assert found == factor and bright.getpixel((0, 0)) == (value * factor,) * 3


def test_chart_places_layers_on_a_log_scale(outcome: Outcome) -> None:
    for place in PLACES:
        chart = statistics_chart(outcome, place)
        assert chart.count('class="line"') == len(outcome.original.layers)
        places = [float(one) for one in re.findall(r'<i class="\w+" style="left:([\d.]+)%', chart)]
        assert len(places) == 2 * len(outcome.original.layers) and 0 <= min(places) <= max(places) <= 100
        assert len({*places}) > 1 or place == "after"  # what comes out of norms that were not trained varies alike
    layer, twin = outcome.original.layers[0], outcome.switched.layers[0]
    told = f"{layer.layer}: {layer.after.mean_deviation:.4g} without, {twin.after.mean_deviation:.4g} with"
    assert told in statistics_chart(outcome, "after")


def test_scores_stand_below_their_pictures(outcome: Outcome) -> None:
    original, switched, difference = score_table(outcome).split("<b>")[1:]
    assert f"{outcome.original.scores['content_distance']:.4f}" in original
    assert f"{outcome.switched.scores['content_distance']:.4f}" in switched
    assert f"{outcome.change['mean_difference']:.4f}" in difference
