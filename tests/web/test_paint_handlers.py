"""What the tab *Paint* does, as plain functions: maps from anywhere, pictures small and large, variants."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from styleapp.data.labels import IGNORED
from styleapp.data.masks import read_mask
from styleapp.pipelines.label_maps import LabelSet, drawn_map
from styleapp.pipelines.synthesize import SynthesizePipeline
from styleapp.web.paint_canvas import LARGEST_MAP, painted_map, shown_map
from styleapp.web.paint_handlers import NOTHING_NEW, VARIANTS, PaintHandlers, Wish
from styleapp.web.paint_maps_handlers import ANY, MapsHandlers
from styleapp.web.painters import LIVE_SECONDS, Painters


@pytest.fixture
def painters(paint_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Painters:
    monkeypatch.setenv("STYLEAPP_CHECKPOINTS", str(paint_folder))
    return Painters()


@pytest.fixture
def maps(painters: Painters) -> MapsHandlers:
    return MapsHandlers(painters)


@pytest.fixture
def pictures_of(painters: Painters) -> PaintHandlers:
    return PaintHandlers(painters)


@pytest.fixture
def facades(painters: Painters) -> LabelSet:
    return painters.labels("facades")


def clicked(index: int) -> Any:
    return SimpleNamespace(index=index)


def house(labels: LabelSet, side: int = 64) -> dict[str, Any]:
    """A value of the canvas."""
    return shown_map("facades", drawn_map(labels, None, side), labels)


def slow(painters: Painters, network: str = "facades") -> None:
    """As if the network took four times as long as a live picture of 256×256 pixels may."""
    for _ in range(4):
        painters.pace(network).note(256 * 256, 4 * LIVE_SECONDS)


# Where maps come from


def test_page_opens_with_the_first_network_and_a_map(maps: MapsHandlers) -> None:
    notice, studio, network, canvas, tiles, names, look = maps.open()
    assert (notice["visible"], studio["visible"]) == (False, True)
    assert (network["choices"], network["value"]) == ([("Facades", "facades"), ("Town", "town")], "facades")
    assert network["visible"] and not look["visible"]
    assert painted_map(canvas).numbers.shape == (256, 256) and painted_map(canvas).network == "facades"
    assert names[-1] == ANY and len(names) > 1
    assert [(tile.size, caption) for tile, caption in tiles] == [((96, 96), name.capitalize()) for name in names]


def test_page_opens_without_networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STYLEAPP_CHECKPOINTS", str(tmp_path))
    notice, studio, *rest = MapsHandlers(Painters()).open()
    assert notice["value"].startswith("<b>No network for label maps yet.</b> The manifest") and notice["visible"]
    assert not studio["visible"] and rest == [gr.skip()] * 5


def test_network_with_a_style_encoder_takes_style_pictures(maps: MapsHandlers) -> None:
    canvas, _, names, look = maps.switch("town", 48)
    assert names == [ANY] and look["visible"]  # nothing ready-made of sky, tree and house
    assert painted_map(canvas).numbers.shape == (48, 48)
    assert [entry["name"] for entry in canvas["legend"]] == ["sky", "tree", "house", "no label"]
    with pytest.raises(gr.Error, match="unknown network 'moon'"):
        maps.switch("moon", 48)


def test_each_click_draws_another_map_of_that_kind(maps: MapsHandlers) -> None:
    names = maps.switch("facades", 64)[2]
    for index in (0, len(names) - 1):
        first, second = (maps.begin("facades", 64, names, clicked(index)) for _ in range(2))
        assert first["map"] != second["map"] and painted_map(second).numbers.shape == (64, 64)


def test_map_takes_another_size(maps: MapsHandlers, facades: LabelSet) -> None:
    canvas = house(facades)
    numbers = painted_map(canvas).numbers
    np.testing.assert_array_equal(painted_map(maps.resize(canvas, 128)).numbers, numbers.repeat(2, 0).repeat(2, 1))
    assert maps.resize(canvas, 64) == gr.skip()
    with pytest.raises(gr.Error, match="There is no label map yet"):
        maps.resize(None, 64)


def test_photo_becomes_a_map(maps: MapsHandlers, painters: Painters, pictures: Path) -> None:
    found = painted_map(maps.see("town", str(pictures / "photo.png"), 64))
    expected = painters.segmenter("town")(pictures / "photo.png", size=64)
    assert found.network == "town" and found.numbers.shape == (48, 64)
    np.testing.assert_array_equal(found.numbers, expected)
    assert maps.see("town", None, 64) == gr.skip()
    with pytest.raises(gr.Error, match="facades_segmenter"):
        maps.see("facades", str(pictures / "photo.png"), 64)


def test_uploaded_masks_keep_their_size(maps: MapsHandlers, facades: LabelSet, tmp_path: Path) -> None:
    numbers = drawn_map(facades, None, 70)[:50]
    numbers[:4] = IGNORED
    Image.fromarray(numbers).save(tmp_path / "ids.png")
    np.testing.assert_array_equal(painted_map(maps.load("facades", str(tmp_path / "ids.png"))).numbers, numbers)
    Image.new("L", (2 * LARGEST_MAP, 40)).save(tmp_path / "wide.png")
    assert painted_map(maps.load("facades", str(tmp_path / "wide.png"))).numbers.shape == (20, LARGEST_MAP)
    assert maps.load("facades", None) == gr.skip()


def test_masks_that_cannot_be_used_get_one_sentence(maps: MapsHandlers, pictures: Path, tmp_path: Path) -> None:
    Image.new("L", (8, 8), 77).save(tmp_path / "other.png")
    for path, sentence in (
        (pictures / "style.png", r"style\.png has colours that are not in its label set"),
        (pictures / "notes.png", r"notes\.png is not a picture"),
        (tmp_path / "other.png", r"other\.png has the label 77 \(64 pixels\); known are 0 to 4 and 255"),
    ):
        with pytest.raises(gr.Error, match=sentence) as caught:
            maps.load("facades", str(path))
        assert str(path.parent) not in str(caught.value)


# Pictures


def test_picture_mask_and_legend_are_offered(pictures_of: PaintHandlers, facades: LabelSet) -> None:
    canvas = house(facades)
    for handler in (pictures_of.live, pictures_of.settle):
        steps = handler(None, canvas, 3, None, 1.0)
        picture, download, mask, legend, told, done = next(steps)
        assert picture == download["value"] and Path(picture).name == "facades-seed-3.png" and download["interactive"]
        numbers = painted_map(canvas).numbers
        expected = pictures_of.painters.get("facades")(numbers, 3)
        with Image.open(picture) as image:
            np.testing.assert_array_equal(np.asarray(image), np.asarray(expected))
        np.testing.assert_array_equal(read_mask(mask["value"], facades), numbers)
        assert LabelSet.load(legend["value"]) == facades
        assert told.endswith("s, 64×64 · seed 3")
        assert list(handler(done, canvas, 3, None, 1.0)) == [NOTHING_NEW]
        assert next(handler(done, canvas, 4, None, 1.0))[4].endswith("seed 4")


def test_nothing_is_painted_before_there_is_a_map(pictures_of: PaintHandlers) -> None:
    assert list(pictures_of.live(None, None, 0, None, 1.0)) == [NOTHING_NEW]
    assert list(pictures_of.settle(None, "", 0, None, 1.0)) == [NOTHING_NEW]


def test_slow_network_paints_a_draft_first(pictures_of: PaintHandlers, facades: LabelSet) -> None:
    slow(pictures_of.painters)
    canvas = house(facades, 256)
    steps = pictures_of.live(None, canvas, 0, None, 1.0)
    picture, download, mask, _, told, done = next(steps)
    with Image.open(picture) as image:
        assert image.size == (128, 128)
    assert told.endswith("128×128 · seed 0 · draft") and not download["interactive"] and done is None
    np.testing.assert_array_equal(read_mask(mask["value"], facades), painted_map(canvas).numbers)  # in full size
    steps = pictures_of.settle(done, canvas, 0, None, 1.0)
    picture, download, *_, told, done = next(steps)
    with Image.open(picture) as image:
        assert image.size == (256, 256)
    assert download["interactive"] and "draft" not in told and done is not None


def test_style_picture_and_strength(
    pictures_of: PaintHandlers, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    canvas = shown_map("town", np.zeros((32, 32), dtype=np.uint8), pictures_of.painters.labels("town"))
    asked: list[tuple[Any, ...]] = []
    call = SynthesizePipeline.__call__

    def recorded(self: SynthesizePipeline, *given: Any) -> Image.Image:
        asked.append(given[1:])
        return call(self, *given)

    monkeypatch.setattr(SynthesizePipeline, "__call__", recorded)
    style = str(pictures / "style.png")
    next(pictures_of.settle(None, canvas, 5, style, 0.25))
    next(pictures_of.settle(None, canvas, None, None, 0.25))
    assert asked == [(5, style, 0.25, None), (0, None, 1.0, None)]
    with pytest.raises(gr.Error, match=r"notes\.png is not a picture") as caught:
        next(pictures_of.settle(None, canvas, 5, str(pictures / "notes.png"), 1.0))
    assert str(pictures) not in str(caught.value)


def test_label_set_that_ignores_another_number(pictures_of: PaintHandlers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pixels without label have 255 on the canvas, whatever their number is in files."""
    entries = [{"index": index, "name": name, "rgb": [index, 9, 9]} for index, name in enumerate("abc")]
    labels = LabelSet.from_record(
        {"classes": [*entries, {"index": 9, "name": "void", "rgb": [0, 0, 0], "ignore": True}]}
    )
    pipeline = pictures_of.painters.get("town")
    monkeypatch.setattr(pipeline, "labels", labels)
    numbers = np.array([[0, 1], [2, IGNORED]], dtype=np.uint8).repeat(16, 0).repeat(16, 1)
    steps = pictures_of.settle(None, shown_map("town", numbers, labels), 0, None, 1.0)
    *_, mask, _, told, _ = next(steps)
    assert "32×32" in told
    with Image.open(mask["value"]) as image:
        assert set(np.unique(np.asarray(image))) == {0, 1, 2, 9}


@pytest.mark.parametrize(
    ("canvas", "sentence"),
    [
        ({"network": "facades", "map": "2x2 7:4"}, r"has the label 7 \(4 pixels\); known are 0 to 4 and 255"),
        ({"network": "facades", "map": "2x2 255:4"}, "has no pixel with a label: there is nothing to paint"),
        ({"network": "moon", "map": "2x2 0:4"}, "unknown network 'moon' for label maps; known are facades, town"),
        ({"network": "facades", "map": "2x2 0:9"}, "The label map is damaged"),
    ],
)
def test_maps_that_cannot_be_painted_get_one_sentence(
    pictures_of: PaintHandlers, canvas: dict[str, Any], sentence: str
) -> None:
    for steps in (pictures_of.live(None, canvas, 0, None, 1.0), pictures_of.variants(canvas, 0, None, 1.0)):
        with pytest.raises(gr.Error, match=sentence):
            next(steps)


def test_variants_have_seeds_of_their_own(pictures_of: PaintHandlers, facades: LabelSet) -> None:
    *_, (gallery, seeds) = pictures_of.variants(house(facades), 3, None, 1.0)
    assert len(gallery["value"]) == len(set(seeds)) == VARIANTS and gallery["visible"]
    assert [caption for _, caption in gallery["value"]] == [f"Seed {seed}" for seed in seeds]
    assert pictures_of.take(seeds, clicked(2)) == seeds[2]


def test_picture_is_sent_in_full_size(pictures_of: PaintHandlers, facades: LabelSet) -> None:
    slow(pictures_of.painters)
    steps = pictures_of.send(house(facades, 256), 3, None, 1.0)
    path, tabs = next(steps)
    with Image.open(path) as image:
        assert image.size == (256, 256)
    assert tabs["selected"] == "stylize"


def test_wishes_differ_in_all_that_the_picture_depends_on(facades: LabelSet) -> None:
    canvas = house(facades)
    values = [canvas, 1, None, 1.0]
    changes = [[house(facades, 65), 1, None, 1.0], [canvas, 2, None, 1.0], [canvas, 1, "a.png", 1.0]]
    turned = shown_map("facades", painted_map(canvas).numbers.T, facades)
    assert len({Wish.of(*one).key for one in (values, *changes, [turned, 1, None, 1.0])}) == 5
    assert Wish.of(*values).key == Wish.of(*values).key


def test_files_of_a_picture_are_gone_afterwards(pictures_of: PaintHandlers, facades: LabelSet) -> None:
    """Gradio has copied them by then."""
    steps = pictures_of.settle(None, house(facades), 3, None, 1.0)
    picture = Path(next(steps)[0])
    assert picture.is_file()
    assert list(steps) == []
    assert not picture.exists()
