"""The rendered objects of one variant of the manifests, and the questions that the rules ask about them."""

import base64
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("gateway", "auth", "converter", "notification")
WORKLOADS = ("Deployment", "StatefulSet", "Job")
NAME = "app.kubernetes.io/name"
CLUSTER_WIDE = ("Namespace",)


class Variant:
    """One rendering: its name, such as "production with keda", and its objects."""

    def __init__(self, name, objects):
        self.name = name
        self.objects = objects

    @property
    def is_production(self):
        return self.name.startswith("production")

    def of_kind(self, *kinds):
        return [o for o in self.objects if o["kind"] in kinds]

    def find(self, kind, name):
        return next((o for o in self.of_kind(kind) if o["metadata"]["name"] == name), None)

    @property
    def workloads(self):
        return self.of_kind(*WORKLOADS)

    @property
    def deployments(self):
        """The Deployments of our own services."""
        return [o for o in self.of_kind("Deployment") if o["metadata"]["name"] in SERVICES]

    def pods_matching(self, selector):
        """The workloads whose pods a label selector chooses. An empty selector chooses all."""
        return [w for w in self.workloads if matches(selector, pod_labels(w))]

    def container_environment(self, container):
        """The container's environment: names and values."""
        values = {}
        for source in container.get("envFrom", []):
            config = self.find("ConfigMap", source["configMapRef"]["name"]) if "configMapRef" in source else None
            values.update((config or {}).get("data", {}))
        values.update((e["name"], e.get("value", "")) for e in container.get("env", []))
        return values

    @property
    def secret_values(self):
        """Every line of a Secret that is long enough to be a secret."""
        for secret in self.of_kind("Secret"):
            for value in secret.get("data", {}).values():
                yield from (line for line in base64.b64decode(value).decode().split() if len(line) >= 16)


def title(o):
    return f"{o['kind']} {o['metadata']['name']}"


def pod(workload):
    return workload["spec"]["template"]["spec"]


def pod_labels(workload):
    return workload["spec"]["template"]["metadata"].get("labels", {})


def containers(workload):
    return pod(workload).get("initContainers", []) + pod(workload)["containers"]


def container_ports(workload):
    """The ports: names and numbers."""
    return {p["name"]: p["containerPort"] for c in containers(workload) for p in c.get("ports", [])}


def matches(selector, labels):
    selector = selector or {}
    if any(labels.get(k) != v for k, v in selector.get("matchLabels", {}).items()):
        return False
    for expression in selector.get("matchExpressions", []):
        value, operator = labels.get(expression["key"]), expression["operator"]
        if operator == "In" and value not in expression["values"]:
            return False
        if operator == "NotIn" and value in expression["values"]:
            return False
        if operator not in ("In", "NotIn"):
            raise ValueError(f"the operator {operator} is not known here")
    return True


UNITS = {"": 1, "m": 1e-3, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "k": 1e3, "M": 1e6, "G": 1e9}
SECONDS = {"ms": 1e-3, "s": 1, "m": 60, "h": 3600, "days": 86400}


def quantity(text):
    number, unit = re.fullmatch(r"([\d.]+)([A-Za-z]*)", str(text)).groups()
    return float(number) * UNITS[unit]


def seconds(text):
    """A duration in the settings' format, such as 30s or 1h 30m."""
    parts = re.findall(r"(\d+)\s*(ms|s|m|h|days)", text)
    return sum(int(number) * SECONDS[unit] for number, unit in parts)


@cache
def settings():
    """Each service's settings and their defaults, from the tables of docs/OPERATIONS.md."""
    tables, section = {}, None
    for line in (ROOT / "docs/OPERATIONS.md").read_text().splitlines():
        if line.startswith("#"):
            section = line.lstrip("# ")
        row = re.fullmatch(r"\| `([A-Z_]+)` \| .* \| (.*) \|", line)
        if row and section in (*SERVICES, "Every service"):
            tables.setdefault(section, {})[row[1]] = row[2].strip("`")
    return {service: {**tables["Every service"], **tables[service]} for service in SERVICES}


@cache
def version():
    """The version of the workspace."""
    return re.search(r'^version = "(.+)"', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)[1]
