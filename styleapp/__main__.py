"""``python -m styleapp`` is the ``styleapp`` command."""

import sys

from styleapp.cli import main

sys.exit(main())
