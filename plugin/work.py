"""Where a shop's half-downloaded files stand between two runs of a job."""

from __future__ import annotations

import tempfile
from pathlib import Path

from plugin.settings import Settings


def work_folder(settings: Settings, domain: str) -> Path:
    """A folder of this shop's own: beside the embedded database, else in the machine's temporary folder, readable
    by nobody else, since bulk files hold personal data."""
    if settings.on_sqlite:
        base = settings.sqlite_path.resolve()
        folder = base.with_name(base.name + "-work") / domain
    else:
        folder = Path(tempfile.gettempdir()) / "rebloom-work" / domain
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.parent.chmod(0o700)
    return folder
