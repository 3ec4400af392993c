"""Before the tests: what this machine lacks for them. Chromium comes from Debian's packages, so only as root there."""

import os
import shutil
import subprocess
import sys
from pathlib import Path


def main() -> int:
    if Path("/usr/bin/chromium").exists():
        return 0
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        sys.stderr.write("The browser tests need Chromium at /usr/bin/chromium: install the package `chromium`.\n")
        return 1
    sys.stdout.write("Installing Chromium from Debian's packages …\n")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"],
    ):
        done = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False)
        if done.returncode:
            return done.returncode
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
