"""From a run to a file that the pipelines load."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from styleapp.checkpoint import CheckpointError, load_network, read_card
from styleapp.models.multistyle import MultiStyleNetwork
from styleapp.norms.weights import weight_norm_name
from styleapp.pipelines.stylize import StylizePipeline
from styleapp.training.export import export_run, find_training_checkpoint

STEPS = 6


@pytest.fixture(scope="module")
def exported(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_run(finished_run, tmp_path_factory.mktemp("exported") / "mine.safetensors", {"style_distance": 0.2})


def test_pipeline_loads_it(exported: Path, draw_photo, draw_style) -> None:
    pipe = StylizePipeline.from_checkpoint(exported, device="cpu")
    assert pipe(draw_photo(40, 32), draw_style(32, 32), style_scale=0.25).size == (40, 32)


def test_weights_are_the_averaged_ones(exported: Path, finished_run: Path, checkpoint_at: Callable[..., Path]) -> None:
    saved = torch.load(checkpoint_at(finished_run, STEPS), map_location="cpu", weights_only=True)
    decoder = StylizePipeline.from_checkpoint(exported, device="cpu").network.decoder  # type: ignore[attr-defined]
    for name, value in decoder.state_dict().items():
        torch.testing.assert_close(value, saved["state_dict"][f"network.decoder.{name}"], rtol=2**-10, atol=1e-7)


def test_card_tells_how_it_was_trained(exported: Path, photo_folder: Path, style_folder: Path, network: Any) -> None:
    card = read_card(exported)
    assert card.architecture == "adain"
    assert card.options == {"feature_scale": 880.0}
    assert card.encoder == network.encoder.identity
    assert card.scores == {"style_distance": 0.2}
    record = card.record
    assert (record["steps"], record["seed"]) == (STEPS, 1)
    assert (record["photos"], record["styles"]) == (photo_folder.name, style_folder.name)
    assert (record["crop"], record["batch_size"], record["processes"]) == (32, 4, 1)
    assert record["device"].startswith("CPU")
    assert record["seconds"] >= 0
    (point,) = record["curve"]  # one validation, after the first epoch
    assert point["step"] == 4
    assert point["style_distance"] > 0
    assert point["content_distance"] > 0


def test_file_itself_or_newest_of_a_folder(
    finished_run: Path, tmp_path: Path, checkpoint_at: Callable[..., Path]
) -> None:
    first = checkpoint_at(finished_run, 3)
    assert find_training_checkpoint(first) == first
    assert find_training_checkpoint(finished_run).resolve() == checkpoint_at(finished_run, STEPS).resolve()
    for age, name in enumerate(("b.ckpt", "a.ckpt", "deeper/c.ckpt")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
        os.utime(tmp_path / name, (1000 + age, 1000 + age))
    assert find_training_checkpoint(tmp_path) == tmp_path / "deeper" / "c.ckpt"


def test_checkpoint_without_its_recipe_has_no_seed(
    finished_run: Path, tmp_path: Path, checkpoint_at: Callable[..., Path]
) -> None:
    alone = tmp_path / "a" / "b" / "c" / "only.ckpt"
    alone.parent.mkdir(parents=True)
    shutil.copy(checkpoint_at(finished_run, 3), alone)
    assert read_card(export_run(alone, tmp_path / "x.safetensors")).record["seed"] is None


def test_seed_of_the_newest_recipe(finished_run: Path, tmp_path: Path, checkpoint_at: Callable[..., Path]) -> None:
    shutil.copy(checkpoint_at(finished_run, 3), tmp_path / "only.ckpt")
    for age, (name, seed) in enumerate((("version_0", 5), ("version_1", 6))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.yaml").write_text(yaml.safe_dump({"seed_everything": seed}))
        os.utime(tmp_path / name / "config.yaml", (1000 + age, 1000 + age))
    assert read_card(export_run(tmp_path, tmp_path / "x.safetensors")).record["seed"] == 6


def test_nothing_to_export(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(CheckpointError, match=r"is neither a \.ckpt file nor a folder with one; train first"):
            export_run(path, tmp_path / "x.safetensors")


def test_damaged_and_foreign_checkpoints(tmp_path: Path) -> None:
    (tmp_path / "damaged.ckpt").write_bytes(b"damaged")
    with pytest.raises(CheckpointError, match=r"damaged\.ckpt is not a training checkpoint that can be read"):
        export_run(tmp_path / "damaged.ckpt", tmp_path / "x.safetensors")
    torch.save({"state_dict": {}}, tmp_path / "foreign.ckpt")
    with pytest.raises(CheckpointError, match=r"foreign\.ckpt was not written by one of our training modules"):
        export_run(tmp_path / "foreign.ckpt", tmp_path / "x.safetensors")
    torch.save([1, 2], tmp_path / "list.ckpt")
    with pytest.raises(CheckpointError, match=r"list\.ckpt was not written by one of our"):
        export_run(tmp_path / "list.ckpt", tmp_path / "x.safetensors")
    assert not (tmp_path / "x.safetensors").exists()


def test_blend_is_the_weighted_mean(exported: Path, finished_run: Path, checkpoint: Path, tmp_path: Path) -> None:
    blended = export_run(finished_run, tmp_path / "blend.safetensors", blend=(str(checkpoint), 0.25))
    ours, other, mean = (
        StylizePipeline.from_checkpoint(path, device="cpu").network.decoder.state_dict()  # type: ignore[attr-defined]
        for path in (exported, checkpoint, blended)
    )
    for name, value in mean.items():
        torch.testing.assert_close(value, 0.75 * ours[name] + 0.25 * other[name], rtol=2e-3, atol=1e-4)
    assert read_card(blended).record["blended_with"] == checkpoint.stem
    assert read_card(blended).record["blended_share"] == 0.25


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_blend_share_out_of_range(finished_run: Path, checkpoint: Path, tmp_path: Path, share: float) -> None:
    with pytest.raises(CheckpointError, match="must be between 0 and 1"):
        export_run(finished_run, tmp_path / "x.safetensors", blend=(str(checkpoint), share))
    assert not (tmp_path / "x.safetensors").exists()


@pytest.mark.parametrize(("weight_norm", "kept"), [("weight_standardization", "none"), ("conv_norm", "conv_norm")])
def test_weights_are_plain_where_plain_ones_compute_the_same(weight_norm: str, kept: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = MultiStyleNetwork(["wave", "night"], width=8, blocks=1, weight_norm=weight_norm).eval()
    architecture = {"name": "multistyle", "options": network.options()}
    tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    torch.save({"architecture": architecture, "state_dict": tensors, "global_step": 1}, tmp_path / "a.ckpt")
    exported: Any = load_network(export_run(tmp_path / "a.ckpt", tmp_path / "a.safetensors"))[0]
    assert weight_norm_name(exported.entry) == kept
    photo = torch.rand(1, 3, 16, 16)
    expected = network.render(photo, network.code("wave"))
    torch.testing.assert_close(exported.render(photo, exported.code("wave")), expected, rtol=0, atol=5e-3)


def test_training_that_diverged(tmp_path: Path) -> None:
    network = {"network.weight": torch.tensor([0.0, float("nan")])}
    state = {"state_dict": network, "architecture": {"name": "spade", "options": {"weight_norm": "spectral_norm"}}}
    torch.save(state, tmp_path / "run.ckpt")
    with pytest.raises(CheckpointError, match=r"run\.ckpt has values that are not finite, first in weight"):
        export_run(tmp_path / "run.ckpt", tmp_path / "out.safetensors")
