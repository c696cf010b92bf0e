"""Figures are drawn from plain data, look alike for everybody, and leave matplotlib's global state alone."""

import math
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from io import BytesIO
from pathlib import Path

import matplotlib
import pytest
from PIL import Image

from styleapp.lab.plots import COLOURS, OKABE_ITO, SUFFIXES, Panel, Series, draw, figure_bytes, write_figure


def _panel(title: str = "A", **options: object) -> Panel:
    series = (
        Series("batch", (1, 2, 4), ((1.0, 2.0, 3.0), (3.0, 4.0, 8.0))),
        Series("none", (1, 2, 4), ((2.0, 2.0, 2.0),), dashed=True),
    )
    return Panel(title, "steps", "loss", series, **options)  # type: ignore[arg-type]


class TestSeries:
    def test_a_band_is_smallest_mean_and_largest(self) -> None:
        band = Series("a", (1, 2), ((1.0, 5.0), (3.0, 1.0))).band()
        assert band == ([1.0, 1.0], [2.0, 3.0], [3.0, 5.0])

    def test_what_is_not_finite_is_left_out(self) -> None:
        low, mean, high = Series("a", (1, 2), ((1.0, math.inf), (math.nan, math.nan))).band()
        assert (low[0], mean[0], high[0]) == (1.0, 1.0, 1.0)
        assert all(map(math.isnan, (low[1], mean[1], high[1])))

    @pytest.mark.parametrize("values", [(), ((1.0,),), ((1.0, 2.0), (1.0,))])
    def test_lengths_must_fit(self, values: tuple[tuple[float, ...], ...]) -> None:
        with pytest.raises(ValueError, match="series 'a' must have 2 values for each of at least one seed"):
            Series("a", (1, 2), values)


class TestDrawing:
    @pytest.mark.parametrize("count", [1, 2, 3, 4])
    def test_panels_with_their_words(self, count: int) -> None:
        figure = draw([_panel(f"panel {number}") for number in range(count)], "All of them")
        assert [place.get_title(loc="left") for place in figure.axes] == [f"panel {n}" for n in range(count)]
        assert {(place.get_xlabel(), place.get_ylabel()) for place in figure.axes} == {("steps", "loss")}
        (legend,) = figure.legends
        assert [text.get_text() for text in legend.get_texts()] == ["batch", "none"]
        words = [text.get_text() for text in figure.texts]
        assert "All of them" in figure.get_suptitle()
        assert "lines: mean of 2 seeds; bands: smallest to largest" in words

    def test_lines_are_means_and_bands_ranges(self) -> None:
        (place,) = draw([_panel()], "").axes
        first, second = place.get_lines()
        assert list(first.get_ydata()) == [2.0, 3.0, 5.5]
        assert list(second.get_ydata()) == [2.0, 2.0, 2.0]
        (band,) = place.collections  # one seed has none
        corners = {(round(x, 3), round(y, 3)) for x, y in band.get_paths()[0].vertices}
        assert {(1, 1), (1, 3), (2, 2), (2, 4), (4, 3), (4, 8)} <= corners

    def test_a_normalization_has_its_colour_and_lines_differ_without_it(self) -> None:
        (place,) = draw([_panel()], "").axes
        lines = place.get_lines()
        assert [line.get_color() for line in lines] == [OKABE_ITO[COLOURS[name]] for name in ("batch", "none")]
        assert [line.get_linestyle() for line in lines] == ["-", "--"]
        assert len({line.get_marker() for line in lines}) == 2

    def test_others_get_colours_that_are_free(self) -> None:
        names = ["batch", "first", "second", "third"]
        panel = Panel("", "", "", tuple(Series(name, (1,), ((1.0,),)) for name in names))
        (place,) = draw([panel], "").axes
        assert len({line.get_color() for line in place.get_lines()}) == 4

    def test_an_order_is_shown_by_brightness(self) -> None:
        shades = (0.0, 0.25, 0.5, 0.75, 1.0)
        panel = Panel("", "", "", tuple(Series(f"{s}", (1,), ((1.0,),), shade=s) for s in shades))
        (place,) = draw([panel], "").axes
        colours = [matplotlib.colors.to_rgb(line.get_color()) for line in place.get_lines()]
        brightness = [0.3 * red + 0.59 * green + 0.11 * blue for red, green, blue in colours]
        assert brightness == sorted(brightness)
        assert brightness[-1] < 0.8

    def test_scales_and_ticks(self) -> None:
        (place,) = draw([_panel(x_scale="log", y_scale="log")], "").axes
        assert (place.get_xscale(), place.get_yscale()) == ("log", "log")
        assert [label.get_text() for label in place.get_xticklabels()] == ["1", "2", "4"]

    def test_global_state_stays(self) -> None:
        before = dict(matplotlib.rcParams)
        figure_bytes(draw([_panel()], "A"), ".png")
        assert dict(matplotlib.rcParams) == before

    def test_no_window_system_is_asked(self) -> None:
        """Other libraries import pyplot, so this is seen in a process of its own."""
        program = """
import sys
from styleapp.lab.plots import Panel, Series, draw, figure_bytes
assert "matplotlib" not in sys.modules
figure_bytes(draw([Panel("", "", "", (Series("a", (1,), ((1.0,),)),))], ""), ".png")
print("matplotlib" in sys.modules, "matplotlib.pyplot" in sys.modules)"""
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert done.stdout.split() == ["True", "False"]


class TestFiles:
    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_are_written(self, suffix: str, tmp_path: Path) -> None:
        path = tmp_path / f"deep/figure{suffix.upper()}"
        write_figure(draw([_panel()], "A"), path)
        content = path.read_bytes()
        if suffix == ".svg":
            assert ElementTree.fromstring(content).tag.endswith("svg")
        elif suffix == ".pdf":
            assert content.startswith(b"%PDF")
        else:
            picture = Image.open(BytesIO(content))
            assert picture.width > 800
            assert len(picture.convert("RGB").getcolors(1 << 24)) > 10
        assert list(path.parent.iterdir()) == [path]

    def test_other_names_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=r"figure.gif: a figure's name must end with .png, .svg, .pdf"):
            write_figure(draw([_panel()], "A"), tmp_path / "figure.gif")

    def test_a_place_that_cannot_be_written(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(ValueError, match=r"figure.png cannot be written"):
            write_figure(draw([_panel()], "A"), tmp_path / "file" / "figure.png")
