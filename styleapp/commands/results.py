"""How commands that make many files tell what became of each."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from styleapp.commands import console
from styleapp.commands.console import Advance, print_json, print_notes, progress

if TYPE_CHECKING:
    from styleapp.pipelines.mask_batch import Result

__all__ = ["collected_warnings", "joined", "tell_results"]

SHOWN_PROBLEMS = 3


def tell_results(
    run: Callable[[Advance], Iterable["Result"]],
    *,
    total: int,
    kept: int = 0,
    kind: str,
    problems: Sequence[str] = (),
    head: dict[str, Any] | None = None,
) -> int:
    """Runs jobs, says each result on standard output and each problem at the end on standard error.

    Args:
        run: gives one result after the other, and tells what it is called with how far it has got.
        total: number of jobs.
        kept: results that were there already.
        kind: what results are called, e.g. ``masks``.
        problems: that were found before.
        head: entries of a JSON document, which is then printed in the place of lines.

    Returns:
        The exit status: 0, or 1 if some results could not be made.

    Raises:
        ValueError: nothing could be made.
    """
    results: list[Result] = []
    started = time.perf_counter()
    with progress(total, kind) as advance:
        for result in run(advance):
            results.append(result)
            if result.facts is not None and head is None:
                _say(result, time.perf_counter() - started > console.PATIENCE)
    problems = [*problems, *(result.problem for result in results if result.problem is not None)]
    made = sum(result.facts is not None for result in results)
    if problems and made + kept == 0:
        raise ValueError(joined(problems))
    if head is not None:
        records = [_record(result) for result in results if result.facts is not None]
        print_json({**head, kind: records, "kept": kept, "problems": list(dict.fromkeys(problems))})
    if kept:
        print_notes([f"{kept} {kind} were there already and are left as they are"])
    if problems:
        stopped = f"; {total - len(results)} were not tried after that" if len(results) < total else ""
        print_notes([*problems, f"{made} of {total} {kind} were made{stopped}"])
    return 1 if problems else 0


def joined(problems: Sequence[str]) -> str:
    """The first problems in one line, each once."""
    different = list(dict.fromkeys(problems))
    more = f"; and {len(different) - SHOWN_PROBLEMS} more" if len(different) > SHOWN_PROBLEMS else ""
    return "; ".join(different[:SHOWN_PROBLEMS]) + more


@contextmanager
def collected_warnings() -> Iterator[list[str]]:
    """What the package warns of meanwhile, to be told when the progress bar has gone."""
    messages: list[str] = []
    handler = _Collector(messages)
    logger = logging.getLogger("styleapp")
    logger.addHandler(handler)
    try:
        yield messages
    finally:
        logger.removeHandler(handler)


class _Collector(logging.Handler):
    def __init__(self, messages: list[str]) -> None:
        super().__init__(logging.WARNING)
        self.messages = messages

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


def _say(result: "Result", beside_bar: bool) -> None:
    from tqdm import tqdm

    say = tqdm.write if beside_bar else print  # the former would show a bar that is not there yet
    facts = result.facts or {}
    width, height = facts["size"]
    labelled = f"{facts['labelled']:.0%} labelled  " if "labelled" in facts else ""
    say(f"{result.job.output}  {width}×{height}  {labelled}{result.seconds:.2f} s")


def _record(result: "Result") -> dict[str, Any]:
    job = result.job
    facts = result.facts or {}
    source = {} if "layout" in facts else {"input": str(job.photo)}
    return {**source, "output": str(job.output), "seconds": round(result.seconds, 3), **facts}
