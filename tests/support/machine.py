"""Before the tests: what this machine lacks for them. It comes from Debian's packages, so only as root there."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

_NEEDED = {
    "chromium": Path("/usr/bin/chromium"),
    "nginx-light": Path("/usr/sbin/nginx"),
    "strace": Path("/usr/bin/strace"),
    "faketime": Path("/usr/bin/faketime"),
}


def main() -> int:
    lacking = [package for package, program in _NEEDED.items() if not program.exists()]
    if not lacking:
        return 0
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        sys.stderr.write(f"The tests need the packages {' and '.join(lacking)}: install them.\n")
        return 1
    sys.stdout.write(f"Installing {' and '.join(lacking)} from Debian's packages …\n")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *lacking],
    ):
        done = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False)
        if done.returncode:
            return done.returncode
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
