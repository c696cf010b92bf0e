"""Figures and tables of the tab *Lab*'s parts *Trained* and *Probes*: as HTML, and as files to download."""

import base64
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from styleapp.lab.plots import Panel, draw, figure_bytes
from styleapp.web.lab_catalogue import with_links

__all__ = ["Drawing", "drawn", "offered", "table_html"]

Drawing = Mapping[str, bytes]
"""A figure as files, by suffix."""

FORMATS = (".svg", ".png")
PIXELS_PER_INCH = 110
"""At the most: letters of a small figure need not be larger than the page's."""


def drawn(panels: Sequence[Panel], title: str) -> tuple[str, Drawing]:
    """A figure for the page, and its files."""
    figure = draw(panels, title)
    files = {suffix: figure_bytes(figure, suffix) for suffix in FORMATS}
    source = base64.b64encode(files[".svg"]).decode()
    words = escape("; ".join(dict.fromkeys(f"{panel.title}: {panel.y_label} over {panel.x_label}" for panel in panels)))
    widest = round(figure.get_figwidth() * PIXELS_PER_INCH)
    style = f'style="max-width: {widest}px"'
    image = f'<img class="figure" {style} src="data:image/svg+xml;base64,{source}" alt="{words}">'
    return f'<div class="figure-frame">{image}</div>', files


def table_html(lines: Sequence[Sequence[str]]) -> str:
    """Headings and lines; all but the first column, in which names of systems lead to their pages, are figures."""
    head = "".join(f"<th>{escape(cell)}</th>" for cell in lines[0])
    body = "".join(f"<tr>{_line(*line)}</tr>" for line in lines[1:])
    return f'<div class="figures-table"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _line(name: str, *figures: str) -> str:
    return f"<td>{with_links(name)}</td>" + "".join(f"<td>{escape(figure)}</td>" for figure in figures)


def offered(files: Mapping[str, bytes], folder: str) -> list[Any]:
    """Updates of download buttons, one for each file by its name; Gradio copies them from the folder."""
    ready = []
    for name, content in files.items():
        path = Path(folder) / name
        path.write_bytes(content)
        ready.append(gr.update(value=str(path), interactive=True))
    return ready
