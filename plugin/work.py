"""Where a shop's half-downloaded files stand between two runs of a job."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from pathlib import Path

from plugin.errors import UnavailableError
from plugin.settings import Settings


def work_folder(settings: Settings, domain: str) -> Path:
    """A folder of this database's shop: beside the embedded database, else in the machine's temporary folder, where
    other databases may know a shop by the same name and other users may write. Readable by nobody else, since bulk
    files hold personal data: raises UnavailableError when somebody else has put something there before us."""
    if settings.on_sqlite:
        base = settings.sqlite_path.resolve()
        top = base.with_name(base.name + "-work")
    else:
        of_database = hashlib.sha256(settings.database_url.encode()).hexdigest()[:16]
        top = Path(tempfile.gettempdir()) / f"rebloom-{os.getuid()}-{of_database}"
    _own(top)
    folder = top / domain
    folder.mkdir(exist_ok=True, mode=0o700)
    return folder


def _own(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise UnavailableError(
            f"{folder} is for files with personal data, and somebody else made it: remove it, or set TMPDIR to a folder"
            " of Rebloom's own, and start again."
        )
    folder.chmod(0o700)
