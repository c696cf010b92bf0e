"""The web page: ``python serve.py``, then open http://127.0.0.1:7860 in a browser."""

import argparse
import sys

from styleapp.web.app import HOST, PORT, launch


def main(args: list[str] | None = None) -> int:
    """Parses the command line, builds the page and serves it until Ctrl+C."""
    parser = argparse.ArgumentParser(description="Serves the StyleApp web page.")
    parser.add_argument("--host", default=HOST, help="address to listen at; 0.0.0.0 opens the page to the network")
    parser.add_argument("--port", type=int, default=PORT, help="port to listen at (default: %(default)s)")
    parser.add_argument("--checkpoint", default="adain", help="name or file of the network (default: %(default)s)")
    parser.add_argument("--named", default="multistyle", help="the same for named styles (default: %(default)s)")
    parser.add_argument("--multi-user", action="store_true", help="keep each visitor's own styles apart")
    options = parser.parse_args(args)
    try:
        launch(options.host, options.port, options.checkpoint, named=options.named, multi_user=options.multi_user)
    except (OSError, OverflowError) as error:
        print(f"serve.py: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
