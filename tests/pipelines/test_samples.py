"""Sample pictures: found where they are, drawn only once."""

from pathlib import Path

import pytest
from PIL import Image

from styleapp.data import synthetic
from styleapp.pipelines import samples


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def test_photos_are_there_and_can_be_opened() -> None:
    photos = samples.sample_photos()
    assert len(photos) >= 3
    for photo in photos:
        with Image.open(photo.path) as image:
            assert min(image.size) >= 200


def test_photos_that_this_gradio_does_not_have_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "PHOTOS", {"lion.jpg": "Lion", "no such file.jpg": "Nothing"})
    assert [photo.name for photo in samples.sample_photos()] == ["lion"]


def test_no_gradio_no_photos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples.importlib.util, "find_spec", lambda name: None)
    assert samples.sample_photos() == []


def test_styles_are_drawn_once(monkeypatch: pytest.MonkeyPatch, own_cache: Path) -> None:
    first = samples.sample_styles(32)
    assert [style.name for style in first] == list(synthetic.SAMPLE_STYLES)
    for style in first:
        assert own_cache in style.path.parents and style.title
        with Image.open(style.path) as image:
            assert (image.format, image.size) == ("PNG", (32, 32))
    monkeypatch.setattr(synthetic, "sample_style", lambda *args: pytest.fail("drawn again"))
    assert samples.sample_styles(32) == first


def test_styles_are_drawn_anew_when_the_drawing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthetic, "SAMPLE_STYLES", dict(list(synthetic.SAMPLE_STYLES.items())[:1]))
    (first,) = samples.sample_styles(32)
    monkeypatch.setattr(samples, "_fingerprint", lambda: "another")
    (second,) = samples.sample_styles(32)
    assert first.path != second.path


def test_a_cache_that_cannot_be_written_falls_back(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(samples.tempfile, "gettempdir", lambda: str(tmp_path / "temporary"))
    assert samples.cache_folder().parent == tmp_path / "temporary"
