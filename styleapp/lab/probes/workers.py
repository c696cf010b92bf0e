"""Training on several workers: what statistics of each worker's own samples, and those of all, make of a network.

The training is that of the probe ``drift``, 40 steps long and in double precision, but the 16 samples of a step are
shared out to 1, 2 or 4 processes on this machine, which average their gradients (gloo). Weights, batches and learning
rate are the same for any number of workers, so the statistics are all that differs. Afterwards the networks look at 128
other pictures.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from styleapp.lab.plots import Panel
from styleapp.lab.probes.base import Probe, Row, curves
from styleapp.lab.probes.gratings import GratingNetwork, gratings
from styleapp.lab.probes.state import seeded
from styleapp.norms import build_norm

__all__ = ["WORKERS", "WorkersRow", "measure_workers"]

RATE, MOMENTUM, BATCH, STEPS, HELD_OUT = 0.1, 0.9, 16, 40, 128
COUNTS = (1, 2, 4)
UNSEEN = 10_000  # seeds from here on draw the pictures that are held out
PATIENCE = timedelta(minutes=2)


@dataclass(frozen=True)
class WorkersRow(Row):
    """A network that several workers trained together.

    Attributes:
        workers: how many.
        difference: ‖logits − logits of one worker's network‖ / ‖the latter‖, for pictures that were held out, in
            evaluation mode.
        accuracy: of these pictures.
    """

    workers: int
    difference: float
    accuracy: float


def measure_workers(case: str, seed: int, counts: Sequence[int] = COUNTS, steps: int = STEPS) -> tuple[WorkersRow, ...]:
    """A row for each number of workers, from 1 on.

    Args:
        case: a batch normalization of :data:`styleapp.norms.NORMALIZERS`.

    Raises:
        ValueError: this process belongs to a group of processes already.
    """
    if dist.is_initialized():
        raise ValueError("the probe workers starts processes of its own: run it outside a distributed training")
    pictures, classes = gratings(HELD_OUT, torch.Generator().manual_seed(UNSEEN + seed))
    rows: list[WorkersRow] = []
    alone = torch.zeros(())
    for count in counts:
        with _together(count, case, seed, steps):
            network = _trained(case, seed, steps, rank=0, count=count).eval()
        with torch.no_grad():
            logits = network(pictures.double())
        alone = logits if count == 1 else alone
        difference = float((logits - alone).norm() / alone.norm())
        rows.append(WorkersRow(case, seed, count, difference, float((logits.argmax(1) == classes).double().mean())))
    return tuple(rows)


@contextmanager
def _together(count: int, case: str, seed: int, steps: int) -> Iterator[None]:
    """This process is the first worker; the others are started, and end with the training."""
    if count == 1:
        yield
        return
    with tempfile.TemporaryDirectory() as folder:
        others: list[subprocess.Popen[bytes]] = []
        try:
            for rank in range(1, count):
                words = [folder, *map(str, (rank, count, seed, steps)), case]
                others.append(subprocess.Popen([sys.executable, "-c", OTHER, *words]))
            _meet(folder, 0, count)
            yield
            dist.destroy_process_group()
        finally:
            for other in others:
                other.terminate()
                other.wait()


OTHER = "import sys; from styleapp.lab.probes.workers import work; work(*sys.argv[1:])"


def work(folder: str, rank: str, count: str, seed: str, steps: str, case: str) -> None:
    """What another worker's process does, with words from its command line."""
    torch.set_num_threads(1)
    _meet(folder, int(rank), int(count))
    _trained(case, int(seed), int(steps), int(rank), int(count))
    dist.barrier()


def _meet(folder: str, rank: int, count: int) -> None:
    place = Path(folder, "meet").as_uri()
    dist.init_process_group("gloo", init_method=place, rank=rank, world_size=count, timeout=PATIENCE)


def _trained(case: str, seed: int, steps: int, rank: int, count: int) -> nn.Module:
    """The network after the training, in which this process sees every ``count``-th sample."""
    with seeded(seed):
        network = GratingNetwork(lambda width: build_norm(case, width)).double()
    draws = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.SGD(network.parameters(), lr=RATE, momentum=MOMENTUM)
    for _ in range(steps):
        pictures, classes = gratings(BATCH, draws)
        share: tuple[Tensor, Tensor] = pictures[rank::count].double(), classes[rank::count]
        optimizer.zero_grad()
        (cross_entropy(network(share[0]), share[1]) / count).backward()
        if count > 1:
            for gradient in [parameter.grad for parameter in network.parameters() if parameter.grad is not None]:
                dist.all_reduce(gradient)
        optimizer.step()
    if count > 1 and rank == 0:
        dist.barrier()  # nobody leaves before all are done
    return network


def _panels(rows: Sequence[WorkersRow]) -> tuple[Panel, ...]:
    apart = [row for row in rows if row.workers > 1]
    share = "workers, which share 16 samples a step"
    return (
        Panel("Away from one worker", share, "‖y − y₁‖ / ‖y₁‖", curves(apart, "workers", "difference"), "log", "log"),
        Panel(
            "Accuracy in evaluation", share, "share of held-out pictures", curves(rows, "workers", "accuracy"), "log"
        ),
    )


WORKERS = Probe(
    name="workers",
    title="what several workers train with statistics of each, and of all, beside what one worker trains",
    heading="Several workers: statistics of each, and of all",
    source="Zhang et al., Context Encoding for Semantic Segmentation, CVPR 2018, arXiv 1803.08904",
    cases=("batch", "sync_batch"),
    row=WorkersRow,
    measure=measure_workers,
    axis="workers",
    shown=COUNTS,
    columns={"difference": "difference", "accuracy": "accuracy"},
    panels=_panels,
)
"""The probe of ``styleapp probe workers``."""
