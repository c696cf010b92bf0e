"""The HTTP endpoints of the tab *Styles*: what they return, and what they say when something is wrong."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradio.utils import get_upload_folder
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from styleapp.web import app as web_app


@pytest.fixture
def client(address: str, tmp_path: Path) -> Client:
    """A visitor whom nobody knows."""
    return Client(address, verbose=False, download_files=str(tmp_path))


@pytest.fixture
def missing(few_samples: None, tmp_path: Path, checkpoint: Path) -> Iterator[str]:
    """Where a page is served that has no named styles."""
    named = str(tmp_path / "missing.safetensors")
    app, url = web_app.launch(port=None, checkpoint=str(checkpoint), named=named, block=False)
    yield url
    app.close(verbose=False)


def pixels(path: str) -> np.ndarray:
    """Of the PNG that an endpoint returned."""
    with Image.open(path) as painting:
        assert painting.format == "PNG"
        return np.asarray(painting)


def paint(client: Client, pictures: Path, styles: Any, **controls: Any) -> np.ndarray:
    """The photo of 96×72 pixels in these styles."""
    photo = handle_file(pictures / "photo.png")
    return pixels(client.predict(photo=photo, styles=styles, **controls, api_name="/stylize_named"))


def test_styles_are_listed(client: Client) -> None:
    listed = client.predict(api_name="/styles")
    assert [one["name"] for one in listed] == ["wave", "night", "scream"]
    assert listed[0] == {"name": "wave", "title": "wave", "artist": "", "year": "", "own": False}


def test_a_style_by_name_and_mixtures(client: Client, pictures: Path) -> None:
    wave, night = (paint(client, pictures, name) for name in ("wave", "night"))
    mixed = paint(client, pictures, {"wave": 0.5, "night": 0.5})
    assert wave.shape == (72, 96, 3) and (wave != night).any() and (mixed != wave).any()
    assert np.array_equal(paint(client, pictures, json.dumps({"wave": 2, "night": 2})), mixed)
    assert np.array_equal(paint(client, pictures, {"wave": 1, "night": 0}), wave)


def test_every_control_at_once(client: Client, pictures: Path, tmp_path: Path) -> None:
    half = Image.new("L", (60, 40))
    half.paste(255, (0, 0, 20, 40))
    half.save(tmp_path / "region.png")
    path = client.predict(
        photo=handle_file(pictures / "clear.png"),
        styles={"wave": 1, "scream": 3},
        strength=1.2,
        colour="luminance",
        region=handle_file(tmp_path / "region.png"),
        max_side=48,
        api_name="/stylize_named",
    )
    assert pixels(path).shape == (32, 48, 4)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"photo": "notes.png"}, "notes.png is not a picture"),
        ({"styles": "dawn"}, "unknown style 'dawn'; known are wave, night, scream"),
        ({"styles": ["wave"]}, "the name of a style, or a JSON object of names and weights"),
        ({"styles": {"wave": "much"}}, "the name of a style, or a JSON object of names and weights"),
        ({"styles": {}}, "Choose a style first"),
        ({"styles": "{wave: 1}"}, "styles is no JSON object"),
        ({"styles": {"wave": 0}}, "weights of all styles are 0"),
        ({"styles": {"wave": 2, "night": -1}}, "weights must be finite and at least 0"),
        ({"region": "style.png"}, "sizes must be equal"),
        ({"strength": 9}, "1.5"),
        ({"colour": "match"}, "match"),
    ],
)
def test_bad_input_gets_one_sentence(client: Client, pictures: Path, changes: dict, sentence: str) -> None:
    values = {"photo": "photo.png", "styles": "wave", **changes}
    values = {key: handle_file(pictures / one) if str(one).endswith(".png") else one for key, one in values.items()}
    with pytest.raises((AppError, ValueError), match=sentence) as caught:
        client.predict(**values, api_name="/stylize_named")
    assert str(pictures) not in str(caught.value) and get_upload_folder() not in str(caught.value)


def test_a_style_is_added_for_its_visitor_only(client: Client, address: str, pictures: Path) -> None:
    picture, other = handle_file(pictures / "style.png"), Client(address, verbose=False)
    learned = client.predict(picture, "stripes", 2, api_name="/add_style")
    assert (learned["name"], learned["steps"]) == ("stripes", 2)
    assert 0 < learned["style_distance"] < 10 and set(learned) == {"name", "steps", "style_distance"}
    assert client.predict(api_name="/styles")[-1]["name"] == "stripes"
    assert client.predict(api_name="/styles")[-1]["own"] is True
    assert (paint(client, pictures, "stripes") != paint(client, pictures, "wave")).any()
    assert "stripes" not in [one["name"] for one in other.predict(api_name="/styles")]
    with pytest.raises(AppError, match="unknown style 'stripes'"):
        paint(other, pictures, "stripes")


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (("notes.png", "new", 2), "notes.png is not a picture"),
        (("style.png", "  ", 2), "Give your style a name first"),
        (("style.png", "wave", 2), "'wave' from the beginning: choose another name"),
        (("style.png", "../x", 2), "cannot be the name of a style"),
        (("style.png", "new", 0), "1"),
        (("style.png", "new", 5000), "1000"),
    ],
)
def test_bad_lessons_get_one_sentence(client: Client, pictures: Path, values: tuple, sentence: str) -> None:
    picture, *rest = values
    with pytest.raises((AppError, ValueError), match=sentence) as caught:
        client.predict(handle_file(pictures / picture), *rest, api_name="/add_style")
    assert get_upload_folder() not in str(caught.value)


def test_without_named_styles_the_rest_works(missing: str, pictures: Path) -> None:
    client = Client(missing, verbose=False)
    photo, style = handle_file(pictures / "photo.png"), handle_file(pictures / "style.png")
    for call in ({"api_name": "/styles"}, {"photo": photo, "styles": "wave", "api_name": "/stylize_named"}):
        with pytest.raises(AppError, match=r"missing\.safetensors"):
            client.predict(**call)
    assert pixels(client.predict(photo, style, api_name="/stylize")).shape == (72, 96, 3)
