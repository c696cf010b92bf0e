"""Several pictures of one mask: seeds, a style picture, steps between two styles; and where masks come from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from styleapp.data.labels import LabelError, LabelSet
from styleapp.data.mask_colours import Numbers
from styleapp.data.synthetic.layouts import layout, layouts_for, random_layout
from styleapp.pipelines.batch import Job, plan_batch
from styleapp.pipelines.mask_batch import LEGEND
from styleapp.pipelines.synthesize import SynthesizePipeline

__all__ = ["Variant", "layout_source", "plan_variants", "require_fitting_legend", "seed_variants", "steps_between"]

RANDOM = "random"
"""Instead of a layout's name: one that is drawn at random."""

LONGEST_END = 40
"""Characters of each end's name in the name of what lies between, so that the step's number is not cut off."""

NO_FILE = ".variant"
"""Suffix of what is planned like a file and is none."""


@dataclass(frozen=True)
class Variant:
    """One picture that is made of each mask.

    Attributes:
        name: what its files are called after the mask's name.
        style: as the network takes it (1×Z), or ``None`` for a network without.
        facts: what a record says of it.
    """

    name: str
    style: Tensor | None
    facts: dict[str, Any] = field(default_factory=dict)


def seed_variants(
    pipeline: SynthesizePipeline, first: int, count: int, style: Path | None = None, strength: float = 1.0
) -> list[Variant]:
    """One variant a seed, from ``first`` on, mixed with the style of a picture.

    Raises:
        ValueError: several seeds that make no difference, or see :meth:`SynthesizePipeline.__call__`.
        PictureError: the style picture cannot be read.
    """
    if count < 1:
        raise ValueError(f"seeds must be at least 1, got {count}")
    if count > 1 and pipeline.network.latent == 0:
        raise ValueError(f"{count} seeds make {count} times the same picture: this network has no styles")
    if count > 1 and style is not None and strength == 1:
        reason = f"at style strength 1 the style is all that of {style}"
        raise ValueError(f"{count} seeds make {count} times the same picture: {reason}")
    made = []
    for seed in range(first, first + count):
        pipeline.check_controls(seed, style, strength)
        if style is None:
            made.append(Variant(f"seed{seed}", pipeline.style(seed), {"seed": seed}))
            continue
        facts = {"seed": seed, "style": str(style), "style_strength": strength}
        name = style.stem if strength == 1 else f"{style.stem}-seed{seed}"
        made.append(Variant(name, pipeline.style(seed, style, strength), facts))
    return made


def steps_between(
    pipeline: SynthesizePipeline, frames: int, *, pictures: Sequence[Path] = (), seeds: Sequence[int] = ()
) -> list[Variant]:
    """Variants on the way between the styles of two pictures, or of two seeds.

    Raises:
        ValueError: see :meth:`SynthesizePipeline.interpolate`.
        PictureError: a picture cannot be read.
    """
    for picture in pictures:
        pipeline.check_controls(style=picture)
    for seed in seeds:
        pipeline.check_controls(seed)
    if pictures:
        start, end = (pipeline.style(style=picture) for picture in pictures)
        first, last = (picture.stem[:LONGEST_END] for picture in pictures)
    else:
        start, end = (pipeline.style(seed) for seed in seeds)
        first, last = (f"seed{seed}" for seed in seeds)
    styles = pipeline.styles_between(start, end, frames)
    title, digits = f"{first}-to-{last}", len(str(frames - 1))
    between = [*map(str, pictures), *seeds]
    return [
        Variant(f"{title}-{step:0{digits}d}", style, {"between": between, "share": round(step / (frames - 1), 4)})
        for step, style in enumerate(styles)
    ]


def plan_variants(
    masks: Sequence[Path], variants: Sequence[Variant], output: str, protected: Sequence[Path] = ()
) -> list[tuple[Job, Variant]]:
    """Every mask in every variant, with the file of each result: ``mask--variant.png``.

    For what is raised, and for names that would come twice, see :func:`styleapp.pipelines.batch.plan_batch`.
    """
    named = {Path(variant.name + NO_FILE): variant for variant in variants}
    jobs = plan_batch(masks, list(named), output, protected=protected)
    return [(job, named[job.styles[0]]) for job in jobs]


def layout_source(names: Sequence[str], labels: LabelSet, side: int, seed: int) -> dict[Path, Numbers]:
    """Ready-made masks by what stands for their files.

    Args:
        names: of :data:`styleapp.data.synthetic.layouts.LAYOUTS`, or ``random``.
        side: in pixels; they are square.

    Raises:
        ValueError: an unknown name, one that the label set has not the classes for, or a size that is too small.
    """
    drawn: dict[Path, Numbers] = {}
    for name in names:
        if name != RANDOM and name not in layouts_for(labels):
            known = ", ".join((*layouts_for(labels), RANDOM))
            raise ValueError(f"this network has no layout {name!r}; it has {known}")
        draw: Callable[..., Numbers] = random_layout if name == RANDOM else lambda *more, name=name: layout(name, *more)
        drawn[Path(name.replace(" ", "_") + NO_FILE)] = draw(labels, (side, side), seed)
    return drawn


def require_fitting_legend(mask: Path, labels: LabelSet) -> None:
    """Sees to it that numbers of one label set are not read as those of another.

    Raises:
        LabelError: beside the mask lies the legend of other classes.
    """
    legend = mask.parent / LEGEND
    if not legend.is_file():
        return
    try:
        names = LabelSet.load(legend).names
    except LabelError:
        return  # a file of somebody else's
    if names != labels.names:
        different = ", ".join(name for name in names if name not in labels.names) or "the same ones with other numbers"
        raise LabelError(f"{mask} is of another label set than the network: its legend {legend} has {different}")
