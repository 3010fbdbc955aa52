"""The command line: one module for each command, each a thin skin over a call of the library."""

from __future__ import annotations

import sys


def main() -> None:
    """Run ``mmsearch`` with the arguments of this process."""
    from mmsearch.cli.output import explained, finished, prepare_streams, say

    prepare_streams()
    from mmsearch.cli.app import app
    from mmsearch.cli.completers import COMPLETE_VARIABLE

    try:
        app(complete_var=COMPLETE_VARIABLE)
    except SystemExit as end:
        sys.exit(finished(end.code))
    except OSError as error:  # of what click prints itself: help, and words about a wrong call
        say(f"mmsearch: {explained(error)}")
        sys.exit(finished(1))
