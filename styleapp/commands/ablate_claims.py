"""``styleapp ablate claims``: the papers' claims beside our figures."""

import argparse

from styleapp.commands.console import print_json, write_text

DESCRIPTION = """Write the page that sets the papers' claims beside what grids and probes measured.

The figures are read from the tables that `styleapp ablate train --collect` and `styleapp probe … --csv` wrote."""

EXAMPLES = """  styleapp ablate claims
  styleapp ablate claims --results runs/results -o claims.md
  styleapp ablate claims --json

exit status: 0 fine, 2 bad input"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--results", metavar="FOLDER", help="where the tables are (default: checkpoints/ablation)")
    parser.add_argument(
        "-o", "--output", default="docs/ablations.md", metavar="FILE", help="the page (default: docs/ablations.md)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document and write no page")


def run(arguments: argparse.Namespace) -> int:
    from styleapp.lab.claims_page import claims_page, findings

    if arguments.json:
        rows = [
            {
                "system": claim.system,
                "claim": claim.claim,
                "experiment": claim.experiment,
                "measured": finding.measured,
                "verdict": finding.verdict,
                "command": claim.command,
            }
            for claim, finding in findings(arguments.results)
        ]
        print_json({"claims": rows})
        return 0
    write_text(arguments.output, claims_page(arguments.results))
    verdicts = [finding.verdict for _, finding in findings(arguments.results)]
    counts = ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in dict.fromkeys(verdicts))
    print(f"{arguments.output}: {len(verdicts)} claims, {counts}")
    return 0
