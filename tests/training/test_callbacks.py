"""What is seen of a run: sheets of samples, throughput, the record."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from pytorch_lightning.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from styleapp.data.labels import IGNORED, LabelSet
from styleapp.data.mask_pairs import LabelledCrop
from styleapp.data.pairs import PicturePair
from styleapp.training import callbacks as module
from styleapp.training.callbacks import LabelSampleGrid, LossCurve, SampleGrid, Throughput, TrainingRecord


def _trainer(**facts: Any) -> Any:
    known = {
        "is_global_zero": True,
        "num_val_batches": [9],
        "logger": None,
        "sanity_checking": False,
        "global_step": 40,
        "world_size": 1,
        "accumulate_grad_batches": 1,
        "precision": "32-true",
        "callback_metrics": {},
        "datamodule": SimpleNamespace(
            hparams={"photos": "/data/mine/photos", "styles": "s", "crop": 64, "batch_size": 4}
        ),
    }
    return SimpleNamespace(**{**known, **facts})


def _show(grid: SampleGrid, trainer: Any, batches: int = 9) -> None:
    for index in range(batches):
        batch = PicturePair(torch.full((1, 3, 8, 8), index / 10), torch.zeros(1, 3, 8, 8))
        grid.on_validation_batch_end(trainer, None, torch.ones(1, 3, 8, 8), batch, index)  # type: ignore[arg-type]


def test_sheet_is_spread_over_the_pairs() -> None:
    grid = SampleGrid(rows=3)
    _show(grid, _trainer())
    assert [round(picture[0, 0, 0].item() * 10) for picture in grid.pictures[::3]] == [0, 3, 6]
    assert len(grid.pictures) == 9


def test_sheet_of_fewer_pairs_than_rows_shows_all() -> None:
    grid = SampleGrid(rows=8)
    _show(grid, _trainer(num_val_batches=[2]), batches=2)
    assert len(grid.pictures) == 6


def test_only_the_first_process_collects() -> None:
    grid = SampleGrid()
    _show(grid, _trainer(is_global_zero=False))
    assert not grid.pictures


def test_sheet_is_written_to_tensorboard(tmp_path: Path) -> None:
    grid, logger = SampleGrid(rows=3), TensorBoardLogger(tmp_path)
    trainer = _trainer(logger=logger)
    _show(grid, trainer)
    grid.on_validation_epoch_end(trainer, None)  # type: ignore[arg-type]
    logger.experiment.flush()
    events = EventAccumulator(logger.log_dir, size_guidance={"images": 0}).Reload()
    (image,) = events.Images("photo, style, output")
    assert (image.step, image.width, image.height) == (40, 3 * 10 + 2, 3 * 10 + 2)  # three rows of three, framed
    assert not grid.pictures
    logger.finalize("success")


def test_sanity_check_and_other_loggers_write_nothing() -> None:
    grid = SampleGrid()
    for trainer in (_trainer(sanity_checking=True), _trainer(logger=object())):
        _show(grid, trainer)
        grid.on_validation_epoch_end(trainer, None)  # type: ignore[arg-type]
        assert not grid.pictures


def test_sheet_with_masks_in_their_colours(tmp_path: Path) -> None:
    labels = LabelSet.from_record({"classes": [{"index": 0, "name": "sky", "rgb": [0, 51, 255]}], "ignore_index": 255})
    grid, logger = LabelSampleGrid(rows=2), TensorBoardLogger(tmp_path)
    trainer = _trainer(logger=logger, datamodule=SimpleNamespace(labels=labels))
    batch = LabelledCrop(torch.full((1, 3, 8, 8), 0.25), torch.full((1, 8, 8), IGNORED, dtype=torch.uint8))
    batch.mask[0, :4] = 0
    shown = SimpleNamespace(reconstruct=lambda batch: batch.photo * 3)
    for index in range(9):
        grid.on_validation_batch_end(trainer, shown, torch.ones(1, 3, 8, 8), batch, index)  # type: ignore[arg-type]
    assert len(grid.pictures) == 2 * 4
    mask, *others = grid.pictures[:4]
    torch.testing.assert_close(mask[:, 0, 0], torch.tensor([0, 0.2, 1]))
    assert mask[:, 7, 0].tolist() == [0, 0, 0]
    assert [float(picture.mean()) for picture in others] == [0.25, 1, 0.75]
    grid.on_validation_epoch_end(trainer, None)  # type: ignore[arg-type]
    logger.experiment.flush()
    events = EventAccumulator(logger.log_dir, size_guidance={"images": 0}).Reload()
    (image,) = events.Images("mask, photo, style drawn, style of the photo")
    assert (image.width, image.height) == (4 * 10 + 2, 2 * 10 + 2)
    logger.finalize("success")


def test_throughput_counts_all_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 12.0])
    monkeypatch.setattr(module.time, "perf_counter", lambda: next(clock))
    logged: dict[str, float] = {}
    throughput = Throughput()
    throughput.on_train_batch_start()
    batch = PicturePair(torch.zeros(6, 3, 8, 8), torch.zeros(6, 3, 8, 8))
    shown = SimpleNamespace(log=lambda name, value, **_: logged.update({name: value}))
    throughput.on_train_batch_end(_trainer(world_size=4), shown, None, batch, 0)  # type: ignore[arg-type]
    assert logged == {"images/s": 4 * 6 / 2}


def test_record_of_the_facts() -> None:
    record = TrainingRecord()
    record.on_train_start(
        _trainer(world_size=2, accumulate_grad_batches=3),
        SimpleNamespace(device=torch.device("cpu")),  # type: ignore[arg-type]
    )
    facts = record.state_dict()["facts"]
    assert (facts["photos"], facts["styles"], facts["crop"]) == ("photos", "s", 64)  # no paths of this machine
    assert facts["batch_size"] == 4 * 2 * 3
    assert facts["processes"] == 2
    assert facts["device"] == f"CPU, {torch.get_num_threads()} threads"
    assert facts["torch"] == torch.__version__


def test_record_names_the_folder_of_masks() -> None:
    record = TrainingRecord()
    data = SimpleNamespace(hparams={"folder": "/data/mine/facades", "crop": 64, "batch_size": 4})
    record.on_train_start(_trainer(datamodule=data), SimpleNamespace(device=torch.device("cpu")))  # type: ignore[arg-type]
    facts = record.state_dict()["facts"]
    assert facts["folder"] == "facades" and "photos" not in facts


def test_record_without_a_data_module() -> None:
    trainer = _trainer()
    del trainer.datamodule
    record = TrainingRecord()
    record.on_train_start(trainer, SimpleNamespace(device=torch.device("cpu")))  # type: ignore[arg-type]
    assert record.state_dict()["facts"]["batch_size"] == 0


def test_record_keeps_the_scores_over_the_steps() -> None:
    record = TrainingRecord()
    metrics = {"score/style_distance": torch.tensor(0.123456), "train/loss": torch.tensor(9.0)}
    record.on_validation_end(_trainer(callback_metrics=metrics, global_step=10), None)  # type: ignore[arg-type]
    record.on_validation_end(_trainer(callback_metrics=metrics, sanity_checking=True), None)  # type: ignore[arg-type]
    record.on_validation_end(_trainer(), None)  # type: ignore[arg-type]
    assert record.state_dict()["curve"] == [{"step": 10, "style_distance": 0.1235}]


def test_gpu_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "some GPU")
    assert module._device_name(torch.device("cuda")) == "some GPU"


def test_commit_is_empty_outside_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert module._commit() == ""


def test_commit_where_git_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert module._commit() == ""


def _after(curve: LossCurve, step: int, loss: float) -> None:
    metrics = {
        "train/loss": torch.tensor(loss),
        "train/style": torch.tensor(2 * loss),
        "score/style": torch.tensor(9.0),
    }
    curve.on_train_batch_end(_trainer(global_step=step, callback_metrics=metrics))


def test_losses_are_means_over_steps() -> None:
    curve = LossCurve(every=2)
    for step, loss in enumerate([1.0, 3.0, 5.0, 5.0, 7.0], start=1):
        _after(curve, step, loss)
    assert curve.points == [{"step": 2, "loss": 2.0, "style": 4.0}, {"step": 4, "loss": 5.0, "style": 10.0}]


def test_curve_goes_on_in_the_middle_of_a_mean() -> None:
    curve, resumed = LossCurve(every=2), LossCurve(every=2)
    _after(curve, 1, 1.0)
    resumed.load_state_dict(curve.state_dict())
    for one in (curve, resumed):
        _after(one, 2, 3.0)
    assert resumed.points == curve.points == [{"step": 2, "loss": 2.0, "style": 4.0}]


def test_accumulated_batches_are_all_in_the_mean() -> None:
    """Two batches a step: the step counts up with every second of them."""
    curve = LossCurve(every=2)
    for batch, loss in enumerate([1.0, 3.0, 5.0, 7.0, 9.0, 1.0, 1.0, 1.0], start=1):
        _after(curve, batch // 2, loss)
    assert curve.points == [{"step": 2, "loss": 4.0, "style": 8.0}, {"step": 4, "loss": 3.0, "style": 6.0}]


def test_mean_over_no_steps() -> None:
    with pytest.raises(ValueError, match="every must be at least 1, got 0"):
        LossCurve(every=0)


def test_processor_seconds_of_older_checkpoints() -> None:
    record = TrainingRecord()
    record.load_state_dict({"seconds": 5.0, "curve": [], "facts": {}})
    sum(range(100_000))
    seconds = record.state_dict()["processor_seconds"]
    assert record.processor_seconds == 0.0 and seconds > 0
    record.load_state_dict(record.state_dict())
    assert record.state_dict()["processor_seconds"] > seconds
