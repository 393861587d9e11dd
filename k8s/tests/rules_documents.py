"""Rules for the parts of docs/OPERATIONS.md that operators copy by hand: they must match the manifests."""

import re

from model import ROOT
from rules_wiring import CLIENTS

STORES = {"MySQL": "mysql", "MongoDB": "mongodb", "RabbitMQ": "rabbitmq", "mail server": "mailpit"}


def document_violations(variants):
    text = (ROOT / "docs/OPERATIONS.md").read_text()
    yield from secret_violations(text, variants)
    yield from flow_violations(text)


def secret_violations(text, variants):
    """The list for operators who create the Secrets themselves."""
    told = {
        name: set(re.findall(r"`([a-z-]+)`", keys))
        for name, keys in re.findall(r"`([a-z]+-secrets)`\s\(((?:`[a-z-]+`,?\s?)+)\)", text)
    }
    made = {}
    for secret in (s for v in variants if v.is_production for s in v.of_kind("Secret")):
        # Kustomize appends a hash.
        made[secret["metadata"]["name"].rpartition("-")[0]] = set(secret["data"])
    if not made:
        yield "no variant for production has a Secret"
    for name in sorted(told.keys() | made.keys()):
        if told.get(name) != made.get(name):
            yield f"OPERATIONS.md says that {name} has {told.get(name)}, and it has {made.get(name)}"


def flow_violations(text):
    """The rows about stores in the table of network flows."""
    table = text.partition("### Network flows")[2].partition("\n\n|")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()]
    told = {STORES[to]: set(froms.split(", ")) for froms, to, _ in (r for r in rows if len(r) == 3) if to in STORES}
    for store, services in CLIENTS.items():
        if told.get(store) != set(services):
            yield f"OPERATIONS.md says that {told.get(store)} need {store}, and {set(services)} do"
