"""A page that is served once for all web tests, and a browser."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gradio import http_server
from PIL import Image

from styleapp.checkpoint import Card, save_network
from styleapp.models.spade import SpadeGenerator
from styleapp.pipelines import add_style
from styleapp.pipelines.samples import Sample
from styleapp.web import app as web_app
from styleapp.web import stylize

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
COUNT_FINISHED = """() => {
  let running = false;
  window.finished = 0;
  new MutationObserver(() => {
    const shown = document.getElementById("stylize-stop") !== null;
    if (running && !shown) window.finished++;
    running = shown;
  }).observe(document.body, { childList: true, subtree: true });
}"""  # the Stop button is there as long as something is painted
LIMIT = 90_000  # milliseconds
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


@pytest.fixture(scope="session", autouse=True)
def ports_of_this_process() -> Iterator[None]:
    """Where Gradio begins to look for a free port: two processes that look at once in one place may take the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(http_server, "INITIAL_PORT_VALUE", 8000 + os.getpid() % 200 * http_server.TRY_NUM_PORTS)
        yield


@pytest.fixture(scope="session")
def pictures(
    draw_photo: Callable[..., Image.Image],
    draw_style: Callable[..., Image.Image],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """photo.png (96×72), style.png, other.png (64×64), clear.png (60×40, half transparent), notes.png (no picture)."""
    folder = tmp_path_factory.mktemp("pictures")
    draw_photo(96, 72).save(folder / "photo.png")
    draw_style(64, 64).save(folder / "style.png")
    draw_style(64, 64, seed=1).save(folder / "other.png")
    clear = draw_photo(60, 40, seed=1)
    clear.putalpha(128)
    clear.save(folder / "clear.png")
    (folder / "notes.png").write_text("no picture")
    return folder


@pytest.fixture(scope="session")
def few_samples(pictures: Path) -> Iterator[None]:
    """Samples that need not be drawn."""
    samples = [Sample(name, name.title(), pictures / f"{name}.png") for name in ("style", "other")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stylize, "sample_styles", lambda: samples)
        yield


@pytest.fixture(scope="session")
def quick_lessons() -> Iterator[None]:
    """Lessons with pictures so small that a step takes no time."""
    small = {"CROP": 32, "PRACTICE": 4, "BATCH": 2, "PREVIEW_SIDE": 48, "SCORE_SIZE": 64}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in small.items():
            patch.setattr(add_style, name, value)
        yield


@pytest.fixture(scope="session")
def address(checkpoint: Path, named_checkpoint: Path, few_samples: None, quick_lessons: None) -> Iterator[str]:
    """Where the page is served, for many users."""
    named = {"named": str(named_checkpoint), "multi_user": True}
    app, url = web_app.launch(port=None, checkpoint=str(checkpoint), **named, block=False)  # type: ignore[arg-type]
    yield url
    app.close(verbose=False)


@pytest.fixture(scope="session")
def paint_folder(
    spade_checkpoint: Path, segmenter_checkpoint: Path, named_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Checkpoints with a manifest: ``facades`` (five classes, no style pictures), ``town`` with a segmenter, and
    ``multistyle``.
    """
    folder = tmp_path_factory.mktemp("paint")
    entries = [
        {"index": index, "name": name, "rgb": list(rgb)}
        for index, (name, rgb) in enumerate(
            {
                "background": (0, 0, 220),
                "facade": (0, 48, 250),
                "window": (0, 124, 252),
                "door": (0, 202, 252),
                "shop": (170, 0, 0),
            }.items()
        )
    ]
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = SpadeGenerator(5, ((8,), (8,), (6,)), hidden=4, latent=4, style_widths=(), weight_norm="none")
        for name, parameter in network.named_parameters():
            if "modulator" in name or "to_rgb" in name:
                parameter.data.add_(torch.randn_like(parameter))  # as if trained: the map is seen
    card = Card("spade", network.options(), record={"labels": {"classes": entries, "ignore_index": 255}})
    files = {
        "facades": save_network(folder / "facades.safetensors", network.state_dict(), card),
        "town": spade_checkpoint,
        "town_segmenter": segmenter_checkpoint,
        "multistyle": named_checkpoint,
    }
    for file in files.values():
        if file.parent != folder:
            shutil.copy(file, folder)
    (folder / "manifest.json").write_text(
        json.dumps(
            {
                name: {"file": file.name, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
                for name, file in files.items()
            }
        )
    )
    return folder


@pytest.fixture(scope="module")
def paint_address(paint_folder: Path, checkpoint: Path, named_checkpoint: Path, few_samples: None) -> Iterator[str]:
    """Where a page is served that has networks for label maps; they are found as long as a module's tests run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STYLEAPP_CHECKPOINTS", str(paint_folder))
        app, url = web_app.launch(
            port=None, checkpoint=str(checkpoint), named=str(named_checkpoint), multi_user=True, block=False
        )
        yield url
        app.close(verbose=False)


@pytest.fixture(scope="session")
def chromium() -> Iterator[object]:
    """A headless browser of the system."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on the PATH")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Any) -> Iterator[Callable[..., Any]]:
    """Opens the page in a window of its own: ``open_page(url, width, height)``; no other machine may be asked.

    Further keywords are those of Playwright's ``new_context``, such as ``has_touch``.
    """
    contexts, foreign = [], []

    def open_it(url: str, width: int = 1280, height: int = 900, **options: Any) -> Any:
        contexts.append(chromium.new_context(viewport={"width": width, "height": height}, **options))
        page = contexts[-1].new_page()
        page.set_default_timeout(LIMIT)
        page.on(
            "request", lambda one: foreign.append(one.url) if not one.url.startswith((url, "blob:", "data:")) else 0
        )
        page.goto(url)
        page.wait_for_selector("#stylize-run")
        page.evaluate(COUNT_FINISHED)
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert not foreign, f"asked other machines: {foreign}"


@pytest.fixture(scope="session")
def download() -> Callable[..., tuple[str, np.ndarray]]:
    """Presses *Download full size*: ``download(page, tab, folder)`` is the file's name and its pixels H×W×3."""

    def download_it(page: Any, tab: str, folder: Path) -> tuple[str, np.ndarray]:
        with page.expect_download() as waiting:
            page.click(f"#{tab}-download")
        path = folder / waiting.value.suggested_filename
        waiting.value.save_as(path)
        with Image.open(path) as painting:
            assert painting.format == "PNG"
            return path.name, np.asarray(painting.convert("RGB"))

    return download_it


@pytest.fixture(scope="session")
def misplaced() -> Callable[..., list[str]]:
    """What is wrong with a tab: ``misplaced(page, tab, width)`` are controls beyond the window or without a tooltip."""

    def look(page: Any, tab: str, width: int) -> list[str]:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        return page.evaluate(
            """([tab, width]) => [...document.querySelectorAll(`[id^=${tab}-]`)].filter(element => {
              const box = element.getBoundingClientRect();
              return !element.title || element.offsetWidth && (box.left < 0 || box.right > width);
            }).map(element => element.id)""",
            [tab, width],
        )

    return look
