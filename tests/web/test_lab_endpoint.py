"""The HTTP endpoint ``/ablate``: what it returns, and what it says when something is wrong."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradio.utils import get_upload_folder
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from styleapp.lab.ablation import Ablation, run
from styleapp.lab.ablation_files import grid_picture
from styleapp.lab.switches import LayerSwitch


@pytest.fixture(scope="module")
def client(paint_address: str, tmp_path_factory: pytest.TempPathFactory) -> Client:
    return Client(paint_address, verbose=False, download_files=str(tmp_path_factory.mktemp("downloads")))


def ablate(client: Client, **values: Any) -> tuple[np.ndarray, dict[str, Any], str]:
    """The pixels of the grid, the scores and the configuration."""
    path, scores, configuration = client.predict(size=64, **values, api_name="/ablate")
    with Image.open(path) as grid:
        assert grid.format == "PNG"
        return np.asarray(grid), scores, configuration


def test_plain_values_are_one_switch_and_the_configuration_repeats_it(client: Client, pictures: Path) -> None:
    photo = pictures / "photo.png"
    pixels, scores, configuration = ablate(
        client,
        pictures=[handle_file(photo)],
        samples=["tower"],
        style="night",
        layers="blocks.*",
        normalizer="group",
        options={"groups": 2},
    )
    switch = LayerSwitch("blocks.*", "group", {"groups": 2})
    expected = run(Ablation("multistyle", (switch,), ("tower", str(photo)), ("night",), size=64))
    np.testing.assert_array_equal(pixels, np.asarray(grid_picture(expected)))
    assert (
        scores["change"]["mean_difference"] == pytest.approx(expected.change["mean_difference"])
        and scores["change"]["mean_difference"] > 0
    )
    told = Ablation.from_yaml(configuration)
    assert (told.switches, told.photos) == ((switch,), ("tower", "input-photos-2.png"))


def test_several_switches_on_label_maps(client: Client) -> None:
    switches = [{"normalizer": "instance"}, {"layers": "stages.0.*", "modulation": "none"}]
    pixels, scores, configuration = ablate(
        client, checkpoint="facades", samples=["palace"], switches=switches, seed=3, modulation="map_mean"
    )
    told = Ablation.from_yaml(configuration)
    assert told.switches == (*(LayerSwitch(**one) for one in switches), LayerSwitch(modulation="map_mean"))
    np.testing.assert_array_equal(pixels, np.asarray(grid_picture(run(told))))
    assert scores["switches"][-1] == {"modulation": "map_mean"}


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"checkpoint": "moon"}, "unknown network 'moon'; known are facades, town, multistyle"),
        ({"checkpoint": "../multistyle.safetensors"}, "unknown network"),
        ({"samples": ["/etc/hostname"]}, "unknown sample photo '/etc/hostname'"),
        ({"samples": "tower"}, "samples must be a JSON list"),
        ({"samples": []}, "needs at least one photo"),
        ({"style": "dawn"}, "unknown style 'dawn' of multistyle; known are wave, night, scream"),
        ({"normalizer": ""}, "name a switch, such as normalizer or modulation"),
        ({"normalizer": "sum"}, "sum"),
        ({"options": {"groups": 3}}, "groups must be a divisor of the 8 features, got 3"),
        ({"switches": [{"layer": "x"}]}, "unknown entry 'layer'"),
        ({"switches": {"layers": "x"}}, "switches must be a JSON list"),
        ({"layers": "stages.*"}, "no normalization layer fits the pattern 'stages"),
        ({"pictures": ["notes.png"]}, "notes.png is not a picture"),
    ],
)
def test_bad_input_gets_one_sentence(client: Client, pictures: Path, values: dict[str, Any], sentence: str) -> None:
    given = {"samples": ["tower"], "style": "wave", "normalizer": "group", **values}
    if "pictures" in given:
        given["pictures"] = [handle_file(pictures / name) for name in given["pictures"]]
    with pytest.raises(AppError, match=sentence) as caught:
        ablate(client, **given)
    assert str(pictures) not in str(caught.value) and get_upload_folder() not in str(caught.value)
