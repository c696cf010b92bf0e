"""The part *Catalogue* of the tab *Lab*: the page of every normalization system, which opens from its name."""

import base64
import re
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr

from styleapp.norms.catalogue import catalogue, entry, page_file
from styleapp.web.controls import PRIVATE, NameList, TabControls
from styleapp.web.pictures import WithoutStub, readable_errors

__all__ = [
    "ALL",
    "CATALOGUE_TIPS",
    "CataloguePart",
    "PageLinks",
    "catalogue_part",
    "connect_catalogue",
    "page_link",
    "page_of",
    "with_links",
]

ALL = "README"
"""The page that lists all systems."""

CATALOGUE_TIPS = {
    "lab-system": "Every normalization, rule, optimizer and probe of the project.",
    "lab-page": "Formula, figure, when to use it, code, traps and source.",
}
"""What every control says when one points at it, by the id of its element."""

DISPLAYED: list[dict[str, str | bool]] = [{"left": "$$", "right": "$$", "display": True}]
LINK = "#norm-"


class CataloguePart(NamedTuple):
    """The list of systems, and the page of one."""

    system: NameList
    page: gr.Markdown


class PageLinks(gr.HTML, metaclass=WithoutStub):
    """Nothing to see: its value is the system whose link (:func:`page_link`) was clicked, wherever that stands.

    It must be where it is shown at once: what is in a tab that was never chosen hears nothing.
    """

    def __init__(self, **options: Any) -> None:
        script = (Path(__file__).parent / "page_links.js").read_text(encoding="utf-8")
        plain = {"html_template": "", "js_on_load": script, "elem_classes": "unseen"}
        super().__init__(**{**plain, **options})


def catalogue_part(controls: TabControls) -> CataloguePart:
    """Builds the part into the Gradio context that is open."""
    choices = [("All systems", ALL), *((f"{one.title} ({one.name})", one.name) for one in catalogue())]
    with gr.Column(elem_classes="catalogue"):
        system = controls.name_list("system", "System", choices, ALL)
        page = gr.Markdown("", latex_delimiters=DISPLAYED, **controls.named("page"))
    return CataloguePart(system, page)


def connect_catalogue(part: CataloguePart, links: PageLinks, parts: gr.Tabs, place: gr.Tab) -> None:
    """Wires the part.

    Args:
        links: what opens it.
        parts: the tabs of which this part is one.
        place: that one.
    """
    for event in (part.system.input, place.select):
        event(_page, part.system, part.page, **PRIVATE)
    opened = links.input(lambda name: name, links, part.system, **PRIVATE)
    opened = opened.then(_page, part.system, part.page, **PRIVATE)
    opened.then(lambda: gr.Tabs(selected=place.id), None, parts, **PRIVATE)


def _page(name: str) -> str:
    with readable_errors():
        return page_of(name)


def page_link(name: str) -> str:
    """Where a link leads that opens the page of a system, anywhere in the app."""
    return f"{LINK}{name}"


def page_of(name: str) -> str:
    """The page of a system, or that of :data:`ALL`, as Markdown with pictures inside and links by :func:`page_link`.

    Raises:
        ValueError: no system has this name, or the documents are not beside the package.
    """
    file = page_file(ALL if name == ALL else entry(name).name)
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ValueError(f"there is no {file}; the catalogue's pages come with the repository") from error
    text = re.sub(r"```math\n(.*?)```", r"$$\1$$", text, flags=re.DOTALL)
    text = re.sub(r"(!\[[^]]*\])\(([^)]+\.svg)\)", lambda found: f"{found[1]}({_inside(file.parent / found[2])})", text)
    return re.sub(r"\[([^]]+)\]\(([^):]+)\.md\)", lambda found: _linked(found[1], found[2]), text)


def _inside(figure: Path) -> str:
    """A figure as an address that holds it."""
    return f"data:image/svg+xml;base64,{base64.b64encode(figure.read_bytes()).decode()}"


def _linked(words: str, page: str) -> str:
    """A link to another page of the catalogue; documents beyond it are only named."""
    known = page == ALL or any(one.name == page for one in catalogue())
    return f"[{words}]({page_link(page)})" if known else words


def with_links(words: str) -> str:
    """Words as HTML in which every name of a system leads to its page."""
    names = {one.name for one in catalogue()}
    pieces = re.split(r"(\w+)", words)
    return "".join(f'<a href="{page_link(one)}">{one}</a>' if one in names else escape(one) for one in pieces)
