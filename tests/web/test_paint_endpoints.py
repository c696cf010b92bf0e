"""The HTTP endpoints of the tab *Paint*: what they return, and what they say when something is wrong."""

import base64
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradio.utils import get_upload_folder
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from styleapp.data.labels import IGNORED, LabelSet
from styleapp.data.masks import read_mask, save_mask
from styleapp.pipelines.label_maps import drawn_map, map_picture
from styleapp.pipelines.segment import SegmentPipeline
from styleapp.pipelines.synthesize import SynthesizePipeline


@pytest.fixture
def client(paint_address: str, tmp_path: Path) -> Client:
    return Client(paint_address, verbose=False, download_files=str(tmp_path))


@pytest.fixture(scope="module")
def town(paint_folder: Path) -> SynthesizePipeline:
    return SynthesizePipeline.from_checkpoint(paint_folder / "town.safetensors", device="cpu")


@pytest.fixture
def masks(town: SynthesizePipeline, tmp_path: Path) -> Path:
    """The same map of 40×32 pixels as ids.png, named.png (with palette) and colours.png; and some that are none."""
    numbers = drawn_map(town.labels, None, 40, seed=2)[:32]
    numbers[:3, :3] = IGNORED
    Image.fromarray(numbers).save(tmp_path / "ids.png")
    save_mask(tmp_path / "named.png", numbers, town.labels)
    map_picture(numbers, town.labels).save(tmp_path / "colours.png")
    Image.new("L", (8, 8), 5).save(tmp_path / "other.png")
    Image.new("L", (8, 8), 255).save(tmp_path / "nothing.png")
    return tmp_path


def pixels(path: str) -> np.ndarray:
    with Image.open(path) as picture:
        assert (picture.format, picture.mode) == ("PNG", "RGB")
        return np.asarray(picture)


def synthesize(client: Client, mask: Any, **controls: Any) -> np.ndarray:
    return pixels(client.predict(mask=mask, checkpoint="town", **controls, api_name="/synthesize"))


@pytest.mark.parametrize("form", ["ids", "named", "colours"])
def test_mask_of_any_kind_becomes_a_picture(client: Client, town: SynthesizePipeline, masks: Path, form: str) -> None:
    found = synthesize(client, handle_file(masks / f"{form}.png"), seed=3)
    np.testing.assert_array_equal(found, np.asarray(town(masks / "ids.png", 3)))


def test_mask_as_base64(client: Client, town: SynthesizePipeline, masks: Path) -> None:
    text = base64.b64encode((masks / "ids.png").read_bytes()).decode()
    inline = {"url": f"data:image/png;base64,{text}", "meta": {"_type": "gradio.FileData"}}
    np.testing.assert_array_equal(synthesize(client, inline, seed=3), np.asarray(town(masks / "ids.png", 3)))


def test_every_control_at_once(client: Client, town: SynthesizePipeline, masks: Path, pictures: Path) -> None:
    style = pictures / "style.png"
    found = synthesize(
        client, handle_file(masks / "ids.png"), seed=4, style=handle_file(style), style_strength=0.5, size=80
    )
    assert found.shape == (64, 80, 3)
    np.testing.assert_array_equal(found, np.asarray(town(masks / "ids.png", 4, style, 0.5, 80)))


def test_photo_becomes_a_mask(client: Client, town: SynthesizePipeline, paint_folder: Path, pictures: Path) -> None:
    segmenter = SegmentPipeline.from_checkpoint(paint_folder / "town_segmenter.safetensors", device="cpu")
    photo = pictures / "photo.png"
    for controls in ({"sureness": 0.35, "size": 48}, {}):
        path = client.predict(handle_file(photo), checkpoint="town", **controls, api_name="/segment")
        with Image.open(path) as mask:
            assert (mask.format, mask.mode) == ("PNG", "P")
            found = np.asarray(mask)
        np.testing.assert_array_equal(found, segmenter(photo, **controls))
        np.testing.assert_array_equal(read_mask(path, town.labels), found)
    assert synthesize(client, handle_file(path)).shape == (72, 96, 3)


def test_label_sets_are_listed(client: Client, town: SynthesizePipeline) -> None:
    listed = client.predict(api_name="/labels")
    assert list(listed) == ["facades", "town"]
    assert LabelSet.from_record(listed["town"]) == town.labels


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"mask": "notes.png"}, "notes.png is not a picture"),
        ({"mask": "style.png"}, "style.png has colours that are not in its label set"),
        ({"mask": "other.png"}, r"other.png has the label 5 \(64 pixels\); known are 0 to 2 and 255"),
        ({"mask": "nothing.png"}, "nothing.png has no pixel with a label"),
        ({"style": "notes.png"}, "notes.png is not a picture"),
        ({"checkpoint": "moon"}, "unknown network 'moon' for label maps; known are facades, town"),
        ({"checkpoint": "../town"}, "unknown network '../town'"),
        ({"checkpoint": "facades", "style": "style.png"}, "no style encoder: it takes a seed, but no style picture"),
        ({"seed": -1}, "0"),
        ({"style_strength": 2}, "1"),
        ({"size": 0}, "1"),
    ],
)
def test_bad_input_gets_one_sentence(
    client: Client, masks: Path, pictures: Path, values: dict[str, Any], sentence: str
) -> None:
    given = {"mask": "ids.png", "checkpoint": "town", **values}
    for name, value in given.items():
        if str(value).endswith(".png"):
            given[name] = handle_file(next(one for one in (masks / value, pictures / value) if one.exists()))
    with pytest.raises((AppError, ValueError), match=sentence) as caught:
        client.predict(**given, api_name="/synthesize")
    assert str(masks) not in str(caught.value) and get_upload_folder() not in str(caught.value)


def test_text_that_is_no_base64(client: Client) -> None:
    inline = {"url": "data:image/png;base64,A", "meta": {"_type": "gradio.FileData"}}
    with pytest.raises(AppError, match="the URL of the picture is not base64"):
        synthesize(client, inline)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"photo": "notes.png"}, "notes.png is not a picture"),
        ({"checkpoint": "facades"}, "facades_segmenter"),
        ({"checkpoint": "adain"}, "unknown network 'adain' for label maps"),
        ({"sureness": 3}, "1"),
    ],
)
def test_bad_photos_get_one_sentence(client: Client, pictures: Path, values: dict[str, Any], sentence: str) -> None:
    given = {"photo": "photo.png", "checkpoint": "town", **values}
    given["photo"] = handle_file(pictures / given["photo"])
    with pytest.raises((AppError, ValueError), match=sentence) as caught:
        client.predict(**given, api_name="/segment")
    assert str(pictures) not in str(caught.value) and get_upload_folder() not in str(caught.value)
