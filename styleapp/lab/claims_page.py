"""``docs/ablations.md``: the table of claims, written from the results that there are."""

from collections.abc import Sequence
from pathlib import Path

from styleapp.lab.claims import Claim, Finding, Results
from styleapp.lab.claims_table import CLAIMS
from styleapp.lab.grid_results import results_folder

__all__ = ["claims_page", "findings"]

HEAD = """# What the papers claim, and what we measured

Written by `styleapp ablate claims` (`make ablations`) from the tables in `checkpoints/ablation/`; do not edit. They
come from `styleapp ablate train --grid … --collect` ([cluster.md](cluster.md)) and from `styleapp probe … --csv`.

Figures are means over seeds ± the deviation over them (n − 1). Lower is better, but for accuracies. The networks are
small and trained for minutes: what a paper found with ResNet-50 on ImageNet need not show here.

* **confirmed**: the difference is as claimed, and larger than both deviations together; where sameness is claimed, the
  figures differ by no more than a tenth, both deviations added; where a series shall rise or fall, it does so at every
  step with every seed.
* **not at this scale**: the deviations leave both possible, or a network has not learned enough to be compared.
* **contradicted**: it is the other way round, and larger than both deviations; or there is a difference, larger than a
  tenth and both deviations, where none should be.
* **open**: not measured yet, with fewer than two seeds, or it cannot be.

Where a claim compares cells of two grids, the command trains those that its own row adds; the others belong to
`configs/ablation/grids/first.yaml`.

How a cell is trained: `configs/ablation/` has the recipes; the cells of a grid have the same seeds. Networks of named
styles see the same samples. Scored is an average of the weights of their last steps, in half precision. Running
statistics are those of exactly these weights, collected anew from 16 training batches (`PreciseStatistics`; not where a
norm remembers batches itself): a batch norm does not pay for averages of older weights, and what is left is the
difference between training and evaluation that belongs to it. Networks of label maps have the same time instead, 400
steps, or 500 where the map goes in once, and are scored with the weights and statistics of the last step.

| system | the paper's claim | our experiment | measured | verdict | to repeat |
| --- | --- | --- | --- | --- | --- |
"""


def findings(folder: str | Path | None = None) -> list[tuple[Claim, Finding]]:
    """Every claim with what the tables in a folder say; see :func:`styleapp.lab.grid_results.results_folder`."""
    results = Results(results_folder() if folder is None else folder)
    return [(claim, claim.measure(results) or Finding("not measured yet", "open")) for claim in CLAIMS]


def claims_page(folder: str | Path | None = None) -> str:
    """The whole page, as Markdown."""
    return HEAD + "\n".join(_line(claim, finding) for claim, finding in findings(folder)) + "\n"


def _line(claim: Claim, finding: Finding) -> str:
    cells: Sequence[str] = (
        f"`{claim.system}`",
        claim.claim,
        claim.experiment,
        finding.measured,
        finding.verdict,
        f"`{claim.command}`",
    )
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
