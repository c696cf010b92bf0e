"""Ablations: what they compare, that nothing else changes, YAML there and back, files, and what they refuse."""

import csv
import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from styleapp.checkpoint import load_network
from styleapp.lab import ablation as module
from styleapp.lab import benches
from styleapp.lab.ablation import Ablation, layers_of, run
from styleapp.lab.ablation_files import export, grid_picture, record, scores_csv, statistics_csv, with_inputs
from styleapp.lab.switches import LayerSwitch
from styleapp.norms import NormLayer
from styleapp.pipelines.stylize import StylizePipeline
from styleapp.pipelines.synthesize import SynthesizePipeline
from styleapp.scores import SCORE_SIZE, stylization_scores

GROUPS = LayerSwitch(normalizer="group", options={"groups": 2})


@pytest.fixture(autouse=True)
def small_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores of small pictures: what they are of is tested, and one test has them as they are."""
    monkeypatch.setattr(benches, "SCORE_SIZE", 64)
    module._reference.cache_clear()


@pytest.fixture
def pictures(tmp_path: Path, draw_photo: Callable, draw_style: Callable) -> Path:
    for seed in (1, 2):
        draw_photo(80, 64, seed).save(tmp_path / f"photo{seed}.png")
        draw_style(64, 64, seed).save(tmp_path / f"style{seed}.png")
    return tmp_path


@pytest.fixture
def named(pictures: Path, named_checkpoint: Path) -> Ablation:
    photos = tuple(str(pictures / f"photo{seed}.png") for seed in (1, 2))
    return Ablation(str(named_checkpoint), (GROUPS,), photos, ("night",), size=64)


@pytest.fixture
def masked(labelled_photos: Path, spade_checkpoint: Path) -> Ablation:
    switch = LayerSwitch("stages.*", modulation="map_mean")
    return Ablation(str(spade_checkpoint), (switch,), masks=(str(labelled_photos / "masks" / "0.png"),), size=60)


def values(pictures: tuple[Image.Image, ...]) -> np.ndarray:
    return np.stack([np.asarray(picture) for picture in pictures]).astype(int)


class TestStylizing:
    def test_the_original_is_what_the_network_paints(self, named: Ablation) -> None:
        outcome = run(named)
        square = Image.open(named.photos[0]).crop((8, 0, 72, 64))
        painted = StylizePipeline.from_checkpoint(named.checkpoint, device="cpu")(square, "night")
        assert np.abs(values(outcome.original.pictures[:1]) - np.asarray(painted)).max() <= 1

    def test_compares(self, named: Ablation) -> None:
        outcome = run(named)
        assert len(outcome.original.pictures) == len(outcome.switched.pictures) == len(outcome.difference) == 2
        original, switched = values(outcome.original.pictures), values(outcome.switched.pictures)
        assert (values(outcome.difference) == np.abs(original - switched)).all()
        assert outcome.change["mean_difference"] == pytest.approx(np.abs(original - switched).mean() / 255, rel=1e-4)
        assert outcome.change["mean_difference"] > 0.01
        assert {change.normalizer.after for change in outcome.changes if change.normalizer} == {"group"}
        assert [layer.layer for layer in outcome.switched.layers] == [change.layer for change in outcome.changes]

    def test_without_a_switch_nothing_changes(self, named: Ablation) -> None:
        outcome = run(replace(named, switches=()))
        assert not values(outcome.difference).any()
        assert outcome.change == {"mean_difference": 0, "style_distance": 0, "content_distance": 0}
        assert outcome.original.layers == outcome.switched.layers

    def test_batch_statistics_depend_on_the_other_photos(self, named: Ablation) -> None:
        by_batch = replace(named, switches=(LayerSwitch(normalizer="batch"),))
        together, alone = run(by_batch), run(replace(by_batch, photos=named.photos[:1]))
        assert (values(together.switched.pictures)[0] != values(alone.switched.pictures)[0]).any()
        assert np.abs(values(alone.difference)).max() <= 1  # a batch of one photo is an instance

    def test_statistics_of_layers(self, named: Ablation) -> None:
        switch = LayerSwitch(normalizer="instance", modulation="none")
        for layer in run(replace(named, switches=(switch,))).switched.layers:
            assert layer.shape[0] == 2
            assert len(layer.before.mean) == layer.shape[1]
            torch.testing.assert_close(torch.tensor(layer.after.mean), torch.zeros(layer.shape[1]), rtol=0, atol=1e-4)
            assert max(layer.after.deviation) <= 1 + 1e-4

    def test_scores_are_those_of_the_project(
        self, pictures: Path, micro_checkpoint: Path, vgg: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(benches, "SCORE_SIZE", SCORE_SIZE)
        files = (str(pictures / "photo1.png"),), (str(pictures / "style1.png"),)
        outcome = run(Ablation(str(micro_checkpoint), (LayerSwitch(modulation="none"),), *files, size=64))
        parts = [benches.centre_crop(one, 256)[None] for one in (Image.open(files[0][0]), Image.open(files[1][0]))]
        shown = benches.centre_crop(outcome.switched.pictures[0], 256)[None]
        expected = stylization_scores(vgg, shown, *parts)
        assert outcome.switched.scores["style_distance"] == pytest.approx(expected.style_distance, rel=1e-4)
        assert outcome.switched.scores["content_distance"] == pytest.approx(expected.content_distance, rel=0.1)

    def test_several_styles(self, pictures: Path, micro_checkpoint: Path) -> None:
        styles = tuple(str(pictures / f"style{seed}.png") for seed in (1, 2))
        mixed = Ablation(str(micro_checkpoint), (), (str(pictures / "photo1.png"),), styles, size=64)
        first = replace(mixed, weights=(1.0, 0.0))
        alone = replace(mixed, styles=styles[:1])
        assert (values(run(first).original.pictures) == values(run(alone).original.pictures)).all()
        assert (values(run(mixed).original.pictures) != values(run(alone).original.pictures)).any()

    def test_named_styles_are_scored_with_their_pictures_only(self, named: Ablation, pictures: Path) -> None:
        assert set(run(named).original.scores) == {"content_distance"}
        known = replace(named, style_pictures=(str(pictures / "style1.png"),))
        assert set(run(known).original.scores) == {"style_distance", "content_distance"}

    def test_adain(self, checkpoint: Path, pictures: Path) -> None:
        switch = LayerSwitch(removed="mean", modulation="shift")
        files = (str(pictures / "photo1.png"),), (str(pictures / "style1.png"),)
        outcome = run(Ablation(str(checkpoint), (switch,), *files, size=64), memory=True)
        assert [change.layer for change in outcome.changes] == ["adain"]
        assert outcome.switched.layers[0].before == outcome.original.layers[0].before
        assert outcome.switched.layers[0].after != outcome.original.layers[0].after
        assert outcome.original.peak_mib is not None


class TestMasks:
    def test_the_original_is_what_the_pipeline_paints(self, masked: Ablation) -> None:
        outcome = run(masked)
        painted = SynthesizePipeline.from_checkpoint(masked.checkpoint, device="cpu")(masked.masks[0])
        assert (values(outcome.original.pictures)[0] == np.asarray(painted)).all()
        assert outcome.change["mean_difference"] > 0.001
        assert outcome.original.scores == {}  # there is no segmenter beside it

    def test_several_masks_are_one_batch(self, masked: Ablation, labelled_photos: Path) -> None:
        masks = (*masked.masks, str(labelled_photos / "masks" / "1.png"))
        by_batch = replace(masked, switches=(LayerSwitch("stages.*", statistics="batch"),))
        together, alone = run(replace(by_batch, masks=masks)), run(by_batch)
        assert np.abs(values(together.original.pictures)[0] - values(alone.original.pictures)[0]).max() <= 1
        assert (values(together.switched.pictures)[0] != values(alone.switched.pictures)[0]).any()

    def test_label_agreement_with_a_segmenter_beside_it(
        self, masked: Ablation, segmenter_checkpoint: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "town.safetensors").write_bytes(Path(masked.checkpoint).read_bytes())
        (tmp_path / "town_segmenter.safetensors").write_bytes(segmenter_checkpoint.read_bytes())
        outcome = run(replace(masked, checkpoint=str(tmp_path / "town.safetensors")))
        assert set(outcome.switched.scores) == {"pixel_accuracy", "mean_iou"}
        assert 0 <= outcome.switched.scores["pixel_accuracy"] <= 1

    def test_a_style_picture(self, masked: Ablation, pictures: Path) -> None:
        styled = replace(masked, styles=(str(pictures / "photo1.png"),))
        assert (values(run(styled).original.pictures) != values(run(masked).original.pictures)).any()


def test_visitors_do_not_see_each_other(named: Ablation) -> None:
    """Many threads with switches of their own on one network get what each gets alone."""
    wanted = [
        replace(named, switches=(one,)) for one in (GROUPS, LayerSwitch(normalizer="batch"), LayerSwitch(strength=0))
    ]
    alone = [values(run(one).switched.pictures) for one in wanted]
    with ThreadPoolExecutor(3) as threads:
        together = list(threads.map(lambda one: values(run(one).switched.pictures), wanted * 3))
    assert all((ours == expected).all() for ours, expected in zip(together, alone * 3, strict=True))


class TestYaml:
    FULL = Ablation(
        "multistyle",
        (GROUPS, LayerSwitch("blocks.*", removed="mean", strength=0.5), LayerSwitch("head", weight_norm="weight_norm")),
        ("a.jpg", "größe.png"),
        ("wave", "night"),
        (0.25, 0.75),
        size=128,
        seed=3,
    )

    @pytest.mark.parametrize(
        "ablation", [FULL, Ablation("adain"), Ablation("facades", masks=("palace",), strength=0.5)]
    )
    def test_round_trip(self, ablation: Ablation) -> None:
        assert Ablation.from_yaml(ablation.to_yaml()) == ablation

    def test_only_what_is_not_ordinary_is_written(self) -> None:
        assert Ablation("adain", (LayerSwitch(removed="mean"),)).to_yaml() == (
            "checkpoint: adain\nswitches:\n- removed: mean\n"
        )

    def test_files_are_found_beside_it(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").write_bytes(b"")
        (tmp_path / "ablation.yaml").write_text("checkpoint: adain\nphotos: [a.png, b.png]\n")
        assert Ablation.load(tmp_path / "ablation.yaml").photos == (str(tmp_path / "a.png"), "b.png")

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("checkpoint: [", "x.yaml is not valid YAML"),
            ("[]", "x.yaml must have entries checkpoint, switches, photos"),
            ("photos: [a]", "x.yaml must name a checkpoint"),
            ("checkpoint: a\nphoto: [b]", "x.yaml has an unknown entry 'photo'; known are checkpoint, switches"),
            ("checkpoint: a\nphotos: b", "photos must be a list of names, got 'b'"),
            ("checkpoint: a\nweights: [b]", "weights must be a list of numbers"),
            ("checkpoint: a\nswitches: 3", "x.yaml: switches must be a list"),
            ("checkpoint: a\nswitches: [{normaliser: batch}]", "x.yaml, switch 1 has an unknown entry 'normaliser'"),
            ("checkpoint: a\nswitches: [{normalizer: [batch]}]", "wrong kind|unknown normalizer"),
            ("checkpoint: a\nswitches: [{strength: high}]", "between 0 and 1.5, got high"),
            ("checkpoint: a\nsize: large", "size must be a whole number, got 'large'"),
            ("checkpoint: a\nsize: 16", "size must be 32 to 1024 pixels, got 16"),
            ("checkpoint: a\nstyles: [b]\nweights: [1, 2]", "1 styles but 2 weights"),
            (f"checkpoint: a\nphotos: {['x'] * 17}", "at most 16 pictures, got 17"),
        ],
    )
    def test_refused(self, text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        Path("x.yaml").write_text(text)
        with pytest.raises(ValueError, match=said):
            Ablation.load("x.yaml")

    def test_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="no.yaml cannot be read: No such file"):
            Ablation.load(tmp_path / "no.yaml")


class TestFiles:
    def test_export_makes_the_same_pictures_again(self, named: Ablation, tmp_path: Path) -> None:
        outcome = run(named)
        files = export(outcome, tmp_path / "out")
        for name in named.photos:
            Path(name).unlink()  # what is exported needs nothing else
        again = run(Ablation.load(files["configuration"]))
        assert (values(again.switched.pictures) == values(outcome.switched.pictures)).all()
        with Image.open(files["grid"]) as grid:
            assert grid.size == grid_picture(again).size == (3 * 64 + 24, 28 + 2 * 70)

    def test_export_over_its_own_input(self, named: Ablation, tmp_path: Path) -> None:
        """The first copy has the name of the second photo."""
        out, contents = tmp_path / "out", [Path(name).read_bytes() for name in named.photos[:2]]
        out.mkdir()
        second = out / f"input-photos-1{Path(named.photos[0]).suffix}"
        second.write_bytes(contents[1])
        kept = with_inputs(replace(named, photos=(named.photos[0], str(second))), out)
        assert [(out / name).read_bytes() for name in kept.photos] == contents

    def test_tables(self, named: Ablation) -> None:
        outcome = run(named)
        rows = list(csv.DictReader(io.StringIO(statistics_csv(outcome))))
        assert len(rows) == 2 * 2 * sum(layer.shape[1] for layer in outcome.original.layers)
        assert {(row["network"], row["place"]) for row in rows} == {
            (network, place) for network in ("original", "switched") for place in ("before", "after")
        }
        assert float(rows[0]["mean"]) == pytest.approx(outcome.original.layers[0].before.mean[0], rel=1e-5)
        first, second = csv.DictReader(io.StringIO(scores_csv(outcome)))
        assert (first["network"], second["network"]) == ("original", "switched")
        assert first["change_mean_difference"] == ""
        assert float(second["content_distance"]) == outcome.switched.scores["content_distance"]

    def test_record(self, named: Ablation) -> None:
        facts = record(run(named))
        assert facts["switches"] == [GROUPS.record()]
        assert facts["changes"][0]["normalizer"]["after"] == "group"


class TestRefused:
    @pytest.mark.parametrize(
        ("fields", "said"),
        [
            ({"photos": ()}, "needs at least one photo"),
            ({"styles": ()}, "needs a style: wave, night, scream"),
            ({"styles": ("day",)}, "unknown style 'day'; known are wave, night, scream"),
            ({"photos": ("no.jpg",)}, "photo 'no.jpg' is neither a file nor a sample; samples are"),
            ({"masks": ("palace",)}, "give photos, not masks"),
            ({"strength": 2.0}, "strength must be between 0 and 1.5, got 2"),
            ({"size": 66}, "size must be a multiple of 4"),
        ],
    )
    def test_of_photos(self, fields: dict[str, Any], said: str, named: Ablation) -> None:
        with pytest.raises(ValueError, match=said):
            run(replace(named, **fields))

    @pytest.mark.parametrize(
        ("fields", "said"),
        [
            ({"masks": ()}, "needs at least one mask"),
            ({"masks": ("palace",)}, "mask 'palace' is neither a file nor ready-made; ready-made are none"),
            ({"photos": ("a.jpg",)}, "paints label maps"),
            ({"styles": ("a", "b")}, "one style at a time, got 2"),
            ({"seed": -1}, "seed must be a whole number from 0"),
        ],
    )
    def test_of_masks(self, fields: dict[str, Any], said: str, masked: Ablation) -> None:
        with pytest.raises(ValueError, match=said):
            run(replace(masked, **fields))

    def test_masks_of_other_shapes(self, masked: Ablation, tmp_path: Path) -> None:
        Image.new("L", (30, 60), 1).save(tmp_path / "tall.png")
        with pytest.raises(ValueError, match="must have the same shape, these have 60×48 and 30×60"):
            run(replace(masked, masks=(*masked.masks, str(tmp_path / "tall.png"))))

    def test_a_network_that_paints_nothing(self, segmenter_checkpoint: Path) -> None:
        with pytest.raises(ValueError, match="architecture 'segmenter': it makes no pictures"):
            run(Ablation(str(segmenter_checkpoint)))


def test_layers_of(named_checkpoint: Path) -> None:
    network, _, _ = load_network(named_checkpoint)
    layers = layers_of(str(named_checkpoint))
    norms = [one for one in layers if one.kind == "norm"]
    assert [one.name for one in norms] == [n for n, module in network.named_modules() if isinstance(module, NormLayer)]
    assert {(one.normalizer, one.modulator, one.shape) for one in norms} == {("instance", "styles", (8,))}
    assert [one.shape for one in layers if one.name == "entry"] == [(8, 48, 3, 3)]
    assert {one.weight_norm for one in layers if one.kind == "convolution"} == {"none"}
