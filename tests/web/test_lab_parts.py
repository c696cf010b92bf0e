"""The parts *Trained* and *Probes* of the tab *Lab* without a browser: what is shown after each step."""

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from styleapp.lab.probes import PROBES
from styleapp.pipelines.stylize import StylizePipeline
from styleapp.web import lab_probes_handlers, lab_trained_handlers
from styleapp.web.lab_figures import table_html
from styleapp.web.lab_probes_handlers import MOST_SEEDS, Measured, ProbeHandlers
from styleapp.web.lab_trained_handlers import CHOSEN, TrainedHandlers

SOMEBODY = cast(gr.Request, SimpleNamespace(session_hash="somebody"))


@pytest.fixture(autouse=True)
def results(ablation_results: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STYLEAPP_CHECKPOINTS", str(ablation_results.parent))
    monkeypatch.setattr("styleapp.lab.grid_figures.results_folder", lambda: ablation_results)
    monkeypatch.setattr(lab_probes_handlers, "results_folder", lambda: ablation_results)
    return ablation_results


def test_a_table_is_escaped() -> None:
    html = table_html([["a", "b"], ["<i>", "1 & 2"], ["group + weight_norm", "3"]])
    assert "<th>a</th><th>b</th>" in html and "<td>&lt;i&gt;</td><td>1 &amp; 2</td>" in html
    assert '<td><a href="#norm-group">group</a> + <a href="#norm-weight_norm">weight_norm</a></td>' in html


class TestTrained:
    def test_it_opens_once_with_the_grid_that_has_networks(self) -> None:
        shown = TrainedHandlers().open(False)
        notice, frame, opened, photo, grid, told, settings, losses, style, pictures = shown
        assert (notice["visible"], frame["visible"], opened, photo["value"]) == (False, True, True, "tower")
        assert grid["choices"] == [("Normalizer × weight norm", "kinds"), ("Batch size × normalizer", "sizes")]
        assert grid["value"] == "kinds"
        assert "3 settings, 2 seeds, 8 training samples each" in told
        assert settings["value"] == ["instance--none", "batch--none", "none--none"]
        assert [value for _, value in losses["choices"]] == ["loss", "style"] and losses["value"] == "loss"
        assert style["value"] == "wave" and pictures["visible"]
        assert len(shown) == 4 + CHOSEN == len(TrainedHandlers().open(True))

    def test_without_results_it_says_how_to_get_them(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(lab_trained_handlers, "trained_grids", tuple)
        notice, frame, opened, *rest = TrainedHandlers().open(False)
        assert "styleapp ablate train --grid" in notice["value"] and notice["visible"]
        assert (frame["visible"], opened, len(rest)) == (False, False, 1 + CHOSEN)

    def test_a_damaged_table_is_named_and_the_others_are_there(
        self, results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = tmp_path / "damaged"
        shutil.copytree(results, folder)
        (folder / "sizes.csv").write_text("no table")
        for module in ("styleapp.lab.grid_figures", "styleapp.web.lab_trained_handlers"):
            monkeypatch.setattr(f"{module}.results_folder", lambda: folder)
        notice, frame, _, _, grid, *_ = TrainedHandlers().open(False)
        assert notice["visible"] and notice["value"].startswith("sizes.csv")
        assert frame["visible"] and [value for _, value in grid["choices"]] == ["kinds"]
        (folder / "kinds-curves.csv").unlink()
        notice, frame, opened, *_ = TrainedHandlers().open(False)
        assert (notice["visible"], frame["visible"], opened) == (True, False, False)

    def test_a_grid_without_networks_has_no_pictures(self) -> None:
        *_, style, pictures = TrainedHandlers().choose("sizes")
        assert (style["value"], pictures["visible"]) == (None, False)
        (shown,) = TrainedHandlers().paint("sizes", ["1--batch"], "tower", "")
        assert (shown["value"], shown["visible"]) == (None, False)

    def test_figure_table_and_files(self, results: Path) -> None:
        steps = TrainedHandlers().draw("kinds", ["batch--none"], "style")
        figure, table, *files = next(steps)
        assert 'src="data:image/svg+xml;base64,' in figure and "training crops" in figure
        assert "0.205 ± 0.007" in table and "instance" not in table
        assert [Path(one["value"]).name for one in files] == [
            *("kinds-style.svg", "kinds-style.png", "kinds.csv", "kinds-curves.csv"),
        ]
        assert Path(files[2]["value"]).read_bytes() == (results / "kinds.csv").read_bytes()
        with Image.open(files[1]["value"]) as picture:
            assert picture.format == "PNG"
        assert list(steps) == []

    def test_nothing_ticked_is_one_sentence(self) -> None:
        with pytest.raises(gr.Error, match="Tick at least one setting"):
            list(TrainedHandlers().draw("kinds", [], "loss"))

    def test_each_network_that_was_kept_paints(self, results: Path) -> None:
        steps = list(TrainedHandlers().paint("kinds", ["instance--none", "none--none"], "lion", "night"))
        (shown,) = steps  # nothing was kept of the one that diverged
        tiles = shown["value"]
        assert shown["visible"] and [caption for _, caption in tiles] == ["photo", "instance"]
        expected = StylizePipeline.from_checkpoint(results / "kinds" / "instance--none.safetensors")(
            tiles[0][0], "night"
        )
        np.testing.assert_array_equal(np.asarray(tiles[1][0]), np.asarray(expected))


class TestProbes:
    def test_what_comes_with_the_app_is_shown_at_once(self) -> None:
        told, cases, kept = ProbeHandlers().choose("growth")
        assert "styleapp probe growth" in told and cases["value"] == list(PROBES["growth"].cases)
        words, figure, table, *files = next(ProbeHandlers().show(kept, cases["value"]))
        assert words == "Measured before, with 2 seeds; “Measure” does it anew."
        assert "data:image/svg+xml" in figure and "2.00 ± 0.71" in table
        assert [Path(one["value"]).name for one in files] == [
            *("probe-growth.svg", "probe-growth.png", "probe-growth.csv"),
        ]
        _, _, only, *_ = next(ProbeHandlers().show(kept, ["batch"]))
        assert "none" not in only
        assert "Tick a case" in next(ProbeHandlers().show(kept, []))[0]

    def test_what_does_not_waits_to_be_measured(self) -> None:
        handlers = ProbeHandlers()
        *_, kept = handlers.choose("signals")
        assert kept is None and "press “Measure”" in next(handlers.show(kept, []))[0]
        assert handlers.open(True, "signals")[0] is True

    def test_measured_here_and_now(self) -> None:
        handlers = ProbeHandlers()
        assert handlers.begin(SOMEBODY) == "Getting ready …"
        told = list(handlers.measure(SOMEBODY, "growth", ["batch", "layer"], 1))
        words, measured = told[-1]
        assert words == "Measured now, with 1 seed." == measured.source
        assert {row.case for row in measured.rows} == {"batch", "layer"}
        assert "Run 1 of 2" in " ".join(words for words, _ in told)
        assert not handlers.stops and not handlers.running

    def test_only_who_measures_keeps_others_waiting(self) -> None:
        """Somebody who asked and left before it began does not."""
        handlers, anybody = ProbeHandlers(), cast(gr.Request, SimpleNamespace(session_hash="anybody"))
        handlers.begin(SOMEBODY)
        assert handlers.begin(anybody) == "Getting ready …"
        steps = handlers.measure(SOMEBODY, "growth", ["batch"], 1)
        next(steps)
        assert handlers.begin(anybody) == "Waiting: somebody else measures."
        steps.close()  # type: ignore[attr-defined]
        assert handlers.begin(anybody) == "Getting ready …"

    def test_stopped_it_keeps_the_cases_that_are_done(self, monkeypatch: pytest.MonkeyPatch) -> None:
        rows = PROBES["growth"].measure("batch", 0)

        def slowly(name: str, seeds: Any, cases: Any) -> Any:
            yield from (None, rows, None, ())

        monkeypatch.setattr(lab_probes_handlers, "in_process", slowly)
        handlers = ProbeHandlers()
        assert handlers.stop(SOMEBODY) == gr.skip()  # nothing is measured
        handlers.begin(SOMEBODY)
        steps = handlers.measure(SOMEBODY, "growth", ["batch", "layer"], 1)
        assert [next(steps)[0][-10:] for _ in range(2)][0] == "Run 0 of 2"
        assert handlers.stop(SOMEBODY) == "Stopping …"
        words, measured = list(steps)[-1]
        assert words == "Stopped after 1 of 2 runs."
        assert isinstance(measured, Measured) and {row.case for row in measured.rows} == {"batch"}

    @pytest.mark.parametrize(
        ("cases", "seeds", "message"),
        [
            ([], 1, "Tick at least one case"),
            (["batch"], MOST_SEEDS + 1, f"seeds must be between 1 and {MOST_SEEDS}, got {MOST_SEEDS + 1}"),
            (["other"], 1, "probe growth has no case 'other'"),
        ],
    )
    def test_bad_input_is_one_sentence(self, cases: list[str], seeds: int, message: str) -> None:
        handlers = ProbeHandlers()
        with pytest.raises(gr.Error, match=message):
            list(handlers.measure(SOMEBODY, "growth", cases, seeds))
        assert handlers.stops == {}
