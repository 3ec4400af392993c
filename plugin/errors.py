"""The one error tree. Every message names the thing, the value and the next step; none holds a secret."""

from __future__ import annotations


class RebloomError(Exception):
    """Anything Rebloom refuses or fails at. `code` is stable and may be shown to callers."""

    code = "INTERNAL"


class SettingsError(RebloomError):
    """One or more settings are wrong; all faults are in the message."""

    code = "SETTINGS"


class BadRequestError(RebloomError):
    """The caller sent something that can never work (HTTP 400)."""

    code = "BAD_REQUEST"


class UnauthenticatedError(RebloomError):
    """No valid credential (HTTP 401)."""

    code = "UNAUTHENTICATED"


class ForbiddenError(RebloomError):
    """A valid credential without the right (HTTP 403)."""

    code = "ACCESS_DENIED"


class TooManyRequestsError(RebloomError):
    """Asked more often than allowed (HTTP 429); `after` seconds it may be asked again."""

    code = "TOO_MANY_REQUESTS"

    def __init__(self, what: str, after: float) -> None:
        super().__init__(f"Too many requests with this {what}; try again in {after:.0f} s.")
        self.after = after


class NotFoundError(RebloomError):
    """Nothing by that name in this shop."""

    code = "NOT_FOUND"


class UnavailableError(RebloomError):
    """Our own trouble, passing: try again later (HTTP 503 with Retry-After)."""

    code = "UNAVAILABLE"


class TooSlowError(RebloomError):
    """A listener did not take what it was told."""

    code = "TOO_SLOW"


class EncryptionError(RebloomError):
    """A stored secret cannot be read with the configured keys."""

    code = "ENCRYPTION"


class ShopError(RebloomError):
    """The shop answered, or failed to answer, in a way that stops this piece of work."""

    code = "SHOP"


class ShopUnavailableError(ShopError):
    """The shop is down, or throttles longer than the budget: the job tries again later."""

    code = "SHOP_UNAVAILABLE"


class BulkFailedError(ShopUnavailableError):
    """The shop ended a bulk operation before it was through: what it did is known, the rest is asked for again."""


class ShopAccessError(ShopError):
    """Token revoked or expired beyond refresh, scope missing, shop frozen or gone: trying again does not help."""

    code = "SHOP_ACCESS"


class BulkDeniedError(ShopAccessError):
    """A bulk operation ran without a scope that it needs: what it did is known, the rest waits for the scope."""


class ShopRefusedError(ShopError):
    """The shop understood and said no (`userErrors`, a bad document)."""

    code = "SHOP_REFUSED"


class BadStatementError(RebloomError):
    """Something the shop stated cannot be read: a broken JSONL line, a missing id, a value out of bounds."""

    code = "BAD_STATEMENT"
