"""SAM-ON and preconditioning in two real processes with gloo: the same as one process with the joined batch."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

STEPS = 3

WORKER = '''
"""Trains with each rule on this process's half of every batch, or in a single process on whole batches."""

import sys

import pytorch_lightning as pl
import torch
from torch import nn
from torch.nn.functional import mse_loss
from torch.utils.data import DataLoader, TensorDataset

from styleapp.norms import build_norm
from styleapp.training.rules import BatchNormPreconditioning, SharpnessAware

folder, devices, steps = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
RULES = {
    "plain": lambda: [],
    "sharpness": lambda: [SharpnessAware(rho=0.5)],
    "preconditioning": lambda: [BatchNormPreconditioning(momentum=0.3)],
    "both": lambda: [SharpnessAware(rho=0.05, parameters="all"), BatchNormPreconditioning(momentum=0.3)],
}


class Module(pl.LightningModule):
    """Batch statistics are those of all processes, as the gradients are."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        norm = build_norm("sync_batch", 4)
        last = nn.Conv2d(4, 2, 2), nn.Flatten(), nn.Linear(18, 2)
        self.network = nn.Sequential(nn.Conv2d(3, 4, 3), norm, nn.ReLU(), *last)

    def training_step(self, batch, batch_idx):
        return mse_loss(self.network(batch[0]), batch[1])

    def configure_optimizers(self):
        return torch.optim.SGD(self.network.parameters(), lr=0.05, momentum=0.9)

    def train_dataloader(self):
        """Two processes share every batch of four: they take its samples in turns."""
        random = torch.Generator().manual_seed(1)
        count = steps * self.trainer.accumulate_grad_batches * 4
        x = torch.randn(count, 3, 6, 6, generator=random, dtype=torch.float64) * 2 + 1
        y = torch.randn(count, 2, generator=random, dtype=torch.float64)
        own = slice(self.trainer.global_rank, None, devices)
        return DataLoader(TensorDataset(x[own], y[own]), batch_size=4 // devices)


for name, rules in RULES.items():
    for accumulated in (1, 2):
        module = Module().double()
        trainer = pl.Trainer(
            accelerator="cpu", devices=devices, strategy="ddp" if devices > 1 else "auto", precision="64-true",
            max_steps=steps, use_distributed_sampler=False, accumulate_grad_batches=accumulated,
            callbacks=rules(), logger=False,
            enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        )
        trainer.fit(module)
        state = {key: value for key, value in module.state_dict().items()}
        torch.save(state, f"{folder}/{name}-{accumulated}-{devices}-{trainer.global_rank}.pt")
'''

CASES = [(name, accumulated) for name in ("sharpness", "preconditioning", "both") for accumulated in (1, 2)]
every_case = pytest.mark.parametrize(("name", "accumulated"), CASES)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What each process has after its runs."""
    folder = tmp_path_factory.mktemp("processes")
    (folder / "worker.py").write_text(WORKER, encoding="utf-8")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    for devices in (2, 1):
        command = [sys.executable, str(folder / "worker.py"), str(folder), str(devices), str(STEPS)]
        done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=400)
        assert done.returncode == 0, done.stdout[-1500:] + done.stderr[-3000:]
    return folder


def _state(folder: Path, name: str, accumulated: int, devices: int, rank: int = 0) -> dict[str, Any]:
    return torch.load(folder / f"{name}-{accumulated}-{devices}-{rank}.pt", weights_only=True)


@every_case
def test_both_processes_have_the_same(folder: Path, name: str, accumulated: int) -> None:
    """Bit by bit."""
    states = [_state(folder, name, accumulated, 2, rank) for rank in (0, 1)]
    torch.testing.assert_close(*states, rtol=0, atol=0)


@every_case
def test_same_as_one_process_with_the_joined_batch(folder: Path, name: str, accumulated: int) -> None:
    two, one = (_state(folder, name, accumulated, devices) for devices in (2, 1))
    torch.testing.assert_close(two, one, rtol=0, atol=1e-6)


@every_case
def test_the_rules_act(folder: Path, name: str, accumulated: int) -> None:
    """The agreement above is no agreement of plain runs."""
    ours, plain = (_state(folder, one, accumulated, 2) for one in (name, "plain"))
    assert (ours["network.0.weight"] - plain["network.0.weight"]).abs().max() > 1e-4
