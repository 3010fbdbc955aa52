"""The command line: one module for each command, each a thin skin over a call of the library."""

from __future__ import annotations


def main() -> None:
    """Run ``mmsearch`` with the arguments of this process."""
    from mmsearch.cli.app import app

    app()
