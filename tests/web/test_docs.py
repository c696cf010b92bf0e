"""The examples of docs/web.md run as they stand, and it names what the page has."""

import re
from pathlib import Path

import gradio as gr
import pytest
from PIL import Image

from styleapp.web import app as web_app
from styleapp.web.network import NetworkProvider
from styleapp.web.studios import Studios

PAGE = Path(__file__).parents[2] / "docs" / "web.md"


TEXT = PAGE.read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=["any style", "named styles", "label maps", "ablation"])
def test_client_example(
    example: str, paint_address: str, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    example = example.replace("http://127.0.0.1:7860", paint_address).replace("facades", "town")
    for name, source in (("photo", "photo"), ("painting", "style"), ("other", "other")):
        Image.open(pictures / f"{source}.png").save(tmp_path / f"{name}.jpg")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(example, names)
    with Image.open(str(names["painting"])) as painting:
        expected = (96, 72) if "/ablate" not in example else (3 * 256 + 4 * 6, 22 + 6 + 256 + 6)
        assert (painting.format, painting.size) == ("PNG", expected)


def test_endpoints_parameters_and_parts_of_the_tab_are_described(few_samples: None) -> None:
    app = web_app.build_app(NetworkProvider("none"), Studios("none"))
    for name, endpoint in app.get_api_info()["named_endpoints"].items():
        told = [name, *(one["parameter_name"] for one in endpoint["parameters"])]
        assert [word for word in told if f"`{word}`" not in TEXT] == []
    parts = [block for block in app.blocks.values() if isinstance(block, gr.Accordion)]
    assert [one.label for one in parts if not str(one.elem_id).startswith("stylize-") and one.label not in TEXT] == []
