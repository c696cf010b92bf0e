"""The example of docs/web.md runs as it stands."""

import re
from pathlib import Path

import pytest
from PIL import Image

PAGE = Path(__file__).parents[2] / "docs" / "web.md"


def test_client_example(address: str, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    for name, source in (("photo", "photo"), ("painting", "style"), ("other", "other")):
        Image.open(pictures / f"{source}.png").save(tmp_path / f"{name}.jpg")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(example.replace("http://127.0.0.1:7860", address), names)
    with Image.open(str(names["painting"])) as painting:
        assert (painting.format, painting.size) == ("PNG", (96, 72))
