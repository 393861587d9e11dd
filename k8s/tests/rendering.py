"""Renders every overlay with every combination of the components, in a copy that has secrets."""

import itertools
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml

from model import ROOT, Variant

# The loader in C, if PyYAML was built with it, is ten times as fast.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
KUBECTL = os.environ.get("KUBECTL", "kubectl")

# In the order in which an overlay lists them. Each entry is one choice: a component with its companions.
COMPONENTS = {
    "network-policies": {
        "minikube": ["../../components/network-policies", "../../backing/network-policies"],
        "production": ["../../components/network-policies", "network-policies"],
    },
    "gateway-api": ["../../components/gateway-api"],
    "tls": ["../../components/tls"],
    "keda": ["../../components/keda"],
    "monitoring": ["../../components/monitoring"],
}

# Addresses and passwords in place of the operator's own.
STORES = {
    "MYSQL_URL": "mysql://mixdown:not-a-real-password@mysql.example.org/mixdown",
    "MONGODB_URL": "mongodb://mixdown:not-a-real-password@mongodb.example.org/?replicaSet=rs0&tls=true",
    "RABBITMQ_URL": "amqps://mixdown:not-a-real-password@rabbitmq.example.org",
    "SMTP_URL": "smtps://mixdown:not-a-real-password@smtp.example.org",
}


def copied(folder):
    """Copies the manifests into an empty folder and adds secrets."""
    k8s = Path(folder) / "k8s"
    # A test must not read the operator's own secrets.
    shutil.copytree(ROOT / "k8s", k8s, ignore=shutil.ignore_patterns("secrets", "tests"))
    for overlay in overlays(k8s):
        environment = {**os.environ, **STORES, "K8S": str(k8s)}
        command = [ROOT / "scripts/secrets.sh", overlay.name]
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    return k8s


def overlays(k8s):
    return sorted(path for path in (k8s / "overlays").iterdir() if "-with-" not in path.name)


def render_all(folder):
    """Each overlay as it is, and with every combination of the components instead of its own."""
    work = []
    for overlay in overlays(copied(folder)):
        work.append((overlay.name, overlay))
        for count in range(len(COMPONENTS) + 1):
            work += [with_components(overlay, chosen) for chosen in itertools.combinations(COMPONENTS, count)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(lambda item: Variant(item[0], kustomize(item[1])), work))


def render_whole(folder):
    """The overlays with all components: every object, except those that components remove."""
    work = [with_components(overlay, COMPONENTS) for overlay in overlays(copied(folder))]
    return {folder.name.partition("-")[0]: Variant(name, kustomize(folder)) for name, folder in work}


def with_components(overlay, chosen):
    """The name and the folder of a copy of the overlay that lists these components."""
    copy = overlay.with_name("-".join([overlay.name, "with", *chosen]))
    shutil.copytree(overlay, copy)
    kustomization = yaml.safe_load((overlay / "kustomization.yaml").read_text())
    paths = [COMPONENTS[c][overlay.name] if isinstance(COMPONENTS[c], dict) else COMPONENTS[c] for c in chosen]
    kustomization["components"] = list(itertools.chain.from_iterable(paths))
    (copy / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    return f"{overlay.name} with {', '.join(chosen) or 'no component'}", copy


def kustomize(folder):
    done = subprocess.run([KUBECTL, "kustomize", folder], capture_output=True, text=True)
    if done.returncode != 0 or done.stderr:
        raise SystemExit(f"kubectl kustomize {folder.name}:\n{done.stderr}")
    return [o for o in yaml.load_all(done.stdout, LOADER) if o]
