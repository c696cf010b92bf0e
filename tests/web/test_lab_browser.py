"""The tab *Lab* in a real browser: switches change pictures, and reset brings them back."""

import csv
import shutil
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from styleapp.lab.ablation import Ablation, run

pytestmark = pytest.mark.browser

OpenPage = Callable[..., Any]
SWITCHED = "document.querySelectorAll('#lab-tiles img')[1]?.src"
PATIENT = 240_000  # milliseconds


@pytest.fixture(scope="module", autouse=True)
def results(paint_folder: Path, ablation_results: Path) -> None:
    """Results of grids and probes beside the networks that are served."""
    shutil.copytree(ablation_results, paint_folder / "ablation", dirs_exist_ok=True)


@pytest.fixture
def open_tab(open_page: OpenPage) -> OpenPage:
    """Opens the page in a window of its own, at the tab *Lab*, with its first result."""

    def open_it(url: str, width: int = 1280, height: int = 900) -> Any:
        page = open_page(url, width, height)
        page.set_default_timeout(PATIENT)
        page.get_by_role("tab", name="Lab").click()
        page.wait_for_function("document.querySelectorAll('#lab-tiles img').length == 3")
        return page

    return open_it


def shown(page: Any) -> list[np.ndarray]:
    """Pixels of original, switched and difference."""
    sources = page.evaluate("[...document.querySelectorAll('#lab-tiles img')].map(one => one.src)")
    return [np.asarray(Image.open(BytesIO(page.request.get(source).body())).convert("RGB")) for source in sources]


def change(page: Any, act: Callable[[], Any]) -> list[np.ndarray]:
    """Does something and waits for another switched picture."""
    before = page.evaluate(SWITCHED)
    act()
    page.wait_for_function(f"before => {SWITCHED} && {SWITCHED} != before", arg=before)
    return shown(page)


def tick(page: Any, part: str, words: str) -> None:
    page.locator(f"#lab-{part} label", has_text=words).first.click()


def choose(page: Any, part: str, words: str) -> None:
    page.click(f"#lab-{part} input")
    page.get_by_role("option", name=words).first.click()


@pytest.mark.parametrize("name", ["multistyle", "facades"])
def test_three_switches_and_back_and_the_configuration(
    open_tab: OpenPage, paint_address: str, name: str, tmp_path: Path
) -> None:
    page = open_tab(paint_address)
    if name != "multistyle":
        change(page, lambda: tick(page, "network", name))
    original, same, difference = shown(page)
    np.testing.assert_array_equal(original, same)
    assert not difference.any()
    seen = [same]
    for act in (
        lambda: choose(page, "normalizer", "Layer normalization"),
        lambda: tick(page, "removed", "Only the mean"),
        lambda: tick(page, "modulation", "Neither"),
    ):
        first, second, _ = change(page, act)
        np.testing.assert_array_equal(first, original)
        assert not any(np.array_equal(second, one) for one in seen)
        seen.append(second)
    assert "→ layer" in page.locator("#lab-layers tr.switched").first.inner_text()
    page.wait_for_selector("#lab-configuration:not([disabled])")
    with page.expect_download() as waiting:
        page.click("#lab-configuration")
    waiting.value.save_as(tmp_path / "ablation.yaml")
    outcome = run(Ablation.load(tmp_path / "ablation.yaml"))
    np.testing.assert_array_equal(np.asarray(outcome.switched.pictures[0]), seen[-1])
    first, second, _ = change(page, lambda: page.click("#lab-reset"))
    np.testing.assert_array_equal(first, original)
    np.testing.assert_array_equal(second, original)
    page.wait_for_selector("#lab-layers tr.switched", state="detached")


def test_ticked_layers_only_and_one_sentence_for_what_does_not_work(open_tab: OpenPage, paint_address: str) -> None:
    page = open_tab(paint_address)
    boxes = page.locator("#lab-layers tbody:first-of-type input")
    boxes.nth(0).click()  # all of the kind: none is ticked now
    boxes.nth(2).click()
    name = page.locator("#lab-layers tbody:first-of-type tr").nth(2).get_attribute("data-layer")
    change(page, lambda: choose(page, "normalizer", "Group normalization"))
    page.wait_for_function("document.querySelectorAll('#lab-layers tr.switched').length == 1")
    assert page.get_attribute("#lab-layers tr.switched", "data-layer") == name
    page.fill("#lab-groups input", "3")
    page.locator("#lab-groups input").blur()
    page.wait_for_selector("#lab-problem")
    assert "groups must be a divisor of the 8 features, got 3" in page.inner_text("#lab-problem")
    page.fill("#lab-groups input", "2")
    page.locator("#lab-groups input").blur()
    page.wait_for_selector("#lab-problem", state="detached")
    page.click("#lab-reset")
    page.wait_for_function("[...document.querySelectorAll('#lab-layers input')].every(box => box.checked)")


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_window_and_all_is_told(
    open_tab: OpenPage, paint_address: str, width: int, misplaced: Any
) -> None:
    page = open_tab(paint_address, width, 844)
    choose(page, "preset", "SPADE without space")
    page.wait_for_selector("#lab-layers .now")
    page.locator("#lab-own > button").click()
    assert misplaced(page, "lab", width) == []


def test_a_result_that_comes_late_does_not_bring_its_table_back(open_tab: OpenPage, paint_address: str) -> None:
    page = open_tab(paint_address)
    choose(page, "normalizer", "Layer normalization")
    tick(page, "removed", "Only the mean")
    tick(page, "network", "facades")
    page.wait_for_selector("#lab-layers a >> text=mask")
    page.wait_for_timeout(3000)  # until what was asked before is answered
    assert "mask" in page.inner_text("#lab-layers")
    assert page.evaluate("[...document.querySelectorAll('#lab-layers input')].every(box => box.checked)")
    change(page, lambda: tick(page, "modulation", "Neither"))
    page.wait_for_selector("#lab-layers tr.switched")


def test_on_a_phone_pictures_stay_in_sight_of_the_switches(open_tab: OpenPage, paint_address: str) -> None:
    page = open_tab(paint_address, 390, 844)
    page.locator("#lab-reset").scroll_into_view_if_needed()
    page.mouse.wheel(0, 300)
    page.wait_for_function("document.querySelector('#lab-tiles').getBoundingClientRect().top == 0")
    boxes = [page.locator(f"#lab-tiles img >> nth={number}").bounding_box() for number in range(3)]
    page.locator("#lab-normalizer").scroll_into_view_if_needed()
    choose(page, "normalizer", "Group normalization")
    page.fill("#lab-groups input", "3")
    page.locator("#lab-groups input").blur()
    page.wait_for_selector("#lab-problem >> text=divisor")
    assert 0 <= page.locator("#lab-problem").bounding_box()["y"] < 20
    assert all(box["x"] >= 0 and box["x"] + box["width"] <= 390 and box["y"] + box["height"] < 300 for box in boxes)


@pytest.mark.parametrize("width", [390, 1280])
def test_pages_of_the_catalogue_open_from_names(
    open_tab: OpenPage, paint_address: str, width: int, misplaced: Any
) -> None:
    page = open_tab(paint_address, width, 844)
    title = "document.querySelector('#lab-page h1')?.innerText.includes('%s')"
    page.locator("#lab-layers a", has_text="styles").first.click()
    page.wait_for_function(title % "conditional_instance")
    page.wait_for_selector("#lab-page .katex")
    assert misplaced(page, "lab", width) == []
    page.locator("#lab-page a", has_text="All systems").click()
    page.wait_for_function(title % "Normalizations")
    assert misplaced(page, "lab", width) == []
    page.locator("#lab-page a", has_text="group").first.click()
    page.wait_for_function(title % "group")
    page.get_by_role("tab", name="Switch").click()
    choose(page, "normalizer", "Layer normalization")
    page.locator("#lab-normalizer a", has_text="Its page").click()
    page.wait_for_function(title % "layer")
    assert page.input_value("#lab-system input").endswith("(layer)")


def download(page: Any, part: str, folder: Path) -> Path:
    page.wait_for_selector(f"#lab-{part}:not([disabled])")
    with page.expect_download() as waiting:
        page.click(f"#lab-{part}")
    waiting.value.save_as(folder / waiting.value.suggested_filename)
    return folder / waiting.value.suggested_filename


def figure(page: Any, part: str) -> str:
    page.wait_for_selector(f"#lab-{part}-figure img")
    return page.get_attribute(f"#lab-{part}-figure img", "src")


def test_results_of_grids(open_tab: OpenPage, paint_address: str, tmp_path: Path, misplaced: Any) -> None:
    page = open_tab(paint_address)
    page.get_by_role("tab", name="Trained").click()
    first = figure(page, "trained")
    page.wait_for_function(
        "document.querySelectorAll('#lab-trained-tiles img').length == 3"
    )  # the photo and two networks
    assert page.locator("#lab-trained-table tbody tr").count() == 3
    assert misplaced(page, "lab", 1280) == []
    tick(page, "trained-settings", "none")
    page.wait_for_function("document.querySelectorAll('#lab-trained-table tbody tr').length == 2")
    assert figure(page, "trained") != first
    tick(page, "trained-settings", "batch")
    page.wait_for_function("document.querySelectorAll('#lab-trained-tiles img').length == 2")
    with download(page, "trained-results", tmp_path).open(newline="") as file:
        assert {line["normalizer"] for line in csv.DictReader(file)} == {"instance", "batch", "none"}
    tick(page, "trained-grid", "Batch size")
    page.wait_for_function("document.querySelectorAll('#lab-trained-table tbody tr').length == 4")
    for part in ("pictures", "tiles"):
        page.wait_for_selector(f"#lab-trained-{part}", state="detached")


def test_a_probe_is_shown_and_measured(open_tab: OpenPage, paint_address: str, tmp_path: Path, misplaced: Any) -> None:
    page = open_tab(paint_address, 390, 844)
    page.get_by_role("tab", name="Probes").click()
    page.wait_for_function("document.querySelector('#lab-probe-words').innerText.includes('Not measured yet')")
    tick(page, "probe", "Growth")
    before = figure(page, "probe")
    assert "Measured before, with 2 seeds" in page.inner_text("#lab-probe-words")
    assert misplaced(page, "lab", 390) == []
    for case in ("none", "layer", "group", "bounded_weight_norm", "weight_standardization", "spectral_norm"):
        tick(page, "probe-cases", case)
    page.fill("#lab-probe-seeds input[type=number]", "1")
    page.locator("#lab-probe-seeds input[type=number]").blur()
    page.click("#lab-probe-run")
    page.wait_for_function(
        "document.querySelector('#lab-probe-words').innerText.includes('Measured now, with 1 seed.')"
    )
    page.wait_for_function("document.querySelector('#lab-probe-table').innerText.includes('weight_norm')")
    assert figure(page, "probe") != before
    page.wait_for_selector("#lab-probe-stop", state="detached")
    with download(page, "probe-rows", tmp_path).open(newline="") as file:
        assert {line["case"] for line in csv.DictReader(file)} == {"batch", "weight_norm"}
