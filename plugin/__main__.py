"""The command `rebloom`: each is a thin door that reads the settings, opens what it needs and calls one thing."""

from __future__ import annotations

import sys
from typing import NoReturn

from plugin.commands.cli import app
from plugin.errors import RebloomError


def main() -> None:
    """Run a command; a refusal is one message on stderr and exit status 1, never a stack trace."""
    try:
        app()
    except RebloomError as error:
        _end(str(error))
    except Exception as error:
        from plugin.ledger.trouble import come_again

        if come_again(error) is None:
            raise
        why = type(error).__name__  # not its text: that may hold a row
        _end(f"The database is away or in trouble ({why}); see that REBLOOM_DATABASE_URL is right, then run it again.")


def _end(message: str) -> NoReturn:
    sys.stderr.write(f"rebloom: {message}\n")
    raise SystemExit(1) from None


if __name__ == "__main__":
    main()
