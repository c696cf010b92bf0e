"""``styleapp serve``: the web page."""

import argparse

DESCRIPTION = "Open the web page on this machine, until Ctrl-C."

EXAMPLES = """  styleapp serve
  styleapp serve --port 8000
  styleapp serve --host 0.0.0.0        reachable from other machines: there is no password
  styleapp serve --host 0.0.0.0 --multi-user    and nobody sees what others have taught it

exit status: 130 ended with Ctrl-C, 2 bad input, such as a port that is in use"""

INTERRUPTED = 130


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=port, default=7860, help="port to listen on (default: %(default)s)")
    parser.add_argument(
        "--checkpoint",
        default="adain",
        metavar="NAME",
        help="of the tab Stylize: a name of `styleapp checkpoints`, or a file (default: adain)",
    )
    parser.add_argument(
        "--named",
        default="multistyle",
        metavar="NAME",
        help="of the tab Styles: the same, of a network with named styles (default: multistyle)",
    )
    parser.add_argument(
        "--multi-user",
        action="store_true",
        help="keep each visitor's own styles apart, and for some hours only (default: all share yours)",
    )


def port(text: str) -> int:
    """A port number."""
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"must be between 1 and 65535, got {text!r}")
    return int(text)


def run(arguments: argparse.Namespace) -> int:
    from styleapp.web.app import launch

    try:
        launch(
            arguments.host,
            arguments.port,
            arguments.checkpoint,
            named=arguments.named,
            multi_user=arguments.multi_user,
        )
    except OSError as error:
        place = f"{arguments.host}:{arguments.port}"
        raise ValueError(f"{place} is in use, or no address of this machine; see --port and --host") from error
    return INTERRUPTED  # a server ends with Ctrl-C and in no other way
