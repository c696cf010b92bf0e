"""A page that is served once for all web tests, and a browser."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from gradio import http_server
from PIL import Image

from styleapp.pipelines.samples import Sample
from styleapp.web import app as web_app
from styleapp.web import stylize

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
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
def address(checkpoint: Path, few_samples: None) -> Iterator[str]:
    """Where the page is served."""
    app, url = web_app.launch(port=None, checkpoint=str(checkpoint), block=False)
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
