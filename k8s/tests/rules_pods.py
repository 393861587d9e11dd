"""Rules for each single pod."""

from model import SERVICES, container_ports, containers, pod, pod_labels, quantity, title, version

# The volumes that the Pod Security profile "restricted" permits.
VOLUMES = {"configMap", "emptyDir", "projected", "secret", "downwardAPI", "csi", "ephemeral", "persistentVolumeClaim"}
RESOURCES = ("cpu", "memory", "ephemeral-storage")
# The production overlay has this until the operator writes the digests of the pushed images.
PLACEHOLDER_DIGEST = "sha256:" + 64 * "0"


def restricted(variant):
    for workload in variant.workloads:
        spec, context = pod(workload), pod(workload).get("securityContext", {})
        if context.get("runAsNonRoot") is not True or not context.get("runAsUser"):
            yield f"{title(workload)} may run as root"
        if context.get("seccompProfile", {}).get("type") != "RuntimeDefault":
            yield f"{title(workload)} has no seccomp profile"
        if any(spec.get(host) for host in ("hostNetwork", "hostPID", "hostIPC")):
            yield f"{title(workload)} shares a namespace of its node"
        for volume in spec.get("volumes", []):
            if not VOLUMES & volume.keys():
                yield f"{title(workload)}: volume {volume['name']} is of a type that is not admitted"
        for container in containers(workload):
            yield from restricted_container(f"{title(workload)}, container {container['name']}", container)


def restricted_container(name, container):
    context = container.get("securityContext", {})
    if context.get("allowPrivilegeEscalation") is not False or context.get("privileged"):
        yield f"{name} may gain privileges"
    if context.get("capabilities") != {"drop": ["ALL"]}:
        yield f"{name} keeps capabilities"
    if context.get("readOnlyRootFilesystem") is not True:
        yield f"{name} can write to its root file system"
    if context.get("runAsUser") == 0 or context.get("runAsNonRoot") is False:
        yield f"{name} runs as root"
    if any("hostPort" in port for port in container.get("ports", [])):
        yield f"{name} takes a port of its node"


def namespace(variant):
    """The namespace enforces the profile, and every object is in it."""
    names = variant.of_kind("Namespace")
    if [n["metadata"]["labels"].get("pod-security.kubernetes.io/enforce") for n in names] != ["restricted"]:
        yield "there is not one namespace that enforces the profile restricted"
    for o in variant.objects:
        if o["kind"] != "Namespace" and o["metadata"].get("namespace") != "mixdown":
            yield f"{title(o)} is not in the namespace"


def tokens(variant):
    for workload in variant.workloads:
        spec = pod(workload)
        account = variant.find("ServiceAccount", spec.get("serviceAccountName", "default"))
        if account is None:
            yield f"{title(workload)} has no service account of its own"
        elif account.get("automountServiceAccountToken") is not False:
            yield f"{title(account)} hands out tokens"
        if spec.get("automountServiceAccountToken") is not False:
            yield f"{title(workload)} gets a token of Kubernetes' API"
        if spec.get("enableServiceLinks") is not False:
            yield f"{title(workload)} gets variables of every Service"


def resources(variant):
    for workload in variant.workloads:
        for container in containers(workload):
            name = f"{title(workload)}, container {container['name']}"
            given = container.get("resources", {})
            requests, limits = given.get("requests", {}), given.get("limits", {})
            for resource in RESOURCES:
                if resource not in requests or resource not in limits:
                    yield f"{name} has no request or limit for {resource}"
                elif quantity(requests[resource]) > quantity(limits[resource]):
                    yield f"{name} requests more {resource} than its limit"
        yield from scratch_volumes(workload)


def scratch_volumes(workload):
    limit = sum(
        quantity(container.get("resources", {}).get("limits", {}).get("ephemeral-storage", 0))
        for container in pod(workload)["containers"]
    )
    total = 0
    for volume in pod(workload).get("volumes", []):
        if "emptyDir" in volume:
            size = (volume["emptyDir"] or {}).get("sizeLimit")
            if size is None:
                yield f"{title(workload)}: volume {volume['name']} has no size limit"
            total += quantity(size or 0)
    if total > limit:
        yield f"{title(workload)}: its scratch volumes are larger than its ephemeral storage"


def probes(variant):
    for workload in variant.workloads:
        if workload["kind"] == "Job":
            continue
        ports = container_ports(workload)
        for container in pod(workload)["containers"]:
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                name = f"{title(workload)}: {probe}"
                if probe not in container:
                    yield f"{name} is missing"
                    continue
                check = container[probe].get("httpGet") or container[probe].get("tcpSocket")
                if check and check["port"] not in ports:
                    yield f"{name} asks the port {check['port']}, which the container does not have"
                if "exec" not in container[probe] and not check:
                    yield f"{name} asks nothing"
                path = "/readyz" if probe == "readinessProbe" else "/livez"
                if workload["metadata"]["name"] in SERVICES and check != {"path": path, "port": "admin"}:
                    yield f"{name} is not {path} on the admin port"


def images(variant):
    for workload in variant.workloads:
        for container in containers(workload):
            image = container["image"]
            name, _, digest = image.partition("@")
            tag = name.rpartition("/")[2].partition(":")[2]
            is_ours = "mixdown/" in name
            if (not tag and not digest) or tag == "latest":
                yield f"{title(workload)}: {image} may be another image tomorrow"
            if is_ours and not variant.is_production and tag != version():
                yield f"{title(workload)}: {image} is not of this version, {version()}"
            if is_ours and variant.is_production and not digest:
                yield f"{title(workload)}: {image} is not named by its digest"
            if digest == PLACEHOLDER_DIGEST and not name.startswith("registry.example.org/"):
                yield f"{title(workload)}: {image} has a real registry and no real digest"


def labels(variant):
    for o in variant.objects:
        given = o["metadata"].get("labels", {})
        if o["kind"] != "Namespace" and given.get("app.kubernetes.io/part-of") != "mixdown":
            yield f"{title(o)} is not labelled as a part of mixdown"
    for workload in variant.workloads:
        for given in (workload["metadata"].get("labels", {}), pod_labels(workload)):
            missing = [k for k in ("name", "component") if f"app.kubernetes.io/{k}" not in given]
            if missing:
                yield f"{title(workload)} or its pods lack the labels {missing}"


def spreading(variant):
    for deployment in variant.deployments:
        constraints = pod(deployment).get("topologySpreadConstraints", [])
        keys = [c["topologyKey"] for c in constraints]
        wanted = ["kubernetes.io/hostname"]
        if variant.is_production:
            wanted.append("topology.kubernetes.io/zone")
        if not set(wanted) <= set(keys):
            yield f"{title(deployment)} is not spread over {' and '.join(wanted)}"
        for constraint in constraints:
            if deployment not in variant.pods_matching(constraint["labelSelector"]):
                yield f"{title(deployment)}: the constraint over {constraint['topologyKey']} counts other pods"


RULES = (restricted, namespace, tokens, resources, probes, images, labels, spreading)
