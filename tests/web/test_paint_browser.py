"""The tab *Paint* in a real browser: strokes, fills and rectangles by mouse and finger, and the pictures they make."""

import base64
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from styleapp.data.masks import read_mask
from styleapp.pipelines.synthesize import SynthesizePipeline

pytestmark = pytest.mark.browser

OpenPage = Callable[..., Any]
Point = tuple[float, float]
LEGEND = ["background", "facade", "window", "door", "shop", "no label"]
COLOURS = [(0, 0, 220), (0, 48, 250), (0, 124, 252), (0, 202, 252), (170, 0, 0)]
CANVAS = """async () => {
  for (let frame = 0; frame < 2; frame++) await new Promise(requestAnimationFrame);
  const canvas = document.querySelector("#paint-canvas canvas"), { width, height } = canvas;
  const pixels = canvas.getContext("2d").getImageData(0, 0, width, height).data;
  let text = "";
  for (let at = 0; at < pixels.length; at += 4096) text += String.fromCharCode(...pixels.subarray(at, at + 4096));
  return { height, data: btoa(text) };
}"""
SOURCE = "document.querySelector('#paint-result img')?.src"


@pytest.fixture
def arrived(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """Label maps in the order in which they come to a network."""
    masks: list[np.ndarray] = []
    call = SynthesizePipeline.__call__

    def recorded(self: SynthesizePipeline, mask: Any, *controls: Any) -> Image.Image:
        masks.append(read_mask(mask, self.labels))
        return call(self, mask, *controls)

    monkeypatch.setattr(SynthesizePipeline, "__call__", recorded)
    return masks


@pytest.fixture
def open_tab(open_page: OpenPage) -> OpenPage:
    """Opens the page in a window of its own, at the tab *Paint*, with its first picture."""

    def open_it(url: str, width: int = 1280, height: int = 900, **options: Any) -> Any:
        page = open_page(url, width, height, **options)
        page.get_by_role("tab", name="Paint").click()
        page.wait_for_selector("#paint-result img")
        return page

    return open_it


@contextmanager
def new_picture(page: Any) -> Iterator[None]:
    """Waits until the picture has become another one."""
    before = page.evaluate(SOURCE)
    yield
    page.wait_for_function(f"before => {SOURCE} && {SOURCE} != before", arg=before)
    assert page.locator("#paint-result .error").all_inner_texts() == []


def wait_until(page: Any, is_so: Callable[[], Any]) -> None:
    """Lets the page work until something is so."""
    end = time.monotonic() + 60
    while not is_so() and time.monotonic() < end:
        page.wait_for_timeout(50)
    assert is_so()


def newest(page: Any, arrived: list[np.ndarray]) -> np.ndarray:
    """The label map that came last, once it is what the canvas shows."""

    def is_shown() -> bool:
        pixels = page.evaluate(CANVAS)
        shown = np.frombuffer(base64.b64decode(pixels["data"]), dtype=np.uint8).reshape(pixels["height"], -1, 4)
        last = arrived[-1]
        return last.shape == shown.shape[:2] and np.array_equal(np.array(COLOURS, dtype=np.uint8)[last], shown[..., :3])

    wait_until(page, is_shown)
    return arrived[-1]


def place(page: Any, point: Point) -> Point:
    """Where a point of a map of 256×256 pixels is in the window."""
    box = page.locator("#paint-canvas canvas").bounding_box()
    return box["x"] + point[0] * box["width"] / 256, box["y"] + point[1] * box["height"] / 256


def drag(page: Any, start: Point, end: Point) -> None:
    page.mouse.move(*place(page, start))
    page.mouse.down()
    page.mouse.move(*place(page, end), steps=8)
    page.mouse.up()


def tool(page: Any, name: str) -> None:
    page.click(f"#paint-canvas [data-tool={name}]")


def ink(page: Any, name: str) -> None:
    """Chooses a class in the legend."""
    page.get_by_role("radio", name=name, exact=True).click()


def begin_with(page: Any, name: str) -> None:
    """Gives everything one class."""
    ink(page, name)
    with new_picture(page):
        page.click("#paint-canvas [data-do=clear]")


def download(page: Any, part: str, folder: Path) -> Path:
    page.wait_for_selector(f"#paint-{part}:not([disabled])")
    with page.expect_download() as waiting:
        page.click(f"#paint-{part}")
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path


def open_accordion(page: Any, name: str) -> None:
    page.locator(f"#paint-{name} > button").click()


def test_two_strokes_there_and_back(
    open_tab: OpenPage, paint_address: str, arrived: list[np.ndarray], tmp_path: Path
) -> None:
    page = open_tab(paint_address)
    assert [text.strip() for text in page.locator("#paint-canvas .legend button").all_inner_texts()] == LEGEND
    swatches = page.locator("#paint-canvas .legend i")
    for index, colour in enumerate(COLOURS):
        assert swatches.nth(index).evaluate("one => getComputedStyle(one).backgroundColor") == f"rgb{colour}"
    begin_with(page, "background")
    for name, level in (("window", 80), ("door", 160)):
        ink(page, name)
        with new_picture(page):
            drag(page, (40, level), (200, level + 20))
    painted = newest(page, arrived)
    assert painted.shape == (256, 256)
    assert set(np.unique(painted)) == {0, 2, 3}  # as painted, and nothing between
    assert painted[80, 40] == painted[90, 120] == painted[100, 200] == 2 and painted[170, 120] == 3
    assert 0.02 < (painted == 2).mean() == pytest.approx((painted == 3).mean(), rel=0.05)
    picture = download(page, "download", tmp_path).read_bytes()
    open_accordion(page, "file")
    mask = download(page, "mask", tmp_path)
    assert (mask.name, download(page, "legend", tmp_path).name) == ("facades-mask.png", "facades-labels.yaml")
    with Image.open(mask) as image:
        np.testing.assert_array_equal(np.asarray(image), painted)
    begin_with(page, "shop")
    with new_picture(page):
        page.set_input_files("#paint-file input[type=file]", mask)
    np.testing.assert_array_equal(newest(page, arrived), painted)
    assert download(page, "download", tmp_path).read_bytes() == picture


def test_fill_rectangle_eraser_and_undo(open_tab: OpenPage, paint_address: str, arrived: list[np.ndarray]) -> None:
    page = open_tab(paint_address)
    begin_with(page, "background")
    tool(page, "rectangle")
    ink(page, "facade")
    drag(page, (200, 220), (50, 60))  # also from right to left
    house = newest(page, arrived)
    expected = np.zeros((256, 256), dtype=np.uint8)
    expected[60:221, 50:201] = 1
    assert set(np.unique(house)) == {0, 1} and (house != expected).sum() < 3 * 320  # a mouse is at whole window pixels
    tool(page, "fill")
    ink(page, "shop")
    page.mouse.click(*place(page, (120, 120)))
    shop = newest(page, arrived)
    np.testing.assert_array_equal(shop, np.where(house == 1, 4, 0))
    tool(page, "eraser")
    drag(page, (30, 120), (230, 120))
    erased = newest(page, arrived)
    assert set(np.unique(erased)) == {0, 4} and (erased[120] == 0).all() and (erased[150, 60:190] == 4).all()
    for expected in (shop, house):
        page.click("#paint-canvas [data-do=undo]")
        np.testing.assert_array_equal(newest(page, arrived), expected)
    page.keyboard.press("Control+y")
    np.testing.assert_array_equal(newest(page, arrived), shop)
    page.click("#paint-canvas [data-do=flip]")
    np.testing.assert_array_equal(newest(page, arrived), shop[:, ::-1])
    page.click("#paint-canvas [data-do=mirror]")
    mirrored = newest(page, arrived)
    np.testing.assert_array_equal(mirrored[:, :128], shop[:, :127:-1])
    np.testing.assert_array_equal(mirrored, mirrored[:, ::-1])


@pytest.mark.parametrize(("width", "zoom"), [(390, 3), (1280, 2)])
def test_finger_paints_from_the_first_touch(
    open_tab: OpenPage, paint_address: str, arrived: list[np.ndarray], width: int, zoom: int
) -> None:
    page = open_tab(paint_address, width, 844, has_touch=True, device_scale_factor=zoom)
    touch = page.context.new_cdp_session(page)
    before = newest(page, arrived)
    ink(page, "shop")
    page.locator("#paint-canvas canvas").evaluate("one => one.scrollIntoView({ block: 'center' })")
    top = page.evaluate("scrollY")
    begin, end = place(page, (60, 240)), place(page, (200, 240))
    with new_picture(page):
        touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": begin[0], "y": begin[1]}]})
        for share in np.linspace(0, 1, 8):
            x, y = (a + (b - a) * share for a, b in zip(begin, end, strict=True))
            touch.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{"x": x, "y": y}]})
        touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    painted = newest(page, arrived)
    assert painted.shape == (256, 256) and (painted[240, 60:200] == 4).all()
    np.testing.assert_array_equal(painted[:200], before[:200])  # nothing else
    assert page.evaluate("scrollY") == top
    assert page.locator("#paint-result img").bounding_box()["width"] > 100


def test_ready_made_maps_and_sizes(open_tab: OpenPage, paint_address: str, arrived: list[np.ndarray]) -> None:
    page = open_tab(paint_address)
    tiles = page.locator("#paint-start button.thumbnail-item")
    assert tiles.last.inner_text().strip() == "Random"
    maps = [newest(page, arrived)]
    for tile in (tiles.first, tiles.first, tiles.last, tiles.last):  # each click is another one
        with new_picture(page):
            tile.click()
        maps.append(newest(page, arrived))
    assert all(not np.array_equal(one, other) for one, other in combinations(maps, 2))
    page.locator("#paint-side").get_by_text("384", exact=True).click()
    wait_until(page, lambda: arrived[-1].shape == (384, 384))
    np.testing.assert_array_equal(np.unique(newest(page, arrived)), np.unique(maps[-1]))
    page.click("#paint-canvas [data-do=undo]")
    np.testing.assert_array_equal(newest(page, arrived), maps[-1])


def test_another_network_has_another_legend(
    open_tab: OpenPage, paint_address: str, arrived: list[np.ndarray], pictures: Path
) -> None:
    page = open_tab(paint_address)
    assert page.locator("#paint-look").count() == 0  # takes no style pictures
    with new_picture(page):
        page.locator("#paint-network").get_by_text("Town", exact=True).click()
    legend = [text.strip() for text in page.locator("#paint-canvas .legend button").all_inner_texts()]
    assert legend == ["sky", "tree", "house", "no label"]
    assert page.locator("#paint-canvas [data-do=undo]").is_disabled()
    open_accordion(page, "look")
    with new_picture(page):
        page.set_input_files("#paint-style input[type=file]", pictures / "style.png")
    open_accordion(page, "seen")
    with new_picture(page):
        page.set_input_files("#paint-photo input[type=file]", pictures / "photo.png")
    assert arrived[-1].shape == (192, 256)  # as wide to high as the photo
    box = page.locator("#paint-canvas canvas").bounding_box()
    assert box["width"] / box["height"] == pytest.approx(256 / 192, rel=0.01)


def test_seeds_and_variants(open_tab: OpenPage, paint_address: str, tmp_path: Path) -> None:
    page = open_tab(paint_address)
    with new_picture(page):
        page.click("#paint-dice")
    assert page.input_value("#paint-seed input") != "0"
    page.click("#paint-more")
    page.wait_for_function("document.querySelectorAll('#paint-variants .gallery-item').length == 4")
    tile = page.locator("#paint-variants button.thumbnail-item").nth(2)
    seed = tile.inner_text().strip().removeprefix("Seed ")
    with new_picture(page):
        tile.click()
    assert page.input_value("#paint-seed input") == seed
    assert download(page, "download", tmp_path).name == f"facades-seed-{seed}.png"
    assert page.locator("#paint-caption").inner_text().strip().endswith(f"256×256 · seed {seed}")


def test_picture_goes_to_stylize(open_tab: OpenPage, paint_address: str, arrived: list[np.ndarray]) -> None:
    page = open_tab(paint_address)
    begin_with(page, "door")
    page.click("#paint-send")
    page.wait_for_selector("#stylize-photo img")
    assert page.locator("#paint-send").is_hidden()
    assert page.evaluate("document.querySelector('#stylize-photo img').naturalWidth") == 256
    page.get_by_role("tab", name="Paint").click()  # and back: all is as it was
    assert (newest(page, arrived) == 3).all()
    with new_picture(page):
        page.click("#paint-canvas [data-do=undo]")


def test_changes_do_not_pile_up(
    open_tab: OpenPage, paint_address: str, arrived: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow network: fewer pictures than changes, small ones at first, and at last the newest in full size."""
    page = open_tab(paint_address)
    begin_with(page, "background")
    ink(page, "door")
    with new_picture(page):
        drag(page, (20, 40), (100, 40))
    recorded, sizes = SynthesizePipeline.__call__, []

    def slow(self: SynthesizePipeline, mask: Any, *controls: Any) -> Image.Image:
        sizes.append(controls[-1])
        time.sleep(1)
        return recorded(self, mask, *controls)

    monkeypatch.setattr(SynthesizePipeline, "__call__", slow)
    page.evaluate(
        """async () => {
          for (let count = 0; count < 31; count++) {
            document.querySelector("#paint-canvas [data-do=flip]").click();
            await new Promise(done => setTimeout(done, 150));
          }
        }"""
    )
    wait_until(page, lambda: sizes[-1] is None and any(sizes))
    page.wait_for_selector("#paint-download:not([disabled])")
    assert page.evaluate("document.querySelector('#paint-result img').naturalWidth") == 256
    assert len(sizes) <= 12 and all(128 <= size < 256 for size in sizes if size)
    assert (arrived[-1][40, 160:230] == 3).all() and (arrived[-1][40, :140] == 0).all()


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_window_and_all_is_told(
    open_tab: OpenPage, paint_address: str, width: int, misplaced: Any
) -> None:
    page = open_tab(paint_address, width, 844)
    page.locator("#paint-network").get_by_text("Town", exact=True).click()
    page.wait_for_selector("#paint-look")
    for accordion in ("look", "seen", "file"):
        open_accordion(page, accordion)
    page.click("#paint-more")
    page.wait_for_function("document.querySelectorAll('#paint-variants .gallery-item').length == 4")
    assert misplaced(page, "paint", width) == []
    inside = """() => [...document.querySelectorAll('#paint-canvas button, #paint-canvas canvas')].filter(one => {
      const box = one.getBoundingClientRect();
      return !box.width || box.left < 0 || box.right > innerWidth || one.tagName == 'BUTTON' && !one.title;
    }).map(one => one.outerHTML.slice(0, 90))"""
    assert page.evaluate(inside) == []
    picture, canvas = (page.locator(f"#paint-{part}").bounding_box() for part in ("result img", "canvas canvas"))
    if width == 390:  # picture and canvas fit into the window together
        assert canvas["y"] + canvas["height"] - picture["y"] < 844
    else:  # side by side, in about one size
        assert picture["x"] > canvas["x"] + canvas["width"] and picture["y"] < canvas["y"] + canvas["height"]
