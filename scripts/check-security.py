#!/usr/bin/env python3
"""Checks that each claim of docs/SECURITY.md names the tests that prove it, and that these tests exist.

Each table row ends with a cell of test names. Each section names a test, except the one about undefended cases.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SOURCES = ["crates/**/*.rs", "services/**/*.rs", "tools/**/*.rs", "tests/**/*.rs", "web/tests/*.ts", "web/src/**/*.test.ts", "k8s/tests/*.py"]
TEST = re.compile(r"""(?:\bfn |\bdef |^test\(")([^"(]+)["(]""", re.MULTILINE)
NAME = re.compile(r"`([^`]+)`")
UNDEFENDED = "What is not defended yet"


def main() -> None:
    tests = {name for pattern in SOURCES for path in ROOT.glob(pattern) for name in TEST.findall(path.read_text())}
    text = (ROOT / "docs/SECURITY.md").read_text()
    faults = []
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        title, _, body = section.partition("\n")
        if title != UNDEFENDED and not tests.intersection(NAME.findall(body)):
            faults.append(f"no test holds the section {title!r}")
        rows = [line for line in body.splitlines() if line.startswith("| ")]
        for row in rows[1:]:
            threat, *_, last = row.strip("| ").split(" | ")
            names = NAME.findall(last)
            missing = [name for name in names if name not in tests]
            if not names or missing or NAME.sub("", last).strip(", "):
                faults.append(f"{threat}: {'there is no test ' + ', '.join(missing) if missing else 'names no test'}")
    if faults:
        sys.exit("docs/SECURITY.md:\n  " + "\n  ".join(faults))


if __name__ == "__main__":
    main()
