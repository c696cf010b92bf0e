"""The page in a real browser, used as a visitor uses it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from styleapp.pipelines.stylize import Stage
from styleapp.web import app as web_app

pytestmark = pytest.mark.browser

OpenPage = Callable[..., Any]


class SlowNetwork:
    """A network whose every step takes a while, and that counts them."""

    def __init__(self) -> None:
        self.started = Event()
        self.steps = 0

    def problem(self) -> None:
        return None

    def get(self) -> Any:
        return SimpleNamespace(stages=self._stages)

    def _stages(self, photo: str, styles: list[str], **controls: Any) -> Iterator[Stage]:
        for step in range(100):
            self.started.set()
            time.sleep(0.1)
            self.steps += 1
            yield Stage(f"step {step}", step / 100)


def give(page: Any, slot: str, file: Path) -> None:
    """Uploads a file into a drop zone and waits until it is shown."""
    page.set_input_files(f"#stylize-{slot} input[type=file]", file)
    page.wait_for_selector(f"#stylize-{slot} img")


@contextmanager
def new_painting(page: Any) -> Iterator[None]:
    """Waits until the painting that the block asks for is done; its caption may well be the same as before."""
    before = page.evaluate("window.finished")
    yield
    page.wait_for_function("before => window.finished > before", arg=before)
    assert page.locator("#stylize-result .error").all_inner_texts() == []
    page.wait_for_function("/^[0-9.]+ s, /.test(document.querySelector('#stylize-caption').innerText.trim())")


def paint(page: Any) -> None:
    """Presses *Stylize* and waits for the painting."""
    with new_painting(page):
        page.click("#stylize-run")


def set_strength(page: Any, value: float) -> None:
    """Moves the slider by its number field's keyboard twin: the range input itself."""
    slider = page.locator("#stylize-strength input[type=range]")
    slider.focus()
    slider.fill(str(value))
    slider.dispatch_event("pointerup")


def test_upload_slide_paint_download(
    open_page: OpenPage, address: str, pictures: Path, tmp_path: Path, download: Any
) -> None:
    page = open_page(address)
    give(page, "photo", pictures / "photo.png")
    give(page, "style", pictures / "style.png")
    set_strength(page, 0.5)
    paint(page)
    assert page.locator("#stylize-caption").inner_text().strip().endswith("s, 96×72")
    assert page.locator("#stylize-result img").count() == 2
    name, painting = download(page, "stylize", tmp_path)
    assert (name, painting.shape) == ("photo-painted.png", (72, 96, 3))
    page.wait_for_selector("#stylize-stop", state="hidden")


def test_samples_and_a_new_painting_when_the_slider_is_let_go(
    open_page: OpenPage, address: str, tmp_path: Path, download: Any
) -> None:
    page = open_page(address)
    page.locator("#stylize-photo-samples button").nth(1).click()
    page.locator("#stylize-style-samples button").nth(0).click()
    page.wait_for_selector("#stylize-photo img")
    page.wait_for_selector("#stylize-style img")
    paint(page)
    _, first = download(page, "stylize", tmp_path)
    with new_painting(page):
        set_strength(page, 0.0)
    _, second = download(page, "stylize", tmp_path)
    assert second.shape == first.shape and not np.array_equal(second, first)


def test_painting_follows_the_slider_while_it_is_dragged(
    open_page: OpenPage, address: str, draw_photo: Any, pictures: Path, tmp_path: Path
) -> None:
    """Small with the pointer down, in full size once it is up; and no late draft takes the painting's place."""
    draw_photo(800, 600).save(tmp_path / "large.png")
    page = open_page(address)
    give(page, "photo", tmp_path / "large.png")
    give(page, "style", pictures / "style.png")
    paint(page)
    bar = page.locator("#stylize-strength input[type=range]").bounding_box()
    level = bar["y"] + bar["height"] / 2
    page.mouse.move(bar["x"] + bar["width"] * 2 / 3, level)
    page.mouse.down()
    shown = "document.querySelectorAll('#stylize-result img')[1]"
    for share in (0.5, 0.2):
        before = page.evaluate(f"{shown}.src")
        page.mouse.move(bar["x"] + bar["width"] * share, level, steps=3)
        page.wait_for_function(f"before => {shown}.src != before && {shown}.naturalWidth == 384", arg=before)
    with new_painting(page):
        page.mouse.up()
    page.wait_for_timeout(1500)
    assert page.evaluate("document.querySelector('#stylize-result img').naturalWidth") == 800
    assert page.locator("#stylize-caption").inner_text().strip().endswith("s, 800×600")


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_window(
    open_page: OpenPage, address: str, pictures: Path, width: int, misplaced: Any
) -> None:
    page = open_page(address, width, 844)
    give(page, "photo", pictures / "photo.png")
    give(page, "style", pictures / "style.png")
    paint(page)
    for accordion in ("mix", "where", "look", "size"):
        page.locator(f"#stylize-{accordion} > button").click()
    page.wait_for_selector("#stylize-region canvas")
    assert misplaced(page, "stylize", width) == []


def test_only_the_painted_region_changes(
    open_page: OpenPage, address: str, pictures: Path, tmp_path: Path, download: Any
) -> None:
    page = open_page(address)
    uploads: list[str] = []
    give(page, "photo", pictures / "photo.png")
    give(page, "style", pictures / "style.png")
    page.on("request", lambda one: uploads.append(one.url) if one.url.endswith("/upload") else None)
    page.locator("#stylize-where > button").click()
    canvas = page.wait_for_selector("#stylize-region canvas")
    page.wait_for_timeout(1500)
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    middle, height = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(middle - 30, height - 30)
    page.mouse.down()
    page.mouse.move(middle - 30, height + 30, steps=8)
    page.mouse.up()
    page.wait_for_timeout(500)
    photo = np.asarray(Image.open(pictures / "photo.png").convert("RGB")).astype(int)
    shares = []
    for _ in range(2):  # the second time must know the region, too
        paint(page)
        painting = download(page, "stylize", tmp_path)[1].astype(int)
        changed = np.abs(painting - photo).max(-1) > 2
        shares.append((changed[:, : 96 // 2].mean(), changed[:, 3 * 96 // 4 :].mean()))
    assert len(uploads) == 2 * 3  # background, layer, composite for each painting, and not for each message of it
    assert shares[0] == shares[1]
    left, right = shares[0]
    assert left > 0.1
    assert right == 0


def test_stop_ends_the_painting(
    open_page: OpenPage, few_samples: None, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = SlowNetwork()
    monkeypatch.setattr(web_app, "NetworkProvider", lambda checkpoint: network)
    app, url = web_app.launch(port=None, checkpoint="none", block=False)
    try:
        page = open_page(url)
        give(page, "photo", pictures / "photo.png")
        give(page, "style", pictures / "style.png")
        page.click("#stylize-run")
        assert network.started.wait(10)
        page.wait_for_selector("#stylize-result .progress-text, #stylize-result .progress-level")
        page.click("#stylize-stop")
        page.wait_for_selector("#stylize-stop", state="hidden")
        page.wait_for_timeout(500)  # the step in work comes to its end
        steps = network.steps
        page.wait_for_timeout(1000)
        assert network.steps == steps < 100
        page.wait_for_selector("#stylize-run:not([disabled])")
    finally:
        app.close(verbose=False)


def test_missing_network_and_photo_are_said(open_page: OpenPage, few_samples: None, tmp_path: Path) -> None:
    app, url = web_app.launch(port=None, checkpoint=str(tmp_path / "missing.safetensors"), block=False)
    try:
        page = open_page(url)
        page.wait_for_selector("#notice")
        assert "missing.safetensors" in page.locator("#notice").inner_text()
        page.click("#stylize-run")
        page.wait_for_selector("text=Choose a photo first")
        page.wait_for_selector("#stylize-stop", state="hidden")
    finally:
        app.close(verbose=False)


def test_missing_network_for_label_maps_is_said_and_the_other_tabs_work(
    open_page: OpenPage, few_samples: None, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STYLEAPP_CHECKPOINTS", str(tmp_path))
    app, url = web_app.launch(port=None, checkpoint=str(checkpoint), block=False)
    try:
        page = open_page(url)
        page.wait_for_selector("#stylize-run:not([disabled])")
        page.get_by_role("tab", name="Paint").click()
        page.wait_for_selector("#paint-notice")
        assert page.locator("#paint-notice").inner_text().startswith("No network for label maps yet.")
        assert page.locator("#paint-canvas").count() == 0
    finally:
        app.close(verbose=False)
