"""The command line: one module for each command, each reads arguments, makes a public call, prints the result."""

from __future__ import annotations

import gc
import sys

_OBJECTS_PER_COLLECTION = 20_000
"""Imports make many objects and leave no garbage: to look for it takes 4 % of a query that a server answers."""


def main() -> None:
    """Run ``mmsearch`` with ``sys.argv``."""
    gc.set_threshold(_OBJECTS_PER_COLLECTION)
    from mmsearch.cli.output import describe_os_error, final_exit_code, prepare_streams, say
    from mmsearch.cli.stopping import keep_interruptions

    prepare_streams()
    keep_interruptions()
    from mmsearch.cli.app import app
    from mmsearch.cli.completers import COMPLETE_VARIABLE

    try:
        app(complete_var=COMPLETE_VARIABLE)
    except SystemExit as end:
        sys.exit(final_exit_code(end.code))
    except OSError as error:  # while click itself prints: help, or a usage error
        say(f"mmsearch: {describe_os_error(error)}")
        sys.exit(final_exit_code(1))
    finally:
        gc.freeze()  # Python looks through all objects twice at its end: a sixth of a query from a fresh process
