"""The tab *Styles* in a real browser, used as visitors use it, also two at once."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from styleapp.web import app as web_app

pytestmark = pytest.mark.browser

OpenPage = Callable[..., Any]
SHIPPED = ["wave", "night", "scream"]
PAINTING = "document.querySelectorAll('#styles-result img')[1]"


@pytest.fixture
def open_tab(open_page: OpenPage) -> OpenPage:
    """Opens the page in a window of its own, at the second tab, with its gallery."""

    def open_it(url: str, width: int = 1280, height: int = 900) -> Any:
        page = open_page(url, width, height)
        page.get_by_role("tab", name="Styles").click()
        page.wait_for_function("document.querySelectorAll('#styles-gallery .gallery-item').length >= 3")
        return page

    return open_it


def give(page: Any, slot: str, file: Path) -> None:
    """Uploads a file into a drop zone and waits until it is shown."""
    page.set_input_files(f"#styles-{slot} input[type=file]", file)
    page.wait_for_selector(f"#styles-{slot} img")


def shown(page: Any, gallery: str = "gallery") -> list[str]:
    """What stands below the pictures of a gallery."""
    return [text.strip() for text in page.locator(f"#styles-{gallery} .caption-label").all_inner_texts()]


def click_style(page: Any, name: str, gallery: str = "gallery") -> None:
    """Clicks a picture and waits for the painting in this style."""
    page.locator(f"#styles-{gallery} button.thumbnail-item", has_text=name).click()
    wait_for_caption(page, name)


def wait_for_caption(page: Any, words: str) -> None:
    """Waits for a painting in full size whose caption ends with these words."""
    page.wait_for_function(
        "words => document.querySelector('#styles-caption').innerText.trim().endsWith(`· ${words}`)", arg=words
    )


def open_accordion(page: Any, name: str) -> None:
    page.locator(f"#styles-{name} > button").click()


def begin_lesson(page: Any, picture: Path, name: str) -> None:
    """Opens *Add your own style*, presses *Learn* and waits for the first step."""
    open_accordion(page, "own")
    give(page, "lesson-picture", picture)
    page.fill("#styles-lesson-name :is(input, textarea)", name)
    page.fill("#styles-lesson-steps input[type=number]", "1000")
    page.locator("#styles-lesson-steps input[type=number]").blur()
    page.click("#styles-learn")
    page.wait_for_function("/Step [1-9]/.test(document.querySelector('#styles-progress')?.innerText)")


def stop_lesson(page: Any, name: str) -> None:
    """Presses *Stop* and waits until the style is in the gallery and the photo is painted in it."""
    page.click("#styles-learn-stop")
    page.wait_for_function("/is in the gallery, after/.test(document.querySelector('#styles-progress').innerText)")
    wait_for_caption(page, name)


def test_gallery_click_paints_and_says_what_it_lacks(
    open_tab: OpenPage, address: str, pictures: Path, tmp_path: Path, download: Any
) -> None:
    page = open_tab(address)
    assert shown(page) == SHIPPED
    page.locator("#styles-gallery button.thumbnail-item").nth(1).click()
    page.wait_for_selector("text=Choose a photo first")
    give(page, "photo", pictures / "photo.png")  # the style has been chosen, so this is all that was missing
    wait_for_caption(page, "night")
    name, night = download(page, "styles", tmp_path)
    assert (name, night.shape) == ("photo-painted.png", (72, 96, 3))
    page.locator("#styles-gallery button.thumbnail-item").nth(2).focus()
    page.keyboard.press("Enter")
    wait_for_caption(page, "scream")
    page.wait_for_selector("#styles-gallery .thumbnail-item.selected[title=scream]")
    assert not np.array_equal(download(page, "styles", tmp_path)[1], night)


def test_mixer_shows_a_draft_while_dragging_and_then_a_full_painting(
    open_tab: OpenPage, address: str, draw_photo: Any, tmp_path: Path
) -> None:
    draw_photo(800, 600).save(tmp_path / "large.png")
    page = open_tab(address)
    give(page, "photo", tmp_path / "large.png")
    click_style(page, "wave")
    open_accordion(page, "mix")
    assert page.input_value("#styles-name-1 input") == "wave"
    page.focus("#styles-name-2 input")
    for key in ("ArrowDown", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    wait_for_caption(page, "wave 50 %, night 50 %")
    page.wait_for_selector("#styles-gallery .thumbnail-item.selected", state="detached")  # none is alone any more
    page.locator("#styles-weight-2").scroll_into_view_if_needed()
    bar = page.locator("#styles-weight-2 input[type=range]").bounding_box()
    level = bar["y"] + bar["height"] / 2
    page.mouse.move(bar["x"] + bar["width"] - 8, level)
    page.mouse.down()
    for share in (0.6, 0.3):
        before = page.evaluate(f"{PAINTING}.src")
        page.mouse.move(bar["x"] + bar["width"] * share, level, steps=3)
        page.wait_for_function(f"before => {PAINTING}.src != before && {PAINTING}.naturalWidth == 384", arg=before)
    page.mouse.up()
    page.wait_for_function(f"{PAINTING}.naturalWidth == 800")
    page.wait_for_timeout(1000)  # for a draft that might come late
    assert page.evaluate(f"{PAINTING}.naturalWidth") == 800
    told = re.search(r"800×600 · wave (\d+) %, night (\d+) %$", page.locator("#styles-caption").inner_text().strip())
    assert told is not None and int(told[1]) > 65 and int(told[1]) + int(told[2]) == 100
    page.click("#styles-name-2 input")
    page.get_by_role("option", name="none").click()
    wait_for_caption(page, "wave")
    click_style(page, "scream")
    assert page.input_value("#styles-name-1 input") == "scream"
    assert page.input_value("#styles-name-2 input") == "none"


def test_all_styles_at_once_and_one_of_them_chosen(open_tab: OpenPage, address: str, pictures: Path) -> None:
    page = open_tab(address)
    give(page, "photo", pictures / "photo.png")
    open_accordion(page, "all")
    page.click("#styles-all-run")
    page.wait_for_function("document.querySelectorAll('#styles-sheet .gallery-item').length == 3")
    assert shown(page, "sheet") == SHIPPED
    click_style(page, "scream", "sheet")
    page.wait_for_selector("#styles-gallery .thumbnail-item.selected[title=scream]")


def test_lesson_that_is_stopped_keeps_the_style(open_tab: OpenPage, address: str, pictures: Path) -> None:
    page = open_tab(address)
    give(page, "photo", pictures / "photo.png")
    begin_lesson(page, pictures / "style.png", "My stripes")
    click_style(page, "night")  # others can paint meanwhile, and so can this visitor
    assert page.locator("#styles-learn").is_disabled()
    page.wait_for_selector("#styles-lesson-preview img")
    stop_lesson(page, "My stripes")
    assert shown(page) == [*SHIPPED, "My stripes"]
    page.wait_for_selector("#styles-gallery .thumbnail-item.selected[title='My stripes']")
    page.wait_for_selector("#styles-learn-stop", state="detached")
    page.wait_for_selector("#styles-learn:not([disabled])")
    with page.expect_download() as waiting:
        page.click("#styles-own-download")
    assert waiting.value.suggested_filename == "My stripes.safetensors"
    page.once("dialog", lambda dialog: dialog.accept())
    page.click("#styles-own-remove")
    page.wait_for_function("document.querySelectorAll('#styles-gallery .gallery-item').length == 3")
    page.wait_for_selector("#styles-own-name", state="detached")


def test_two_visitors_at_once_do_not_see_each_others_styles(
    open_tab: OpenPage, address: str, pictures: Path, tmp_path: Path, download: Any
) -> None:
    """Even where both call theirs the same."""
    anna, bert = open_tab(address), open_tab(address)
    for page in (anna, bert):
        give(page, "photo", pictures / "photo.png")
    begin_lesson(anna, pictures / "style.png", "Mine")
    click_style(bert, "night")
    stop_lesson(anna, "Mine")
    assert shown(anna) == [*SHIPPED, "Mine"] and shown(bert) == SHIPPED
    begin_lesson(bert, pictures / "other.png", "Mine")
    click_style(anna, "wave")
    stop_lesson(bert, "Mine")
    click_style(anna, "Mine")
    paintings = [download(page, "styles", tmp_path)[1] for page in (anna, bert)]
    assert not np.array_equal(*paintings)
    assert shown(open_tab(address)) == SHIPPED  # a third visitor has neither


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_window_and_all_is_told(
    open_tab: OpenPage, address: str, pictures: Path, width: int, misplaced: Any
) -> None:
    page = open_tab(address, width, 844)
    give(page, "photo", pictures / "photo.png")
    click_style(page, "night")
    for accordion in ("mix", "all", "own", "look"):
        open_accordion(page, accordion)
    page.click("#styles-all-run")
    page.wait_for_selector("#styles-sheet .gallery-item")
    page.wait_for_selector("#styles-side")
    assert misplaced(page, "styles", width) == []


def test_new_style_is_scrolled_into_view(open_tab: OpenPage, address: str, pictures: Path) -> None:
    page = open_tab(address, 390, 844)
    page.add_style_tag(content=".tiles .grid-wrap { max-height: 90px !important }")
    give(page, "photo", pictures / "photo.png")
    begin_lesson(page, pictures / "style.png", "Far below")
    stop_lesson(page, "Far below")
    page.wait_for_function(
        """() => {
          const tile = document.querySelector("#styles-gallery .thumbnail-item.selected[title='Far below']");
          if (!tile) return false;
          const box = tile.getBoundingClientRect(), frame = tile.closest(".grid-wrap").getBoundingClientRect();
          return Math.abs(box.bottom - frame.bottom) < 12;
        }"""
    )


def test_missing_network_is_said_and_the_first_tab_works(
    open_page: OpenPage, few_samples: None, checkpoint: Path, tmp_path: Path
) -> None:
    named = str(tmp_path / "missing.safetensors")
    app, url = web_app.launch(port=None, checkpoint=str(checkpoint), named=named, block=False)
    try:
        page = open_page(url)
        page.wait_for_selector("#stylize-run:not([disabled])")
        assert page.locator("#notice").count() == 0
        page.get_by_role("tab", name="Styles").click()
        page.wait_for_selector("#styles-notice")
        notice = page.locator("#styles-notice").inner_text()
        assert notice.startswith("No network with named styles yet.") and "missing.safetensors" in notice
    finally:
        app.close(verbose=False)
