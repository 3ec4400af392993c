"""The command `rebloom`: each is a thin door that reads the settings, opens what it needs and calls one thing."""

from __future__ import annotations

import sys

from plugin.commands.cli import app
from plugin.errors import RebloomError


def main() -> None:
    """Run a command; a refusal is one message on stderr and exit status 1, never a stack trace."""
    try:
        app()
    except RebloomError as error:
        sys.stderr.write(f"rebloom: {error}\n")
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
