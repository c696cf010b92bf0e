"""The figures show what the layers do, are what docs/norms holds, and can be read."""

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from itertools import combinations, product
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmarks.norm_figures import write_figures
from styleapp.lab.figures import FIGURES
from styleapp.lab.figures.blocks import KERNEL_SHARING, SHARING, Block, Sharing, slab
from styleapp.lab.figures.panels import SAMPLE
from styleapp.lab.figures.svg import GREY, RED, Drawing, mixed
from styleapp.norms import NORMALIZERS, build_norm
from styleapp.norms.catalogue import catalogue
from styleapp.norms.conv_norm import whitening_filter
from styleapp.norms.weights import apply_weight_norm

FOLDER = Path(__file__).parents[2] / "docs" / "norms" / "figures"
OPTIONS: dict[str, dict[str, Any]] = {"group": {"groups": 3}, "adaptive_batch": {"threshold": float("-inf")}}
SAMPLES, CHANNELS = 4, 6

figures = pytest.mark.parametrize("name", FIGURES)


# They show what the layers do


@pytest.mark.parametrize("name", [name for name in NORMALIZERS if name != "none"])
def test_cells_share_statistics_as_they_are_drawn(name: str) -> None:
    """A value moves every cell that is normalized with a statistic that it is part of, and no other."""
    x = torch.randn(SAMPLES, CHANNELS, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    moved = x.clone()
    moved[0, 5, 1, 1] += 0.5
    options = OPTIONS.get(name, {})
    before, after = (build_norm(name, CHANNELS, modulator="none", **options).double()(v) for v in (x, moved))
    changed = (before != after).flatten(2).sum(2) > 1
    drawn = [[SHARING[name].together((n, c), (0, 5)) for c in range(CHANNELS)] for n in range(SAMPLES)]
    assert changed.tolist() == drawn


def test_every_normalizer_has_a_sharing() -> None:
    assert {"none", *SHARING} == set(NORMALIZERS)


@pytest.mark.parametrize("name", [name for name in KERNEL_SHARING if name != "conv_norm"])
def test_kernels_share_statistics_as_they_are_drawn(name: str) -> None:
    conv = nn.Conv2d(3, 4, 3)
    with torch.no_grad():
        conv.weight.copy_(torch.randn(4, 3, 3, 3, generator=torch.Generator().manual_seed(0)))
    apply_weight_norm(conv, name).eval()
    learned = [parameter for parameter in conv.parameters() if parameter.shape == (4, 3, 3, 3)][0]
    before = conv.weight.detach().clone()
    with torch.no_grad():
        learned[1, 0, 1, 1] += 0.5
    changed = (conv.weight.detach() != before).flatten(1).sum(1) > 1
    assert changed.tolist() == [KERNEL_SHARING[name](1, row) for row in range(4)]


def test_spectra_share_statistics_as_they_are_drawn() -> None:
    weight = torch.randn(4, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    moved = weight.clone()
    moved[1, 0, 1, 1] += 0.5
    changed = (whitening_filter(weight, (8, 8)) != whitening_filter(moved, (8, 8))).flatten(1).any(1)
    assert changed.tolist() == [KERNEL_SHARING["conv_norm"](1, row) for row in range(4)]


@pytest.mark.parametrize("name", ["batch", "l1_batch", "linf_batch", "topk_batch"])
def test_deviations_are_those_of_the_layers(name: str) -> None:
    layer = build_norm(name, 1, modulator="none").double()
    z = layer(SAMPLE.view(-1, 1, 1, 1)).flatten()
    deviation = float((SAMPLE[-1] - SAMPLE[0]) / (z[-1] - z[0]))
    drawn = re.findall(r"= (\d\.\d\d)", FIGURES[name]().svg())
    assert float(drawn[0]) == pytest.approx(deviation, abs=0.006)


@pytest.mark.parametrize(
    ("sharing", "first", "second", "together"),
    [
        (Sharing(None, 1), (0, 2), (3, 2), True),
        (Sharing(None, 1), (0, 2), (0, 3), False),
        (Sharing(1, None), (1, 0), (1, 5), True),
        (Sharing(1, 2), (1, 2), (1, 3), True),
        (Sharing(1, 2), (1, 1), (1, 2), False),
        (Sharing(1, 1), (1, 1), (2, 1), False),
    ],
)
def test_together(sharing: Sharing, first: tuple[int, int], second: tuple[int, int], together: bool) -> None:
    assert sharing.together(first, second) is together


# They are those of the documents


def test_every_system_has_a_figure() -> None:
    assert set(FIGURES) == {entry.name for entry in catalogue()} | {"idea"}


def test_documents_hold_what_is_drawn_now() -> None:
    assert {path.stem: path.read_text(encoding="utf-8") for path in FOLDER.iterdir()} == {
        name: figure().svg() for name, figure in FIGURES.items()
    }, "draw them again: python -m benchmarks.norm_figures"


def test_only_what_differs_is_written(tmp_path: Path) -> None:
    assert len(write_figures(tmp_path)) == len(FIGURES)
    (tmp_path / "batch.svg").write_text("old")
    assert write_figures(tmp_path) == [tmp_path / "batch.svg"]
    assert write_figures(tmp_path) == []


# They can be read


def _texts(name: str) -> Iterator[tuple[str, float, float, float, float]]:
    """Words and their box (left, top, right, bottom), with letters as wide as those of a wide font."""
    for node in ElementTree.fromstring(FIGURES[name]().svg()).iter("{http://www.w3.org/2000/svg}text"):
        words, size = "".join(node.itertext()), float(node.get("font-size", 0))
        x, y, width = float(node.get("x", 0)), float(node.get("y", 0)), 0.57 * size * len(words)
        start = {"start": 0.0, "middle": width / 2, "end": width}[node.get("text-anchor", "start")]
        if node.get("transform"):
            yield words, x - 0.7 * size, y - width / 2, x, y + width / 2
        else:
            yield words, x - start, y - 0.7 * size, x - start + width, y


@figures
def test_texts_stay_on_the_card(name: str) -> None:
    drawing = FIGURES[name]()
    texts = list(_texts(name))
    assert texts
    for words, left, top, right, bottom in texts:
        assert left >= 4 and top >= 4 and right <= drawing.width - 4 and bottom <= drawing.height - 4, words


@figures
def test_texts_do_not_overlap(name: str) -> None:
    for (one, *first), (other, *second) in combinations(_texts(name), 2):
        apart = first[2] <= second[0] or second[2] <= first[0] or first[3] <= second[1] or second[3] <= first[1]
        assert apart, (one, other)


@figures
def test_says_what_it_is(name: str) -> None:
    root = ElementTree.fromstring(FIGURES[name]().svg())
    title = root.find("{http://www.w3.org/2000/svg}title")
    assert title is not None and title.text is not None
    assert len(title.text) > 20
    assert root.get("role") == "img"


def test_sets_of_cells_do_not_cover_each_other() -> None:
    """Fronts of the nearest pictures, as rectangles."""
    for sharing in SHARING.values():
        drawing = Drawing(400, 300, "block")
        Block(0, 200, sharing, samples=1).draw(drawing, slab(sharing, (0, 5)))
        fronts = [
            shape for shape in drawing.shapes if f'fill="{GREY.front}"' in shape or f'fill="{RED.front}"' in shape
        ]
        edges = [[float(x) for x in re.findall(r"(-?[\d.]+),", shape)] for shape in fronts]
        spans = sorted((min(xs), max(xs)) for xs in edges)
        assert all(end <= start for (_, end), (start, _) in zip(spans, spans[1:], strict=False))
        assert sum(f'fill="{RED.front}"' in shape for shape in fronts) == 1


def test_text_is_escaped_and_lowered() -> None:
    drawing = Drawing(10, 10, "a < b")
    drawing.text(0, 9, "x_i < ‖w_{WD}‖ & C_∞")
    root = ElementTree.fromstring(drawing.svg())
    (node,) = root.iter("{http://www.w3.org/2000/svg}text")
    assert "".join(node.itertext()) == "xi < ‖wWD‖ & C∞"
    lowered = [part.text for part in node if part.get("font-size")]
    assert lowered == ["i", "WD", "∞"]
    assert sum(float(part.get("dy", 0)) for part in node) == 3  # all but the last come back to the baseline


def test_arrow_ends_where_it_points() -> None:
    drawing = Drawing(100, 100, "arrow")
    drawing.arrow([(10, 50), (60, 50)])
    line, head = drawing.shapes
    assert 'points="10,50 52,50"' in line
    assert 'points="60,50 52,54 52,46"' in head


def test_mixed_colours() -> None:
    assert [mixed("#000000", "#ff8040", share) for share in (0, 0.5, 1)] == ["#000000", "#804020", "#ff8040"]


def test_every_cell_is_drawn_once() -> None:
    drawing = Drawing(400, 300, "block")
    seen: list[tuple[int, int]] = []
    Block(0, 200, Sharing(1, 2), samples=2, channels=4).draw(drawing, lambda n, c: seen.append((n, c)) or GREY)
    assert sorted(seen) == sorted(product(range(2), (0, 2)))


def test_sample_leans_and_is_fixed() -> None:
    values: Tensor = SAMPLE
    assert len(values) == 40
    assert float(values.mean() - values.median()) > 0.1
