"""What the buttons do, as plain functions."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from styleapp.pipelines.stylize import Stage
from styleapp.web.pictures import PREVIEW_SIDE
from styleapp.web.stylize_handlers import Controls, StylizeHandlers, caption, filled_slots, preview


class FakeNetwork:
    """Gives back a grey picture of the photo's size and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}

    def get(self) -> Any:
        return SimpleNamespace(stages=self._stages)

    def _stages(self, photo: str, styles: list[str], **controls: Any) -> Iterator[Stage]:
        self.asked = {"photo": photo, "styles": styles, **controls}
        yield Stage("reading the photo", 0.0)
        with Image.open(photo) as image:
            yield Stage("done", 1.0, Image.new(image.mode, image.size, 128 if image.mode == "L" else None))


def controls(pictures: Path, **changes: Any) -> dict[str, Any]:
    """Arguments of ``paint`` as the page passes them before anything is changed."""
    values = {
        "wanted": True,
        "photo": str(pictures / "photo.png"),
        "style": str(pictures / "style.png"),
        "strength": 1.0,
        "style_2": None,
        "style_3": None,
        "weight": 1.0,
        "weight_2": 1.0,
        "weight_3": 1.0,
        "painting": None,
        "colour": "style",
        "style_scale": 1.0,
        "max_side": 0,
        "progress": lambda *args, **options: None,
    }
    return {**values, **changes}


def test_painting_is_shown_offered_and_described(pictures: Path) -> None:
    steps = StylizeHandlers(FakeNetwork()).paint(**controls(pictures))  # type: ignore[arg-type]
    assert next(steps) == (gr.skip(),) * 4
    (before, after), download, text, sliders = next(steps)
    assert before.size == (96, 72)
    assert after == download["value"] and Path(after).name == "photo-painted.png"
    with Image.open(after) as file:
        assert (file.format, file.size) == ("PNG", (96, 72))
    assert text.endswith(" s, 96×72") and sliders == (1.0, 1.0, 1.0, 1.0, 1.0)
    assert list(steps) == []
    assert not Path(after).exists()  # gradio has copied it by now


def test_controls_reach_the_network(pictures: Path) -> None:
    network = FakeNetwork()
    changes = {"style_3": str(pictures / "other.png"), "weight_3": 0.25, "strength": 0.3, "max_side": 512}
    list(StylizeHandlers(network).paint(**controls(pictures, **changes)))  # type: ignore[arg-type]
    assert [Path(style).name for style in network.asked["styles"]] == ["style.png", "other.png"]
    assert network.asked["weights"] == [1.0, 0.25] and network.asked["regions"] is None
    assert (network.asked["strength"], network.asked["max_side"]) == (0.3, 512)


def test_painted_region_replaces_the_weights(pictures: Path) -> None:
    network = FakeNetwork()
    red = Image.new("RGBA", (20, 15), "#e8543f")
    list(StylizeHandlers(network).paint(**controls(pictures, painting={"layers": [red]})))  # type: ignore[arg-type]
    assert network.asked["weights"] is None
    assert [np.asarray(mask).min() for mask in network.asked["regions"]] == [255]
    assert network.asked["regions"][0].size == (96, 72)


def test_nothing_happens_where_no_painting_is_wanted(pictures: Path) -> None:
    network = FakeNetwork()
    steps = list(StylizeHandlers(network).paint(**controls(pictures, wanted=False)))  # type: ignore[arg-type]
    assert steps == [(gr.skip(),) * 4] and network.asked == {}


def _values(pictures: Path, **changes: Any) -> tuple[Any, ...]:
    """Of the controls, in the page's order."""
    return tuple(controls(pictures, **changes)[name] for name in Controls._fields)


@pytest.mark.parametrize(("max_side", "asked"), [(0, 384), (256, 256), (2048, 384)])
def test_draft_is_small_and_of_where_the_slider_is(pictures: Path, max_side: int, asked: int) -> None:
    network, painted = FakeNetwork(), (1.0, 1.0, 1.0, 1.0, 1.0)
    values = _values(pictures, strength=0.3, max_side=max_side)
    before, after = StylizeHandlers(network).draft(painted, *values)
    assert before.size == after.size
    assert (network.asked["strength"], network.asked["max_side"]) == (0.3, asked)


def test_draft_keeps_the_painted_region(pictures: Path) -> None:
    network, red = FakeNetwork(), Image.new("RGBA", (20, 15), "#e8543f")
    StylizeHandlers(network).draft((0.0,) * 5, *_values(pictures, painting={"layers": [red]}))
    assert network.asked["weights"] is None and len(network.asked["regions"]) == 1


@pytest.mark.parametrize("painted", [None, (0.3, 1.0, 1.0, 1.0, 1.0), [0.3, 1.0, 1.0, 1.0, 1.0]])
def test_no_draft_before_a_painting_or_after_the_same_one(pictures: Path, painted: Any) -> None:
    network = FakeNetwork()
    assert StylizeHandlers(network).draft(painted, *_values(pictures, strength=0.3)) == gr.skip()
    assert network.asked == {}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"photo": None, "style": None}, "Choose a photo first"),
        ({"style": None}, "Choose a style first"),
        ({"weight": 0.0}, "weights of all styles are 0"),
        ({"photo": "notes.png"}, "^'?notes.png is not a picture"),
    ],
)
def test_bad_input_is_one_sentence_for_the_visitor(pictures: Path, changes: dict[str, Any], sentence: str) -> None:
    changes = {key: str(pictures / value) if value == "notes.png" else value for key, value in changes.items()}
    with pytest.raises(gr.Error, match=sentence) as caught:
        list(StylizeHandlers(FakeNetwork()).paint(**controls(pictures, **changes)))  # type: ignore[arg-type]
    assert str(pictures) not in str(caught.value) and caught.value.print_exception is False


def test_second_style_alone_is_enough(pictures: Path) -> None:
    assert filled_slots((None, 1.0), ("b.png", 0.5), (None, 1.0)) == {1: ("b.png", 0.5)}


def test_large_paintings_are_shown_small_with_both_halves_of_one_size(tmp_path: Path) -> None:
    before, after = preview(Image.new("RGB", (4000, 2000)), Image.new("RGB", (3000, 1500)), tmp_path / "a.png")
    assert isinstance(after, Image.Image)
    assert before.size == after.size == (PREVIEW_SIDE, PREVIEW_SIDE // 2)


@pytest.mark.parametrize(("seconds", "text"), [(0.91, "0.9 s, 640×480"), (12.0, "12.0 s, 640×480")])
def test_caption(seconds: float, text: str) -> None:
    assert caption(seconds, (640, 480)) == text
