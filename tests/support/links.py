"""Dead links: every relative link and every `path` of the documents leads to a file of the project."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r"\]\((?!https?://|#|mailto:)([^)#\s]+)(?:#[^)\s]*)?\)")
NAMED = re.compile(r"`((?:plugin|graphql_schema|integrations|tests|deploy)/[\w./-]+\.\w+)`")


def dead_links() -> list[str]:
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    dead = []
    for name in listed.split():
        document = ROOT / name
        text = document.read_text(encoding="utf-8")
        dead += [f"{name}: {link}" for link in LINK.findall(text) if not (document.parent / link).exists()]
        dead += [f"{name}: {path}" for path in NAMED.findall(text) if not (ROOT / path).exists()]
    return dead


if __name__ == "__main__":
    found = dead_links()
    sys.stdout.write("".join(f"dead link in {line}\n" for line in found))
    raise SystemExit(bool(found))
