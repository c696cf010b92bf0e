"""The ``styleapp`` command: one table of commands, errors as one line, nothing heavy imported before it is needed."""

import argparse
import importlib
import os
import sys
import warnings
from collections.abc import Sequence
from typing import NoReturn, Protocol, cast

__all__ = ["COMMANDS", "Command", "main"]

COMMANDS = {
    "stylize": "turn photos into paintings",
    "synthesize": "turn label maps into pictures",
    "segment": "turn photos into label maps",
    "add-style": "teach a network a new style from one picture",
    "styles": "list, show, remove, export and import named styles",
    "evaluate": "score a checkpoint over two folders",
    "benchmark": "seconds, memory and ratios on this machine",
    "check-data": "find the files that training would leave out",
    "export": "make a checkpoint file of a training run",
    "serve": "open the web page",
    "checkpoints": "list the checkpoints that are installed",
    "ablate": "exchange normalizations and see what changes",
    "norms": "list the normalization systems, or explain one",
    "probe": "measure what normalizations do to signals, gradients and statistics",
}
"""Name and one line of help; ``check-data`` is implemented by ``styleapp/commands/check_data.py``, and so on."""

BAD_INPUT = 2
INTERRUPTED = 130


class Command(Protocol):
    """What a module of :mod:`styleapp.commands` offers; it imports torch and the like only inside :meth:`run`."""

    DESCRIPTION: str
    EXAMPLES: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, arguments: argparse.Namespace) -> int:
        """Does the work and returns the exit status; bad input is a ``ValueError`` or ``OSError`` with a message."""
        ...


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        _complain(f"{message} (see `{self.prog} --help`)")
        raise SystemExit(BAD_INPUT)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        argv: the words after ``styleapp``; by default those of this process.

    Returns:
        The exit status: 0 fine, 1 a part of the input was left out, 2 bad input, 130 interrupted.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a file name that the terminal cannot show must not end the program
            stream.reconfigure(errors="backslashreplace")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # libraries warn about odd files; what matters is said in our own words
            status = _run(words)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # the reader of a pipe has gone, e.g. `styleapp checkpoints | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (ValueError, OSError) as error:
        return _complain(str(error))
    except (MemoryError, RuntimeError) as error:
        from styleapp.pipelines.hardware import is_out_of_memory

        if not is_out_of_memory(error):
            raise
        return _complain("not enough memory; smaller pictures need less (stylize --max-side, benchmark --sizes)")


def _run(words: list[str]) -> int:
    chosen = words[0] if words and words[0] in COMMANDS else None
    try:
        arguments = _parser(chosen).parse_args(words)
    except SystemExit as end:  # argparse has said what is wrong, or shown the help
        return int(end.code or 0)
    if chosen is None:
        return _complain(f"name a command: {', '.join(COMMANDS)}; `styleapp --help` explains them")
    return _command(chosen).run(arguments)


def _parser(chosen: str | None) -> Parser:
    """Only the chosen command is imported: the others are names in a list."""
    parser = Parser(
        prog="styleapp",
        usage="styleapp [-h] [--version] COMMAND …",
        description="Photos into paintings, from the command line.",
        epilog="`styleapp COMMAND --help` shows the options of a command, with examples.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_Version, help="show the version and exit")
    listed = "\n".join(f"{name:<14}{summary}" for name, summary in COMMANDS.items())
    commands = parser.add_subparsers(
        title="commands", description=listed, metavar="COMMAND", help=argparse.SUPPRESS, prog="styleapp"
    )
    for name in COMMANDS:
        if name != chosen:
            commands.add_parser(name)
            continue
        command = _command(name)
        own = commands.add_parser(
            name,
            description=command.DESCRIPTION,
            epilog=f"examples:\n{command.EXAMPLES}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        command.add_arguments(own)
    return parser


def _command(name: str) -> Command:
    return cast(Command, importlib.import_module(f"styleapp.commands.{name.replace('-', '_')}"))


class _Version(argparse.Action):
    """Looks the version up only when it is asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str | None = None) -> None:
        super().__init__(option_strings, dest=argparse.SUPPRESS, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"styleapp {version('styleapp')}")
        parser.exit()


def _complain(message: str) -> int:
    print(f"styleapp: error: {' '.join(message.split())}", file=sys.stderr)
    return BAD_INPUT


if __name__ == "__main__":
    sys.exit(main())
