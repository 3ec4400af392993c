"""The root of what the pure core raises when a rule of ours is broken."""

from __future__ import annotations


class DomainError(Exception):
    """A rule of the product was broken: nothing was changed, and the message says what to mend."""
