"""Encryption at rest: access tokens and personal fields, authenticated, with rotating keys (newest first)."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from plugin.errors import EncryptionError
from plugin.settings import Secret, Settings


class Vault:
    """Seals with the newest key, opens with any of them."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._newest = Fernet(_fernet_key(keys[0]))
        self._fernet = MultiFernet([Fernet(_fernet_key(key)) for key in keys])

    def seal(self, text: str) -> str:
        return self._fernet.encrypt(text.encode()).decode("ascii")

    def is_newest(self, sealed: str) -> bool:
        """Whether the newest key alone opens it."""
        try:
            self._newest.decrypt(sealed.encode("ascii"))
        except (InvalidToken, UnicodeError):
            return False
        return True

    def open(self, sealed: str) -> str:
        """Raises EncryptionError when no configured key fits or the text was tampered with."""
        try:
            return self._fernet.decrypt(sealed.encode("ascii")).decode()
        except (InvalidToken, UnicodeError):
            raise EncryptionError(
                "A stored secret cannot be read with REBLOOM_ENCRYPTION_KEYS. Put back the key it was written with "
                "(after the newest key, separated by a comma)."
            ) from None


def open_vault(settings: Settings) -> Vault:
    """The vault of this installation; on the embedded database a missing key is generated once, beside the file."""
    return Vault(settings.encryption_keys or (_key_beside(settings.sqlite_path),))


def _key_beside(database: Path) -> Secret:
    path = database.with_name(database.name + ".key")
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return Secret(path.read_text(encoding="ascii").strip())
    with os.fdopen(descriptor, "wb") as file:
        file.write(Fernet.generate_key() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    return Secret(path.read_text(encoding="ascii").strip())


def _fernet_key(key: str) -> bytes:
    """A Fernet key as it is; any other text of enough characters is stretched to one."""
    try:
        if len(base64.urlsafe_b64decode(key.encode("ascii"))) == hashlib.sha256().digest_size:
            return key.encode("ascii")
    except ValueError:
        pass
    return base64.urlsafe_b64encode(hashlib.sha256(b"rebloom:" + key.encode()).digest())
