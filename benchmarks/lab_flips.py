"""Seconds from the click to the picture in the tab *Lab*, in a real Chromium: ``python -m benchmarks.lab_flips``.

Serves the page with the shipped networks, flips three switches of each one on a sample at 256×256, and presses *Reset*;
the last column says whether the original picture came back bit for bit. Browser and server share the machine.
"""

import argparse
import shutil
import sys
import time
from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
import torch
from PIL import Image
from playwright.sync_api import sync_playwright

from styleapp.commands.console import print_table
from styleapp.lab.subjects import subjects
from styleapp.pipelines.hardware import hardware_name
from styleapp.web.app import launch

LIMIT = 120_000
"""Milliseconds to wait for a picture."""

SWITCHED = "document.querySelectorAll('#lab-tiles img')[1]?.src"


def tick(page: Any, part: str, words: str) -> Callable[[], None]:
    return page.locator(f"#lab-{part} label", has_text=words).first.click  # type: ignore[no-any-return]


def layer_normalization(page: Any) -> Callable[[], None]:
    page.click("#lab-normalizer input")
    return page.get_by_role("option", name="Layer normalization").first.click  # type: ignore[no-any-return]


def seconds_to_picture(page: Any, click: Callable[[], None]) -> float:
    """From a click until another switched picture is there and decoded."""
    before = page.evaluate(SWITCHED)
    start = time.perf_counter()
    click()
    page.wait_for_function(f"before => {SWITCHED} && {SWITCHED} != before", arg=before)
    page.evaluate("document.querySelectorAll('#lab-tiles img')[1].decode()")
    return time.perf_counter() - start


def shown(page: Any, number: int) -> np.ndarray:
    source = page.evaluate(f"document.querySelectorAll('#lab-tiles img')[{number}].src")
    return np.asarray(Image.open(BytesIO(page.request.get(source).body())).convert("RGB"))


def row(page: Any, network: str) -> list[str]:
    """Of a network: its name, seconds of three switches and of *Reset*, and whether that undid them."""
    if network not in page.inner_text("#lab-network label:has(input:checked)"):
        seconds_to_picture(page, tick(page, "network", network))
    original = shown(page, 0)
    seconds = [
        seconds_to_picture(page, layer_normalization(page)),
        seconds_to_picture(page, tick(page, "removed", "Only the mean")),
        seconds_to_picture(page, tick(page, "modulation", "Neither")),
        seconds_to_picture(page, page.locator("#lab-reset").click),
    ]
    back = all(np.array_equal(original, shown(page, number)) for number in (0, 1))
    return [network, *(f"{one:.2f}" for one in seconds), "yes" if back else "no"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help="by default all that are shipped")
    arguments = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        print("lab_flips: no Chromium on the PATH", file=sys.stderr)
        return 2
    app, address = launch(port=None, block=False)
    with sync_playwright() as driver:
        page = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"]).new_page()
        page.set_default_timeout(LIMIT)
        page.goto(address)
        page.get_by_role("tab", name="Lab").click()
        page.wait_for_function("document.querySelectorAll('#lab-tiles img').length == 3")
        rows = [row(page, name) for name in arguments.networks or [one.name for one in subjects()]]
    app.close()
    print_table([["network", "normalizer s", "removed s", "given back s", "reset s", "original again"], *rows])
    print(f"on {hardware_name(torch.device('cpu'))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
