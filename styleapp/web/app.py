"""The whole page: its tabs, its look, and how it is served."""

import atexit
import html
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import gradio as gr

from styleapp.pipelines.style_bank import bank_folder
from styleapp.web import lab, paint, styles, stylize
from styleapp.web.lab_handlers import LabHandlers
from styleapp.web.network import NetworkProvider
from styleapp.web.painters import Painters
from styleapp.web.studios import KEEP_SECONDS, Studios

__all__ = ["HOST", "PORT", "TABS", "build_app", "launch", "page_options"]

HOST, PORT = "127.0.0.1", 7860
MAX_FILE_SIZE = "64mb"
SWEEP_SECONDS = 1800  # how often old uploads and paintings are looked for

TABS: tuple[tuple[str, Callable[[Any], Any], dict[str, str]], ...] = (
    ("Stylize", stylize.build, stylize.TIPS),
    ("Styles", styles.build, styles.TIPS),
    ("Paint", paint.build, paint.TIPS),
    ("Lab", lab.build, lab.TIPS),
)
"""Title of each tab, the function that builds it from what it paints with, and its tooltips by element id.

What that function returns is what other tabs are connected with.
"""

HEADER = """
<header class="masthead"><span class="mark" aria-hidden="true"></span><h1>StyleApp</h1>
<p>Your photo, painted in any style.</p></header>
"""


def build_app(network: NetworkProvider, studios: Studios, painters: Painters | None = None) -> gr.Blocks:
    """The page as Gradio blocks, ready to be launched or mounted.

    Starts without networks, too: then a line at the top, or in one of the other tabs, says what is missing.

    Args:
        network: for any style picture.
        studios: networks with named styles.
        painters: networks for label maps; by default those that the manifest lists.
    """
    keep = (SWEEP_SECONDS, KEEP_SECONDS)
    with gr.Blocks(title="StyleApp", fill_width=True, delete_cache=keep, analytics_enabled=False) as app:
        gr.HTML(HEADER)
        notice = gr.HTML(visible=False, elem_id="notice", elem_classes="notice")
        built: dict[str, Any] = {}
        places: dict[str, gr.Tab] = {}
        with gr.Tabs() as tabs:
            behind = (network, studios, painters or Painters(), LabHandlers())
            for (title, build, _), with_it in zip(TABS, behind, strict=True):
                with gr.Tab(title, id=title.lower()) as places[title]:
                    built[title] = build(with_it)
        paint.connect_stylize(built["Paint"], built["Stylize"], tabs)
        lab.connect_tab(built["Lab"], places["Lab"])
        app.load(lambda: _notice(network), None, notice, queue=False, show_progress="hidden", api_visibility="private")
    return app


def launch(
    host: str = HOST,
    port: int | None = PORT,
    checkpoint: str = "adain",
    *,
    named: str = "multistyle",
    multi_user: bool = False,
    block: bool = True,
) -> tuple[gr.Blocks, str]:
    """Builds the page and serves it.

    What visitors upload and what is painted lies in a folder of this process, which it makes in ``$GRADIO_TEMP_DIR``
    or where temporary files go, points that variable to, and removes when it ends.

    Args:
        host: address to listen at; 0.0.0.0 is every address of this machine.
        port: ``None`` takes a free one.
        checkpoint: a name of the manifest, or a file, of a network for any style picture.
        named: the same of a network with named styles.
        multi_user: whether each visitor's own styles are for that visitor only, and only for some hours; else all share
            the user's own bank.
        block: stay here until interrupted; else return at once, with the server running in the background.

    Returns:
        The app (``close()`` ends it) and its address.

    Raises:
        OSError: the port is taken.
    """
    os.environ["GRADIO_TEMP_DIR"] = str(_own_folder() / "uploads")
    network, studios = NetworkProvider(checkpoint), Studios(named, _visitors_folder() if multi_user else None)
    painters = Painters()
    for what, one in (("network", network), ("network with named styles", studios), ("network to paint", painters)):
        problem = one.problem()
        if problem:
            print(f"styleapp: no {what} yet: {problem}")
    app = build_app(network, studios, painters)
    app.queue(default_concurrency_limit=None, max_size=64)
    _, url, _ = app.launch(
        server_name=host, server_port=port, prevent_thread_lock=True, **page_options(checkpoint, named)
    )
    if block:
        print(f"StyleApp is at {url} (Ctrl+C ends it)")
        app.block_thread()
    return app, url


@cache
def _own_folder() -> Path:
    """Of this process: for uploads, and for visitors' styles. Not Gradio's own, which all servers of a machine share.

    It names files by their content, and a server that ends deletes what it was given: with it would go the pictures of
    another server whose visitors gave the same ones.
    """
    parent = Path(os.environ.get("GRADIO_TEMP_DIR") or tempfile.gettempdir()).resolve()
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="styleapp-", dir=parent))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _visitors_folder() -> Path:
    """One for each served page: what its visitors teach it ends with it."""
    return Path(tempfile.mkdtemp(prefix="styles-", dir=_own_folder()))


def page_options(*checkpoints: str) -> dict[str, Any]:
    """Looks and limits of the served page; nothing that it loads comes from another machine."""
    folder = Path(__file__).parent
    return {
        "theme": _theme(),
        "css": "\n".join((folder / name).read_text(encoding="utf-8") for name in ("page.css", "paint.css", "lab.css")),
        "head": _tooltip_script(),
        "blocked_paths": _private_paths(checkpoints),
        "max_file_size": MAX_FILE_SIZE,
        "footer_links": ["api"],
        "run_history": False,
        "ssr_mode": False,
        "share": False,
        "quiet": True,
    }


def _theme() -> gr.themes.Base:
    system = ("ui-sans-serif", "system-ui", "sans-serif")
    return gr.themes.Soft(
        primary_hue="indigo",
        neutral_hue="stone",
        radius_size="lg",
        font=system,
        font_mono=("ui-monospace", "monospace"),
    ).set(
        background_fill_primary="*neutral_50",
        block_title_background_fill="transparent",
        block_title_background_fill_dark="transparent",
        block_title_padding="0",
        block_title_text_color="*body_text_color",
        block_title_text_color_dark="*body_text_color",
    )


def _tooltip_script() -> str:
    """Gives every element of the tabs' tables its title, also those that appear later."""
    tips = {key: text for _, _, table in TABS for key, text in table.items()}
    data = json.dumps(tips).replace("<", "\\u003c")
    script = (Path(__file__).parent / "tooltips.js").read_text(encoding="utf-8")
    return f"<script>{script.replace('TIPS', data)}</script>"


def _private_paths(checkpoints: Sequence[str]) -> list[str]:
    """Where checkpoints and own styles lie; they are not for visitors, whatever else is served."""
    folders = [Path(__file__).parents[2] / "checkpoints", Path(os.environ.get("STYLEAPP_CHECKPOINTS") or "checkpoints")]
    return [str(path.resolve()) for path in (*folders, bank_folder(), *map(Path, checkpoints))]


def _notice(network: NetworkProvider) -> Any:
    problem = network.problem()
    text = f"<b>No network to paint with yet.</b> {html.escape(problem)}" if problem else ""
    return gr.update(value=text, visible=bool(problem))
