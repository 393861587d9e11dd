#!/usr/bin/env python3
"""Checks docker/compose.yaml without a Docker engine: no duplicate key, no unknown setting, no missing
required setting, no missing secret file. Needs the packages that scripts/check-k8s.sh installs."""

import pathlib
import re
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "k8s/tests"))
from rules_settings import unfitting  # noqa: E402


class Strict(yaml.SafeLoader):
    """Docker refuses a duplicate key; YAML readers take the last one."""

    def construct_mapping(self, node, deep=False):
        keys = [key.value for key, _ in node.value if key.value != "<<"]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"{key} is there twice", node.start_mark)
        return super().construct_mapping(node, deep)


def violations(compose):
    for name, container in compose["services"].items():
        service = re.match(r"mixdown/(\w+):", container["image"])
        if not service:
            continue
        environment = container["environment"]
        subcommand = container.get("command", ["serve"])[0]
        for fault in unfitting(service[1], subcommand, environment):
            yield f"{name} {fault}"
        for setting, path in environment.items():
            secret = str(path).removeprefix("/run/secrets/")
            if setting.endswith("_FILE") and secret not in container["secrets"]:
                yield f"{name} sets {setting}, whose secret {secret} it does not have"


def main():
    try:
        compose = yaml.load((ROOT / "docker/compose.yaml").read_text(), Strict)
    except yaml.YAMLError as error:
        sys.exit(f"check-compose: {error}")
    found = list(violations(compose))
    for violation in found:
        print(f"check-compose: {violation}", file=sys.stderr)
    if not found:
        print(f"check-compose: {len(compose['services'])} services, as they should be")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
