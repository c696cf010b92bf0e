"""The page as a server: the HTTP endpoint, its contract, and what it says when something is wrong."""

import subprocess
import sys
from pathlib import Path

import gradio as gr
import httpx
import pytest
from gradio.utils import get_upload_folder
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from styleapp.web import app as web_app
from styleapp.web.lab_wish import OPTIONS
from styleapp.web.network import NetworkProvider
from styleapp.web.studios import Studios

ANYTHING = "str | float | bool | list | dict"  # any valid JSON

CONTRACTS = {
    "/stylize": (
        [
            ("photo", "filepath", False, None),
            ("style", "filepath", False, None),
            ("strength", "float", True, 1.0),
            ("style_2", "filepath", True, None),
            ("style_3", "filepath", True, None),
            ("weight", "float", True, 1.0),
            ("weight_2", "float", True, 1.0),
            ("weight_3", "float", True, 1.0),
            ("region", "filepath", True, None),
            ("colour", "Literal['style', 'luminance', 'match', 'histogram']", True, "style"),
            ("style_scale", "float", True, 1.0),
            ("max_side", "int", True, None),
        ],
        ["filepath"],
    ),
    "/styles": ([], [ANYTHING]),
    "/stylize_named": (
        [
            ("photo", "filepath", False, None),
            ("styles", ANYTHING, False, None),
            ("strength", "float", True, 1.0),
            ("colour", "Literal['style', 'luminance', 'histogram']", True, "style"),
            ("region", "filepath", True, None),
            ("max_side", "int", True, None),
        ],
        ["filepath"],
    ),
    "/add_style": (
        [("picture", "filepath", False, None), ("name", "str", False, None), ("steps", "int", True, 200)],
        [ANYTHING],
    ),
    "/synthesize": (
        [
            ("mask", "filepath", False, None),
            ("checkpoint", "str", True, "facades"),
            ("seed", "int", True, 0),
            ("style", "filepath", True, None),
            ("style_strength", "float", True, 1.0),
            ("size", "int", True, None),
        ],
        ["filepath"],
    ),
    "/segment": (
        [
            ("photo", "filepath", False, None),
            ("checkpoint", "str", True, "facades"),
            ("sureness", "float", True, 0.0),
            ("size", "int", True, None),
        ],
        ["filepath"],
    ),
    "/labels": ([], [ANYTHING]),
    "/ablate": (
        [
            ("checkpoint", "str", True, "multistyle"),
            ("pictures", "list[filepath]", True, None),
            ("samples", ANYTHING, True, None),
            ("style", "str", True, ""),
            ("style_picture", "filepath", True, None),
            ("layers", "str", True, "*"),
            ("normalizer", "str", True, ""),
            ("options", ANYTHING, True, None),
            ("removed", "Literal['both', 'mean', 'deviation']", True, "both"),
            ("statistics", "str", True, ""),
            ("modulation", "Literal['both', 'scale', 'shift', 'none', 'class_mean', 'map_mean']", True, "both"),
            ("strength", "float", True, 1.0),
            ("weight_norm", "str", True, ""),
            ("switches", ANYTHING, True, None),
            ("seed", "int", True, 0),
            ("size", "int", True, 256),
        ],
        ["filepath", ANYTHING, "str"],
    ),
}
"""Parameters and what comes back, by endpoint."""

OTHER_SERVER = """
import sys
from pathlib import Path
import httpx
from styleapp.web import app, stylize
stylize.sample_styles = list  # need not be drawn
server, url = app.launch(port=None, checkpoint=sys.argv[1], block=False)
photo = Path(sys.argv[2])
upload = Path(httpx.post(f"{url}gradio_api/upload", files={"files": (photo.name, photo.read_bytes())}).json()[0])
there = [upload.exists()]
server.close(verbose=False)
there.append(upload.exists())
print(upload, *there)
"""
"""Is given a picture and ends; where it lay, and whether it was there before and after."""


@pytest.fixture(scope="module")
def client(address: str, tmp_path_factory: pytest.TempPathFactory) -> Client:
    return Client(address, verbose=False, download_files=str(tmp_path_factory.mktemp("downloads")))


@pytest.mark.parametrize("name", CONTRACTS)
def test_contract_of_the_endpoint(client: Client, name: str) -> None:
    endpoint = client.view_api(return_format="dict", print_info=False)["named_endpoints"][name]
    given = [
        (one["parameter_name"], one["python_type"]["type"], one["parameter_has_default"], one["parameter_default"])
        for one in endpoint["parameters"]
    ]
    returns = [one["python_type"]["type"] for one in endpoint["returns"]]
    assert (given, returns) == CONTRACTS[name]


def test_no_other_endpoints(client: Client) -> None:
    endpoints = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert set(endpoints) == set(CONTRACTS)


def test_positional_call_returns_a_png_of_the_photos_size(client: Client, pictures: Path) -> None:
    path = client.predict(
        handle_file(pictures / "photo.png"), handle_file(pictures / "style.png"), 0.7, api_name="/stylize"
    )
    with Image.open(path) as painting:
        assert (painting.format, painting.mode, painting.size) == ("PNG", "RGB", (96, 72))


def test_every_control_at_once_and_alpha_is_kept(client: Client, pictures: Path, tmp_path: Path) -> None:
    Image.new("L", (60, 40), 255).save(tmp_path / "region.png")
    path = client.predict(
        photo=handle_file(pictures / "clear.png"),
        style=handle_file(pictures / "style.png"),
        style_2=handle_file(pictures / "other.png"),
        weight_2=0.5,
        region=handle_file(tmp_path / "region.png"),
        colour="luminance",
        style_scale=0.5,
        max_side=48,
        api_name="/stylize",
    )
    with Image.open(path) as painting:
        assert (painting.mode, painting.size) == ("RGBA", (48, 32))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"photo": "notes.png"}, "notes.png is not a picture"),
        ({"style": "notes.png"}, "notes.png is not a picture"),
        ({"weight": 0}, "weights of all styles are 0"),
        ({"region": "style.png"}, "sizes must be equal"),
        ({"strength": 9}, "1.5"),
        ({"colour": "sepia"}, "sepia"),
    ],
)
def test_bad_input_gets_one_sentence(client: Client, pictures: Path, changes: dict, sentence: str) -> None:
    values = {"photo": "photo.png", "style": "style.png", **changes}
    values = {
        name: handle_file(pictures / value) if str(value).endswith(".png") else value for name, value in values.items()
    }
    with pytest.raises((AppError, ValueError), match=sentence) as caught:
        client.predict(**values, api_name="/stylize")
    assert str(pictures) not in str(caught.value) and get_upload_folder() not in str(caught.value)


def test_files_of_the_server_are_not_given_out(address: str, checkpoint: Path) -> None:
    for path in (checkpoint, Path(web_app.__file__)):
        assert httpx.get(f"{address}gradio_api/file={path}").status_code == 403


def test_a_path_of_the_server_is_no_upload(address: str, pictures: Path) -> None:
    client = Client(address, verbose=False)
    inside = {"path": str(Path(web_app.__file__)), "meta": {"_type": "gradio.FileData"}}
    with pytest.raises((AppError, ValueError, httpx.HTTPStatusError)):
        client.predict(inside, handle_file(pictures / "style.png"), api_name="/stylize")


def test_a_server_that_ends_leaves_the_pictures_of_another(address: str, checkpoint: Path, pictures: Path) -> None:
    photo = pictures / "photo.png"
    answer = httpx.post(f"{address}gradio_api/upload", files={"files": (photo.name, photo.read_bytes())})
    ours = Path(answer.json()[0])
    other = subprocess.run(
        [sys.executable, "-c", OTHER_SERVER, checkpoint, photo], stdout=subprocess.PIPE, text=True, check=True
    )  # with this process's environment, so that both are told the same folder
    theirs, *there = other.stdout.split()[-3:]
    assert there == ["True", "False"]
    assert Path(theirs).parents[1] != ours.parents[1]  # a folder for each server: nothing of ours goes with theirs
    assert ours.read_bytes() == photo.read_bytes()
    assert not Path(theirs).parents[1].exists()


def test_page_starts_without_a_checkpoint_and_says_so(tmp_path: Path, few_samples: None, pictures: Path) -> None:
    app, url = web_app.launch(port=None, checkpoint=str(tmp_path / "missing.safetensors"), block=False)
    try:
        assert httpx.get(url).status_code == 200
        client = Client(url, verbose=False)
        with pytest.raises(AppError, match=r"missing\.safetensors.*STYLEAPP_CHECKPOINTS"):
            client.predict(
                handle_file(pictures / "photo.png"), handle_file(pictures / "style.png"), api_name="/stylize"
            )
    finally:
        app.close(verbose=False)


def test_network_is_found_once_it_is_there(tmp_path: Path, checkpoint: Path) -> None:
    network = NetworkProvider(str(tmp_path / "late.safetensors"))
    assert "late.safetensors" in (network.problem() or "")
    (tmp_path / "late.safetensors").write_bytes(checkpoint.read_bytes())
    assert network.problem() is None
    assert network.get() is network.get()


def test_every_visible_control_has_a_tooltip(few_samples: None, checkpoint: Path) -> None:
    app = web_app.build_app(NetworkProvider(str(checkpoint)), Studios("none"))
    tips = {key: text for _, _, table in web_app.TABS for key, text in table.items()}
    silent = (gr.Row, gr.Column, gr.Tabs, gr.Tab, gr.State)
    controls = [
        block
        for block in app.blocks.values()
        if not isinstance(block, silent)
        and getattr(block, "visible", True) is not False
        and "notice" not in block.elem_classes
    ]
    named = {block.elem_id for block in controls if block.elem_id}
    hidden = {
        "stylize-stop",
        "styles-learn-stop",
        "styles-sheet",
        "paint-variants",
        "lab-probe-stop",
        "lab-trained-pictures",
    }
    hidden |= {f"lab-{part}" for part in ("claim", "problem", "kept", *OPTIONS)}
    assert named | hidden == set(tips)
    assert all(len(text.split()) > 3 for text in tips.values())
    bare = [block.get_block_name() for block in controls if not block.elem_id]
    assert set(bare) <= {"html", "form", "markdown"}, bare  # the masthead, and frames around controls


def test_second_tab_says_that_a_checkpoint_has_no_names(checkpoint: Path) -> None:
    assert "takes any style picture; this tab needs one with named styles" in str(Studios(str(checkpoint)).problem())


def test_page_says_that_a_checkpoint_has_names_instead(named_checkpoint: Path) -> None:
    network = NetworkProvider(str(named_checkpoint))
    assert "has styles by name; the page needs one for any style picture" in str(network.problem())


def test_painting_events_share_one_queue_and_lessons_another(few_samples: None, checkpoint: Path) -> None:
    app = web_app.build_app(NetworkProvider(str(checkpoint)), Studios("none"))
    for name, count in (("compute", 4 + 7 + 8 + 7 + 8 + 4), ("lessons", 2), ("probes", 1)):
        heavy = [one for one in app.fns.values() if one.concurrency_id == name]
        assert len(heavy) == count
        assert {one.concurrency_limit for one in heavy} == {1}
