"""Controls that several tabs have: pictures with samples, sliders, the painting beside its photo, hidden endpoints."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import gradio as gr

from styleapp.pipelines.colour import COLOURS
from styleapp.pipelines.samples import Sample
from styleapp.web.pictures import PictureFile, WithoutStub

__all__ = [
    "COMPUTE",
    "PRIVATE",
    "NameList",
    "NameRadio",
    "NameTicks",
    "Outcome",
    "TabControls",
    "draft_while_dragging",
    "painting_endpoint",
    "region_and_side",
]

COMPUTE: dict[str, Any] = {"concurrency_id": "compute", "concurrency_limit": 1}
"""Of every event that paints: only one at a time, whoever asks."""

PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "queue": False}
"""Of events that take no time."""

SIDES = [("As the photo", 0), ("512", 512), ("768", 768), ("1024", 1024), ("2048", 2048)]


class Outcome(NamedTuple):
    """Where a painting is shown, offered and described."""

    result: gr.ImageSlider
    download: gr.DownloadButton
    caption: gr.HTML


class NameList(gr.Dropdown, metaclass=WithoutStub):
    """A list to choose a name from, whose handlers say themselves what is wrong with one that is gone by now.

    Gradio's own knows only the choices that this very page was given by this very process.
    """

    is_template = True  # shown by gr.Dropdown's own frontend

    def preprocess(self, payload: Any) -> Any:
        """The name as it is."""
        return payload


class NameRadio(gr.Radio, metaclass=WithoutStub):
    """Names to choose from, all of them seen; else as :class:`NameList`."""

    is_template = True

    def preprocess(self, payload: Any) -> Any:
        """The name as it is."""
        return payload


class NameTicks(gr.CheckboxGroup, metaclass=WithoutStub):
    """Names that can be ticked, whose handlers say themselves what is wrong with one; see :class:`NameList`."""

    is_template = True

    def preprocess(self, payload: Any) -> Any:
        """The names as they are."""
        return payload


class TabControls:
    """Builds the controls of one tab into the Gradio context that is open.

    Args:
        tab: its name; ids of elements are ``<tab>-<part>``.
        tips: what every control says when one points at it, by the id of its element.
    """

    def __init__(self, tab: str, tips: Mapping[str, str]) -> None:
        self.tab, self.tips = tab, tips

    def named(self, part: str) -> dict[str, Any]:
        """The id of a part as a keyword."""
        return {"elem_id": f"{self.tab}-{part}"}

    def told(self, part: str) -> dict[str, Any]:
        """The id of a part, and its tip to be read without pointing at it, as keywords."""
        return {**self.named(part), "info": self.tips[f"{self.tab}-{part}"]}

    def slider(
        self, part: str, label: str, low: float, high: float, value: float, step: float, *, told: bool = True
    ) -> gr.Slider:
        keywords = self.told(part) if told else self.named(part)
        return gr.Slider(low, high, value, step=step, label=label, buttons=["reset"], **keywords)

    def picture(self, part: str, label: str, sources: list[Any], height: int) -> PictureFile:
        """Where a picture can be dropped."""
        return PictureFile(
            label=label, height=height, sources=sources, buttons=[], elem_classes="studio-slot", **self.named(part)
        )

    def picture_with_samples(
        self, part: str, label: str, samples: list[Sample], *, photos: bool = False, beside: bool = False
    ) -> PictureFile:
        """The same with pictures to try below it, or beside it.

        Args:
            photos: offer the camera, and show samples as large as photos need.
        """
        with gr.Column(min_width=150, elem_classes="with-samples beside" if beside else "with-samples"):
            sources: list[Any] = ["upload", "webcam", "clipboard"] if photos else ["upload", "clipboard"]
            picture = self.picture(part, label, sources, 210 if beside else 260)
            with gr.Column(elem_classes="samples photos" if photos else "samples", visible=bool(samples), min_width=0):
                gr.Examples(
                    [[str(sample.path)] for sample in samples],
                    picture,
                    label="or try one of these",
                    examples_per_page=max(1, len(samples)),
                    api_visibility="private",
                    preload=False,
                    cache_examples=False,
                    **self.named(f"{part}-samples"),
                )
        return picture

    def name_list(self, part: str, label: str, choices: list[tuple[str, str]], value: str | None) -> NameList:
        """A list of names that cannot be typed into: a phone would show its keyboard."""
        return NameList(choices, value=value, label=label, filterable=False, **self.named(part))

    def tiles(self, part: str, label: str, columns: int, **options: Any) -> gr.Gallery:
        """Square pictures with names, one of which can be clicked."""
        return gr.Gallery(
            label=label,
            columns=columns,
            object_fit="cover",
            allow_preview=False,
            interactive=False,
            fit_columns=False,
            buttons=[],
            elem_classes="tiles",
            **options,
            **self.named(part),
        )

    def large_tiles(self, part: str, label: str, columns: int, look: str) -> gr.Gallery:
        """Whole pictures with captions, each of which opens in full size.

        Args:
            look: a class of the style sheets.
        """
        return gr.Gallery(
            label=label,
            columns=columns,
            object_fit="contain",
            format="png",
            interactive=False,
            fit_columns=False,
            buttons=["fullscreen"],
            elem_classes=f"tiles {look}",
            **self.named(part),
        )

    def downloads(self, titles: Mapping[str, str]) -> list[gr.DownloadButton]:
        """A row of small buttons, by part their titles; nothing can be downloaded at first."""
        with gr.Row(elem_classes="exports"):
            return [
                gr.DownloadButton(title, interactive=False, size="sm", min_width=100, **self.named(part))
                for part, title in titles.items()
            ]

    def colour(self, names: Sequence[str] = tuple(COLOURS)) -> gr.Radio:
        """Which of the colour modes."""
        choices = [(COLOURS[name].title[0].upper() + COLOURS[name].title[1:], name) for name in names]
        return gr.Radio(choices, value="style", label="Colour", **self.told("colour"))

    def side(self) -> gr.Radio:
        """How large the painting gets; 0 is as the photo."""
        return gr.Radio(SIDES, value=0, label="Longer side", **self.told("side"))

    def run_and_stop(self, title: str, run: str = "run", stop: str = "stop") -> tuple[gr.Button, gr.Button]:
        """The button that starts something long, and the one that ends it, which is there only meanwhile."""
        shape: dict[str, Any] = {"elem_classes": "studio-run", "size": "lg", "min_width": 90}
        with gr.Row(elem_classes="actions"):
            start = gr.Button(title, variant="primary", scale=3, **shape, **self.named(run))
            end = gr.Button("Stop", variant="stop", visible=False, scale=1, **shape, **self.named(stop))
        return start, end

    def outcome(self, label: str) -> Outcome:
        """The painting over the photo, with a line between them to drag."""
        result = gr.ImageSlider(
            label=label,
            type="filepath",
            format="png",
            image_mode=None,
            interactive=False,
            max_height=620,
            buttons=["fullscreen"],
            elem_classes="studio-result",
            **self.named("result"),
        )
        with gr.Row(elem_classes="actions"):
            caption = gr.HTML("", elem_classes="studio-caption", **self.named("caption"))
            download = gr.DownloadButton(
                "Download full size",
                interactive=False,
                min_width=120,
                scale=0,
                elem_classes="studio-download",
                **self.named("download"),
            )
        return Outcome(result, download, caption)


def draft_while_dragging(
    sliders: list[gr.Slider], draft: Callable[..., Any], inputs: list[Any], result: gr.ImageSlider
) -> None:
    """A small painting each time that the one before is done, of where the slider is by then."""
    gr.on(
        [slider.input for slider in sliders],
        draft,
        inputs,
        result,
        trigger_mode="always_last",
        show_progress="hidden",
        api_visibility="private",
        **COMPUTE,
    )


def region_and_side() -> tuple[PictureFile, gr.Number]:
    """What endpoints take instead of the painted region and of the list of sizes: a mask file, and any number."""
    region = PictureFile(label="Region", visible=False)
    return region, gr.Number(None, label="Longer side", precision=0, minimum=16, visible=False)


def painting_endpoint(paint: Callable[..., Any], inputs: list[Any], api_name: str) -> None:
    """An HTTP endpoint that returns a picture."""
    picture = gr.Image(label="Painting", type="filepath", format="png", image_mode=None, visible=False)
    gr.Button(visible=False).click(paint, inputs, picture, api_name=api_name, **COMPUTE)
