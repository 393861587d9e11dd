#!/usr/bin/env python3
"""Writes the tables of settings in docs/OPERATIONS.md from the services' `--help`.

With --check it writes nothing, and fails if the tables differ from the help.
"""

import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "OPERATIONS.md"
BINARIES = ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "release"
SERVICES = ["gateway", "auth", "converter", "notification"]
BEGIN, END = "<!-- settings: written by scripts/settings.py -->", "<!-- /settings -->"


def main() -> int:
    services = {service: settings_of(service) for service in SERVICES}
    common = [row for row in services["gateway"] if all(row in rows for rows in services.values())]
    tables = [table("Every service", common)]
    tables += [table(service, [row for row in rows if row not in common]) for service, rows in services.items()]

    text = DOCUMENT.read_text()
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    written = f"{before}{BEGIN}\n\n{''.join(tables)}{END}{after}"
    if written == text:
        return 0
    if "--check" in sys.argv[1:]:
        print(f"{DOCUMENT.relative_to(ROOT)}: the settings are not what `--help` says; run `make settings`", file=sys.stderr)
        return 1
    DOCUMENT.write_text(written)
    return 0


def settings_of(service: str) -> list[tuple[str, str, str]]:
    """Name, description and default of each setting, in the order of the help."""
    # With an empty environment, because the help shows the values of variables that are set.
    answer = subprocess.run([BINARIES / service, "serve", "--help"], env={}, check=True, capture_output=True, text=True)
    usage = re.search(r"^Usage: .*$", answer.stdout, re.MULTILINE)[0]
    rows = []
    # An option's name is indented by two or six columns, its description further.
    for option in re.split(r"\n(?= {2,6}-\S)", answer.stdout)[1:]:
        variable = re.search(r"\[env: (\w+)", option)
        if not variable:
            continue
        name, description = (line.strip() for line in option.splitlines()[:2])
        values = re.findall(r"^ +- (\w+): ", option, re.MULTILINE)
        if values:
            description += ": " + " or ".join(f"`{value}`" for value in values)
        default = re.search(r"\[default: (.*)\]", option)
        # The usage line contains the required options.
        is_required = f"{name.split()[0]} " in usage
        rows.append((f"`{variable[1]}`", description.replace("|", "\\|"), shown(default, is_required)))
    return rows


def shown(default: re.Match | None, is_required: bool) -> str:
    if is_required:
        return "**required**"
    if default is None:
        return "none"
    return "empty" if default[1] == '""' else f"`{default[1]}`"


def table(heading: str, rows: list[tuple[str, str, str]]) -> str:
    lines = [f"### {heading}", "", "| setting | what it is | default |", "|---|---|---|"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(lines) + "\n\n"


if __name__ == "__main__":
    sys.exit(main())
