"""What each training rule costs, and what it gives: ``python -m benchmarks.training_rules``.

Every rule trains beside the plain run of the same network, optimizer, seed and samples. The two take turns of two
steps in one process, on one thread, and their CPU time is compared turn by turn, so that a busy machine matters less.
The plain run goes on longer, so that its loss is known after equal time, too. Rates are constant after ten steps.
"""

import argparse
import csv
import io
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import pytorch_lightning as pl
import torch

import styleapp.training.rules as rules
from benchmarks.rule_results import Row, markdown, row, tidy, with_table
from benchmarks.small_trainings import EPOCH, Places, Training, facades, named_styles, prepared
from benchmarks.taking_turns import InTurns, Meter, Record, in_rounds
from styleapp.data.files import write_whole
from styleapp.pipelines.hardware import hardware_name
from styleapp.training.rules.base import TrainingRule

__all__ = ["GROUPS", "Case", "Group", "run_group"]

PAGE = Path("docs/training-rules.md")
BLOCK = 2
HORIZON = 50
"""How many times as many steps the schedules are told of: rates hardly fall, so that no run is at an advantage."""
PLAIN = "plain"
CRITIC = {"part": "discriminator"}
LOG, LOGGED = "decay.safetensors", "DecayLog: λ = 5"


class Case(NamedTuple):
    """A rule in one form.

    Attributes:
        rule: makes it, from a folder that all runs of a group and seed share.
        curve: what shows that it acts.
        bound: what a step may cost, in plain steps.
        after: the rule whose run must have ended, because this one reads what it wrote.
    """

    rule: Callable[[Path], TrainingRule]
    curve: str
    bound: float = 1.1
    after: str | None = None


class Group(NamedTuple):
    """Rules that are compared with one plain run.

    Attributes:
        training: makes module and data, from folders and a seed.
        longer: how many times as many steps the plain run takes.
        cases: by the name in the table.
    """

    training: Callable[[Places, int], Training]
    longer: float
    cases: Mapping[str, Case]


GROUPS = {
    "named styles": Group(
        named_styles,
        2.2,
        {
            "SharpnessAware: all, ρ = 0.05 (SAM)": Case(lambda _: rules.SharpnessAware(0.05, "all"), "rise", 2.1),
            "SharpnessAware: norms, ρ = 0.5 (SAM-ON)": Case(lambda _: rules.SharpnessAware(0.5), "rise", 2.1),
            "SharpnessAware: norms, adaptive, ρ = 1": Case(
                lambda _: rules.SharpnessAware(1.0, adaptive=True), "rise", 2.1
            ),
            LOGGED: Case(lambda folder: rules.DecayLog(str(folder / LOG), decay=5.0), "norm"),
            "DecayRateCorrection: exact": Case(
                lambda folder: rules.DecayRateCorrection(str(folder / LOG)), "norm", after=LOGGED
            ),
        },
    ),
    "named styles, no norms": Group(
        partial(named_styles, normalizer="none"),
        1.4,
        {
            "BatchNormPreconditioning": Case(lambda _: rules.BatchNormPreconditioning(), "gradient_ratio", 1.3),
            "MimicNorm": Case(lambda _: rules.MimicNorm(), "largest_mean"),
            "AdaptiveClipping": Case(lambda _: rules.AdaptiveClipping(), "clipped_share"),
        },
    ),
    "named styles, memorized_batch": Group(
        partial(named_styles, normalizer="memorized_batch"),
        1.4,
        {"RepeatedForward": Case(lambda _: rules.RepeatedForward(), "moved")},
    ),
    "named styles, batch norms": Group(
        partial(named_styles, normalizer="batch"),
        1.2,
        {"PreciseStatistics: 8 batches": Case(lambda _: rules.PreciseStatistics(8), "moved")},
    ),
    "facades, plain batch norms": Group(
        partial(facades, plain_norms=True),
        1.2,
        {"RevisitedBatchNorm": Case(lambda _: rules.RevisitedBatchNorm(), "mean_scale")},
    ),
    "facades, critic": Group(
        facades,
        1.6,
        {
            "SharpnessAware: all, ρ = 0.05 (SAM)": Case(
                lambda _: rules.SharpnessAware(0.05, "all", **CRITIC), "rise", 2.1
            ),
            "BatchNormPreconditioning": Case(lambda _: rules.BatchNormPreconditioning(**CRITIC), "gradient_ratio", 1.3),
            "MimicNorm": Case(lambda _: rules.MimicNorm(**CRITIC), "largest_mean"),
            "MimicNorm: last_norm": Case(lambda _: rules.MimicNorm(last_norm=True, **CRITIC), "largest_mean"),
            "RevisitedBatchNorm: input_norm": Case(
                lambda _: rules.RevisitedBatchNorm(input_norm=True, **CRITIC), "mean_scale"
            ),
            "AdaptiveClipping": Case(lambda _: rules.AdaptiveClipping(**CRITIC), "clipped_share"),
        },
    ),
}


def run_group(group: Group, places: Places, seed: int, steps: int, folder: Path) -> dict[str, Record]:
    """Trains without a rule and with each, all in turns; what was measured, by name.

    Args:
        folder: what one rule writes and another reads.
    """
    longer = EPOCH * round(steps * group.longer / EPOCH)
    records: dict[str, Record] = {}
    players: dict[str, InTurns] = {}

    def work(turn: InTurns, name: str) -> None:
        case, waited = group.cases.get(name), 0
        while case and case.after and not players[case.after].done:
            waited += 1
            turn.give_back()
        rule = case.rule(folder) if case else None
        meter = Meter(steps if rule else longer, BLOCK, type(rule).title if rule else "", turn.give_back)
        records[name], meter.record.waited = meter.record, waited
        _fit(*group.training(places, seed), [*([rule] if rule else []), meter], HORIZON * steps)

    for name in (PLAIN, *group.cases):
        players[name] = InTurns(partial(work, name=name))
    in_rounds(players)
    return records


def _fit(module: pl.LightningModule, data: pl.LightningDataModule, callbacks: list[pl.Callback], steps: int) -> None:
    clip = {"gradient_clip_val": 1.0} if module.automatic_optimization else {}
    trainer = pl.Trainer(
        accelerator="cpu", devices=1, max_steps=steps, callbacks=callbacks, logger=False, num_sanity_val_steps=-1,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False, **clip,  # type: ignore[arg-type]
    )  # fmt: skip
    trainer.fit(module, datamodule=data)


def rows_of(name: str, seeds: Sequence[dict[str, Record]]) -> list[Row]:
    """A line for each rule of a group, from what was measured with each seed."""
    plain = [records[PLAIN] for records in seeds]
    return [
        row(rule, name, case.bound, case.curve, plain, [records[rule] for records in seeds])
        for rule, case in GROUPS[name].cases.items()
    ]


def measured(name: str, places: Places, seeds: Sequence[int], steps: int, folder: Path) -> list[dict[str, Record]]:
    """One group with all seeds, on one thread."""
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", category=UserWarning, module="pytorch_lightning")
    found = []
    for seed in seeds:
        own = folder / name / str(seed)
        own.mkdir(parents=True)
        found.append(run_group(GROUPS[name], places._replace(cache=own), seed, steps, own))
    return found


def measure(
    arguments: argparse.Namespace, folder: Path
) -> tuple[list[Row], list[tuple[str, str, int, str, int, float]]]:
    """All groups with all seeds, several groups at a time: the lines of the table, and every number."""
    places = prepared(arguments.photos, arguments.styles, arguments.facades, folder)
    rows, numbers = [], []
    with ProcessPoolExecutor(arguments.jobs, get_context("spawn")) as pool:
        jobs = {name: pool.submit(measured, name, places, arguments.seeds, arguments.steps, folder) for name in GROUPS}
        for name, job in jobs.items():
            found = rows_of(name, job.result())
            print(markdown(found).split("\n", 2)[2], flush=True)
            rows += found
            for seed, records in zip(arguments.seeds, job.result(), strict=True):
                numbers += [line for rule, record in records.items() for line in tidy(name, rule, seed, record)]
    return rows, numbers


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, default=Path("../shared/data/content"), help="folder of photos")
    parser.add_argument(
        "--styles", type=Path, default=Path("../shared/data/named_styles"), help="the first four are used"
    )
    parser.add_argument("--facades", type=Path, default=Path("../shared/data/facades"), help="photos and label maps")
    parser.add_argument(
        "--steps", type=int, default=60, help=f"of each run, a multiple of {EPOCH} (default %(default)s)"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], metavar="SEED")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes (default %(default)s)")
    parser.add_argument("--csv", type=Path, default=Path("runs/training-rules.csv"), help="for every number")
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE}")
    arguments = parser.parse_args()
    if arguments.steps < 1 or arguments.steps % EPOCH:
        parser.error(f"--steps must be a multiple of {EPOCH}, got {arguments.steps}")
    with tempfile.TemporaryDirectory() as folder:
        rows, numbers = measure(arguments, Path(folder))
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("training", "rule", "seed", "what", "at", "value"), *numbers])
    arguments.csv.parent.mkdir(parents=True, exist_ok=True)
    write_whole(arguments.csv, text.getvalue().encode())
    print(markdown(rows))
    print(f"on {hardware_name(torch.device('cpu'))}, one thread a process")
    for one in rows:
        if one.validation > 1:
            print(f"{one.rule}, {one.training}: a validation costs {one.validation:.1f} plain steps more")
    if arguments.write:
        with_table(PAGE, markdown(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
