"""Rules for the services' settings, shutdown and scaling."""

import re
from urllib.parse import urlsplit

from model import SERVICES, container_ports, containers, pod, quantity, seconds, settings, title

SECRETS = {"MYSQL_URL", "MONGODB_URL", "RABBITMQ_URL", "SMTP_URL", "LINK_KEY", "KEY_ENCRYPTION_KEY"}
# Seconds after the drain: the converter gives its jobs back, then the runtime shuts down. Each may take 5 s.
TIME_TO_END = 15
# 2 GiB for the largest upload, and 12 h of MP3 at 320 kbit/s.
SCRATCH_PER_SLOT = 2 * 2**30 + 12 * 3600 * 320_000 / 8
SUBCOMMANDS = {"serve": None, "migrate": {"MYSQL_URL"}}


def ours(variant):
    """The containers of our images: their workload, service, subcommand and environment."""
    for workload in variant.workloads:
        for container in containers(workload):
            service = re.search(r"mixdown/(\w+)[:@]", container["image"])
            if service:
                environment = variant.container_environment(container)
                yield workload, container, service[1], container["args"][0], environment


def known_names(variant):
    for workload, _, service, subcommand, environment in ours(variant):
        for fault in unfitting(service, subcommand, environment):
            yield f"{title(workload)} {fault}"


def unfitting(service, subcommand, environment):
    """The wrong setting names of one of our containers. check-compose.py applies this to compose.yaml too."""
    table = settings()[service]
    known = SUBCOMMANDS[subcommand] or set(table)
    required = SUBCOMMANDS[subcommand] or {name for name, default in table.items() if default == "**required**"}
    given = {name.removesuffix("_FILE") for name in environment}
    for name in sorted(given - known):
        yield f"sets {name}, which {service} {subcommand} does not know"
    for name in sorted(required - given):
        yield f"does not set {name}, which {service} {subcommand} needs"


def secrets_in_files(variant):
    for workload, container, _, _, environment in ours(variant):
        for name in sorted(SECRETS & environment.keys()):
            yield f"{title(workload)} has {name} in its environment instead of a file"
        for name, path in environment.items():
            if name.endswith("_FILE") and path not in files(variant, workload, container):
                yield f"{title(workload)}: {name} is {path}, where no secret is mounted"
    for workload in variant.workloads:
        for container in containers(workload):
            sources = container.get("env", []) + container.get("envFrom", [])
            if any("secretKeyRef" in s.get("valueFrom", {}) or "secretRef" in s for s in sources):
                yield f"{title(workload)} has a secret in its environment"


def files(variant, workload, container):
    """The paths of the secrets' files in a container."""
    volumes = {v["name"]: v["secret"] for v in pod(workload).get("volumes", []) if "secret" in v}
    for mount in container.get("volumeMounts", []):
        volume = volumes.get(mount["name"])
        secret = volume and variant.find("Secret", volume["secretName"])
        keys = (secret or {}).get("data", {})
        names = [i["path"] for i in volume["items"] if i["key"] in keys] if volume and "items" in volume else keys
        yield from (f"{mount['mountPath']}/{name}" for name in names)


def no_plain_secrets(variant):
    values = list(variant.secret_values)
    for o in variant.objects:
        text = "" if o["kind"] == "Secret" else repr(o)
        if any(value in text for value in values):
            yield f"{title(o)} repeats what a Secret holds"
        if re.search(r"://[^/@\s']+:[^/@\s']+@", text):
            yield f"{title(o)} has a password in a URL"


def listening(variant):
    """The addresses in the settings match the ports and Services."""
    for workload, _, service, subcommand, environment in ours(variant):
        if subcommand != "serve":
            continue
        ports = container_ports(workload)
        for setting, port in (("ADMIN_LISTEN", "admin"), ("LISTEN", "http")):
            if setting in settings()[service] and environment.get(setting) != f"0.0.0.0:{ports.get(port)}":
                yield f"{title(workload)}: {setting} is {environment.get(setting)}, the port {port} {ports.get(port)}"
        if "AUTH_URL" in environment:
            url = urlsplit(environment["AUTH_URL"])
            auth = variant.find("Service", url.hostname)
            if auth is None or url.port not in [p["port"] for p in auth["spec"]["ports"]]:
                yield f"{title(workload)}: AUTH_URL leads to no Service"


def ending(variant):
    for workload, container, service, subcommand, environment in ours(variant):
        if subcommand != "serve":
            continue
        drain = seconds(environment.get("DRAIN_TIMEOUT") or settings()[service]["DRAIN_TIMEOUT"])
        before = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        if pod(workload).get("terminationGracePeriodSeconds", 30) < before + drain + TIME_TO_END:
            yield f"{title(workload)} is killed before its drain of {drain:.0f} s is over"
        if "http" in container_ports(workload) and before < 5:
            yield f"{title(workload)} leaves before those who send it requests know"
        update = workload["spec"].get("strategy", {}).get("rollingUpdate", {})
        if update.get("maxUnavailable") != 0:
            yield f"{title(workload)} may have fewer pods while it is updated"


def converting(variant):
    for workload, _, service, _, environment in ours(variant):
        if service != "converter":
            continue
        longest = seconds(environment.get("MAX_CONVERSION_TIME") or settings()[service]["MAX_CONVERSION_TIME"])
        if variant.is_production and seconds(environment["DRAIN_TIMEOUT"]) < longest:
            yield f"{title(workload)} does not finish its longest job when it is scaled down"
        scratch = [v["emptyDir"].get("sizeLimit", 0) for v in pod(workload)["volumes"] if v["name"] == "scratch"]
        if not scratch or quantity(scratch[0]) < int(environment.get("SLOTS", 0)) * SCRATCH_PER_SLOT:
            yield f"{title(workload)}: the scratch volume does not hold the files of {environment.get('SLOTS')} slots"
        for config in variant.of_kind("ConfigMap"):
            limit = re.search(
                r"^consumer_timeout = (\d+)$", config.get("data", {}).get("10-mixdown.conf", ""), re.MULTILINE
            )
            if "10-mixdown.conf" in config.get("data", {}) and (not limit or int(limit[1]) <= 1000 * longest):
                yield f"{title(config)}: RabbitMQ takes a message away before the longest conversion ends"


def scaling(variant):
    """Each workload has at most one autoscaler, which alone sets the number of pods, and a disruption budget."""
    targets = [s["spec"]["scaleTargetRef"]["name"] for s in variant.of_kind("HorizontalPodAutoscaler", "ScaledObject")]
    for name in sorted(set(targets)):
        if variant.find("Deployment", name) is None:
            yield f"an autoscaler is for {name}, which is no Deployment"
        if targets.count(name) > 1:
            yield f"{name} has {targets.count(name)} autoscalers"
    for deployment in variant.deployments:
        name = deployment["metadata"]["name"]
        if variant.is_production and name not in targets:
            yield f"{name} has no autoscaler"
        if name in targets and "replicas" in deployment["spec"]:
            yield f"{name} has a number of pods that its autoscaler would be overruled by"
        budgets = [
            b
            for b in variant.of_kind("PodDisruptionBudget")
            if deployment in variant.pods_matching(b["spec"]["selector"])
        ]
        if len(budgets) != 1:
            yield f"{name} has {len(budgets)} disruption budgets"
    for budget in variant.of_kind("PodDisruptionBudget"):
        if len(variant.pods_matching(budget["spec"]["selector"])) != 1:
            yield f"{title(budget)} is not for one workload"
        if budget["spec"].get("minAvailable") or budget["spec"].get("maxUnavailable") == 0:
            yield f"{title(budget)} could keep a node from ever being drained"


def every_service_is_there(variant):
    missing = set(SERVICES) - {d["metadata"]["name"] for d in variant.deployments}
    if missing:
        yield f"there is no Deployment of {sorted(missing)}"
    if "migrate" not in [subcommand for _, _, _, subcommand, _ in ours(variant)]:
        yield "no Job migrates the accounts"


RULES = (
    known_names,
    secrets_in_files,
    no_plain_secrets,
    listening,
    ending,
    converting,
    scaling,
    every_service_is_there,
)
