"""Several workers: with statistics of all they train the network of one worker, with their own they do not."""

import torch.distributed as dist

from styleapp.lab.probes.workers import WORKERS, measure_workers


def test_two_processes_train_what_one_does_with_statistics_of_all() -> None:
    alone, together = measure_workers("sync_batch", 0, (1, 2), steps=3)
    assert (alone.workers, alone.difference, together.workers) == (1, 0.0, 2)
    assert together.difference < 1e-12
    assert together.accuracy == alone.accuracy
    assert not dist.is_initialized()
    _, apart = measure_workers("batch", 0, (1, 2), steps=3)
    assert apart.difference > 1e-3


def test_panels_leave_out_what_is_nought_by_definition() -> None:
    rows = measure_workers("batch", 0, (1,), steps=1)
    difference, accuracy = WORKERS.panels(rows)
    assert difference.series == ()
    assert accuracy.series[0].x == (1,)
