"""``styleapp export``: the file it writes, the manifest, the scores it keeps, what it refuses."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from styleapp.checkpoint import Card, CheckpointError, load_network, manifest, read_card, save_network
from styleapp.cli import main
from styleapp.models.adain import AdaINDecoder
from styleapp.pipelines.synthesize import SynthesizePipeline
from styleapp.thumbnails import from_text

ROW = {"style_distance": 0.04567, "content_distance": 0.7, "seconds": 0.2}
EVALUATION = {
    "rows": [{"strength": 0.5, **ROW}, {"strength": 1.0, **ROW, "content_distance": 0.81234}],
    "photo_itself": {"style_distance": 0.5, "content_distance": 0.0},
    "pairs": 12,
    "psnr_strength_0": 20.123,
}


@pytest.fixture
def run(tmp_path: Path, network: Any) -> Path:
    """A training checkpoint as the trainer writes it, with the tensors of a decoder alone."""
    state = {f"network.decoder.{name}": value for name, value in AdaINDecoder().state_dict().items()}
    path = tmp_path / "run" / "last.ckpt"
    path.parent.mkdir()
    architecture = {"name": "adain", "options": {"feature_scale": 880.0}}
    torch.save(
        {
            "state_dict": state,
            "global_step": 7,
            "architecture": architecture,
            "encoder": vars(network.encoder.identity),
        },
        path,
    )
    return path


def test_file_in_the_checkpoint_folder_can_be_named(run: Path, shelf: Path, capsys: pytest.CaptureFixture) -> None:
    before = manifest()["adain"]
    assert main(["export", str(run.parent), "-o", str(shelf / "mine.safetensors")]) == 0
    assert "7 steps" in capsys.readouterr().out
    assert manifest()["adain"] == before
    assert manifest()["mine"]["sha256"] == hashlib.sha256((shelf / "mine.safetensors").read_bytes()).hexdigest()
    assert load_network("mine")[1].record["steps"] == 7


def test_listed_file_is_renewed_and_keeps_its_title(run: Path, shelf: Path) -> None:
    assert main(["export", str(run), "-o", str(shelf / "adain.safetensors")]) == 0
    assert manifest()["adain"]["title"] == "AdaIN"
    assert load_network("adain")[1].record["steps"] == 7  # refused if its sha256 were the old one


def test_file_elsewhere_is_not_listed(run: Path, shelf: Path, tmp_path: Path) -> None:
    assert main(["export", str(run), "-o", str(tmp_path / "mine.safetensors")]) == 0
    assert set(manifest()) == {"adain"}


def test_scores_of_an_evaluation_are_kept(run: Path, tmp_path: Path, shelf: Path) -> None:
    (tmp_path / "scores.json").write_text(json.dumps(EVALUATION))
    output = tmp_path / "mine.safetensors"
    assert main(["export", str(run), "-o", str(output), "--scores", str(tmp_path / "scores.json")]) == 0
    assert read_card(output).scores == {
        "style_distance": 0.0457,
        "content_distance": 0.8123,
        "pairs": 12,
        "photo_itself_style_distance": 0.5,
        "psnr_strength_0": 20.12,
    }


def test_strength_0_that_is_the_photo_has_no_ratio(run: Path, tmp_path: Path) -> None:
    (tmp_path / "scores.json").write_text(json.dumps({**EVALUATION, "psnr_strength_0": None}))
    output = tmp_path / "mine.safetensors"
    assert main(["export", str(run), "-o", str(output), "--scores", str(tmp_path / "scores.json")]) == 0
    assert read_card(output).scores["psnr_strength_0"] is None


@pytest.mark.parametrize("text", ["", "{}", '{"rows": []}', json.dumps({**EVALUATION, "psnr_strength_0": "20"})])
def test_scores_of_another_kind(run: Path, tmp_path: Path, text: str, refused: Callable[..., str]) -> None:
    (tmp_path / "scores.json").write_text(text)
    line = refused("export", run, "-o", tmp_path / "mine.safetensors", "--scores", tmp_path / "scores.json")
    assert "scores.json is not what `styleapp evaluate --json` prints" in line
    assert not (tmp_path / "mine.safetensors").exists()


def test_values_that_half_precision_cannot_hold(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"decoder\.x has values that are not finite"):
        save_network(tmp_path / "mine.safetensors", {"decoder.x": torch.tensor([1e6])}, Card("adain"))
    assert not list(tmp_path.iterdir())


def test_blend_needs_a_number(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["export", str(run), "-o", str(tmp_path / "x.safetensors"), "--blend", "adain", "half"]) == 2
    assert "its share from 0 to 1, got half" in capsys.readouterr().err


def test_scores_of_named_styles_are_kept_one_by_one(run: Path, tmp_path: Path, shelf: Path) -> None:
    of_style = {"style": "wave", "style_distance": 0.11118, "content_distance": 0.7, "photo_itself": 0.33}
    evaluation = {**EVALUATION, "named_styles": True, "by_style": [of_style]}
    (tmp_path / "scores.json").write_text(json.dumps(evaluation))
    output = tmp_path / "mine.safetensors"
    assert main(["export", str(run), "-o", str(output), "--scores", str(tmp_path / "scores.json")]) == 0
    expected = {"style_distance": 0.1112, "content_distance": 0.7, "photo_itself": 0.33}
    assert read_card(output).scores["by_style"] == {"wave": expected}


# Networks for masks

SYNTHESIS = {
    "architecture": "spade",
    "reconstruct": False,
    "pictures": 46,
    "scores": {"pixel_accuracy": 0.61234, "mean_iou": 0.3, "statistics_distance": 0.07891, "colour_error": 0.05},
    "draws": [{}, {}],
    "references": {
        "photos": {"pixel_accuracy": 0.59, "mean_iou": 0.31999, "statistics_distance": 0.0, "colour_error": 0.0},
        "other_photos": {"statistics_distance": 0.0084},
        "flat": {"pixel_accuracy": 0.4, "mean_iou": 0.1, "statistics_distance": 1.0, "colour_error": 0.0},
    },
}
SEGMENTER = {
    "architecture": "segmenter",
    "pictures": 46,
    "scores": {"pixel_accuracy": 0.61234, "mean_iou": 0.3},
    "classes": [{"name": "sky", "share": 0.9, "iou": 0.51239}, {"name": "boat", "share": 0.0, "iou": None}],
}


def _trained(checkpoint: Path, folder: Path) -> Path:
    """A training checkpoint of the network in a file."""
    network, card, _ = load_network(checkpoint)
    state = {
        f"network.{name}": value for name, value in network.state_dict().items() if not name.startswith("encoder.")
    }
    architecture = {"name": card.architecture, "options": card.options}
    encoder = None if card.encoder is None else vars(card.encoder)
    saved = {"state_dict": state, "global_step": 7, "architecture": architecture, "encoder": encoder}
    torch.save({**saved, "record": {"labels": card.record["labels"]}}, folder / "masks.ckpt")
    return folder / "masks.ckpt"


@pytest.fixture
def synthesis_run(spade_checkpoint: Path, tmp_path: Path) -> Path:
    return _trained(spade_checkpoint, tmp_path)


@pytest.fixture
def segmenter_run(segmenter_checkpoint: Path, tmp_path: Path) -> Path:
    return _trained(segmenter_checkpoint, tmp_path)


def _exported_scores(run: Path, evaluation: Any) -> dict[str, Any]:
    (run.parent / "scores.json").write_text(json.dumps(evaluation))
    output = run.parent / "mine.safetensors"
    assert main(["export", str(run), "-o", str(output), "--scores", str(run.parent / "scores.json")]) == 0
    return read_card(output).scores


def test_scores_of_pictures_for_masks_are_kept(synthesis_run: Path) -> None:
    assert _exported_scores(synthesis_run, SYNTHESIS) == {
        "pixel_accuracy": 0.6123,
        "mean_iou": 0.3,
        "statistics_distance": 0.0789,
        "colour_error": 0.05,
        "photo_pixel_accuracy": 0.59,
        "photo_mean_iou": 0.32,
        "other_photos_statistics_distance": 0.0084,
        "pictures": 46,
        "draws": 2,
    }


def test_scores_without_label_agreement_and_of_a_single_photo(synthesis_run: Path) -> None:
    scores = {"statistics_distance": 0.1, "colour_error": 0.05}
    references = {"photos": {"statistics_distance": 0.0, "colour_error": 0.0}, "flat": {"statistics_distance": 1.0}}
    kept = _exported_scores(synthesis_run, {**SYNTHESIS, "scores": scores, "references": references})
    assert kept == {**scores, "pictures": 46, "draws": 2}


def test_styles_are_drawn_like_those_of_photos(
    synthesis_run: Path, tmp_path: Path, draw_photo: Callable[..., Image.Image]
) -> None:
    """The numbers of the same style change; what a photo's style makes of a mask does not."""
    for index in range(6):
        (tmp_path / "photos").mkdir(exist_ok=True)
        draw_photo(40, 30, index).save(tmp_path / "photos" / f"{index}.png")
    files = [tmp_path / "plain.safetensors", tmp_path / "like.safetensors"]
    for file, more in zip(files, ([], ["--draw-like", str(tmp_path / "photos")]), strict=True):
        assert main(["export", str(synthesis_run), "-o", str(file), *more]) == 0
    plain, like = (SynthesizePipeline.from_checkpoint(file, "cpu") for file in files)
    assert like.card.record["styles_drawn_like"] == 6 and "styles_drawn_like" not in plain.card.record
    mask, photo = np.arange(256).reshape(16, 16) // 100, tmp_path / "photos" / "3.png"
    pictures = [np.asarray(pipe(mask, style=photo), dtype=int) for pipe in (plain, like)]
    assert np.abs(pictures[0] - pictures[1]).max() <= 2  # half precision
    drawn = [np.asarray(pipe(mask, seed=1), dtype=int) for pipe in (plain, like)]
    assert np.abs(drawn[0] - drawn[1]).max() > 2


def test_drawing_like_photos_needs_a_style_encoder(segmenter_run: Path, tmp_path: Path, refused) -> None:
    line = refused("export", segmenter_run, "-o", tmp_path / "x.safetensors", "--draw-like", tmp_path)
    assert "without style encoder has no such styles" in line


def test_scores_of_masks_for_photos_are_kept(segmenter_run: Path) -> None:
    assert _exported_scores(segmenter_run, SEGMENTER) == {
        "pixel_accuracy": 0.6123,
        "mean_iou": 0.3,
        "pictures": 46,
        "iou_by_class": {"sky": 0.5124, "boat": None},
    }


@pytest.mark.parametrize(
    ("evaluation", "said"),
    [
        (SEGMENTER, "the scores are of a network of architecture 'segmenter', "),
        ({**EVALUATION, "architecture": "adain"}, "the scores are of a network of architecture 'adain', "),
        ({**SYNTHESIS, "reconstruct": True}, "scores.json was measured with --reconstruct: a card has the scores of"),
        ({**SYNTHESIS, "references": {}}, "scores.json is not what `styleapp evaluate --json` prints"),
        ({**SYNTHESIS, "scores": []}, "scores.json is not what `styleapp evaluate --json` prints"),
        ([SYNTHESIS], "scores.json is not what `styleapp evaluate --json` prints"),
    ],
)
def test_scores_that_do_not_belong_to_it(synthesis_run: Path, refused, evaluation: Any, said: str) -> None:
    scores, output = synthesis_run.parent / "scores.json", synthesis_run.parent / "mine.safetensors"
    scores.write_text(json.dumps(evaluation))
    assert said in refused("export", synthesis_run, "-o", output, "--scores", scores)
    assert not output.exists()


@pytest.fixture
def named_run(named_checkpoint: Path, tmp_path: Path) -> Path:
    """A training checkpoint of the network in the fixture."""
    network, card, _ = load_network(named_checkpoint)
    state = {f"network.{name}": value for name, value in network.state_dict().items()}
    architecture = {"name": card.architecture, "options": card.options}
    torch.save({"state_dict": state, "global_step": 7, "architecture": architecture}, tmp_path / "named.ckpt")
    return tmp_path / "named.ckpt"


FACTS = {"title": "Wave", "artist": "Hokusai", "year": "1831", "licence": "public domain"}


def test_styles_are_described_and_illustrated(named_run: Path, tmp_path: Path) -> None:
    (tmp_path / "styles.json").write_text(json.dumps({"wave": FACTS}))
    output = tmp_path / "mine.safetensors"
    assert main(["export", str(named_run), "-o", str(output), "--styles", str(tmp_path / "styles.json")]) == 0
    styles = read_card(output).styles
    assert list(styles) == ["wave", "night", "scream"]
    assert {key: value for key, value in styles["wave"].items() if key != "thumbnail"} == FACTS
    assert list(styles["night"]) == ["thumbnail"]
    assert from_text(styles["wave"]["thumbnail"]).tobytes() != from_text(styles["night"]["thumbnail"]).tobytes()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[1]", "must be a JSON object that gives each style's title, artist, year, licence"),
        ('{"wave": {"title": "Wave"}}', "must be a JSON object that gives each style's title, artist, year, licence"),
        ("not JSON", "must be a JSON object"),
        (json.dumps({"dawn": FACTS}), "'dawn' is described, but the network's styles are wave, night, scream"),
    ],
)
def test_descriptions_that_are_none(named_run: Path, tmp_path: Path, refused, text: str, sentence: str) -> None:
    (tmp_path / "styles.json").write_text(text)
    output = tmp_path / "mine.safetensors"
    assert sentence in refused("export", named_run, "-o", output, "--styles", tmp_path / "styles.json")
    assert not output.exists()


def test_only_named_styles_can_be_described(run: Path, tmp_path: Path, refused) -> None:
    (tmp_path / "styles.json").write_text("{}")
    said = refused("export", run, "-o", tmp_path / "mine.safetensors", "--styles", tmp_path / "styles.json")
    assert "'adain' has no named styles to describe" in said
