"""Rules for references between objects: selectors, ports, names, network flows, metrics."""

import re
from functools import cache

from model import NAME, ROOT, SERVICES, container_ports, containers, matches, pod, pod_labels, title

NAMESPACES = {"kube-system": "DNS", "monitoring": "Prometheus", "keda": "KEDA"}
# A pod of cert-manager, which exists only during a challenge.
FOREIGN_POD = "acme.cert-manager.io/http01-solver"
# Reachable for everyone: the API, and the mail catcher's inbox.
PUBLIC = {"gateway": 8080, "mailpit": 8025}
DNS = "dns"


def selectors(variant):
    for workload in variant.of_kind("Deployment", "StatefulSet"):
        if variant.pods_matching(workload["spec"]["selector"]) != [workload]:
            yield f"{title(workload)} selects other pods than its own"
    for service in variant.of_kind("Service"):
        chosen = variant.pods_matching({"matchLabels": service["spec"]["selector"]})
        if len(chosen) != 1:
            yield f"{title(service)} selects the pods of {len(chosen)} workloads"
        for port in service["spec"]["ports"]:
            if any(port["targetPort"] not in container_ports(w) for w in chosen):
                yield f"{title(service)}: its port {port['name']} leads nowhere"
    for stateful in variant.of_kind("StatefulSet"):
        service = variant.find("Service", stateful["spec"]["serviceName"])
        if service is None or service["spec"].get("clusterIP") != "None":
            yield f"{title(stateful)} has no headless Service"


def references(variant):
    """The ConfigMaps, Secrets and volumes that pods name exist."""
    for workload in variant.workloads:
        volumes = {v["name"]: v for v in pod(workload).get("volumes", [])}
        claims = {c["metadata"]["name"] for c in workload["spec"].get("volumeClaimTemplates", [])}
        for volume in volumes.values():
            for part in volume.get("projected", {}).get("sources", [volume]):
                for kind, key, name in (("ConfigMap", "configMap", "name"), ("Secret", "secret", "secretName")):
                    if key in part:
                        source = variant.find(kind, part[key].get(name) or part[key].get("name"))
                        items = {i["key"] for i in part[key].get("items", [])}
                        if source is None or not items <= source["data"].keys():
                            yield f"{title(workload)}: volume {volume['name']} is of something that is not there"
        for container in containers(workload):
            for mount in container.get("volumeMounts", []):
                if mount["name"] not in volumes.keys() | claims:
                    yield f"{title(workload)} mounts {mount['name']}, which is no volume"
            for source in container.get("envFrom", []):
                if "configMapRef" in source and variant.find("ConfigMap", source["configMapRef"]["name"]) is None:
                    yield f"{title(workload)} takes its settings from a ConfigMap that is not there"
    for authentication in variant.of_kind("TriggerAuthentication"):
        for reference in authentication["spec"]["secretTargetRef"]:
            secret = variant.find("Secret", reference["name"])
            if secret is None or reference["key"] not in secret["data"]:
                yield f"{title(authentication)} names a Secret that is not there"


def entrances(variant):
    """Only the API is reachable from outside, and on Minikube the inbox. An admin port never is."""
    backends = []
    for ingress in variant.of_kind("Ingress"):
        if ingress["metadata"].get("annotations"):
            yield f"{title(ingress)} has annotations, which are one controller's"
        for rule in ingress["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                service = path["backend"]["service"]
                backends.append((title(ingress), service["name"], service["port"].get("name")))
    for route in variant.of_kind("HTTPRoute"):
        for rule in route["spec"]["rules"]:
            backends += [(title(route), b["name"], b["port"]) for b in rule["backendRefs"]]
        for parent in route["spec"]["parentRefs"]:
            if variant.find("Gateway", parent["name"]) is None:
                yield f"{title(route)} belongs to no Gateway"
    for entrance, name, port in backends:
        service = variant.find("Service", name)
        ports = [p for p in (service or {"spec": {"ports": []}})["spec"]["ports"] if port in (p["name"], p["port"])]
        if not ports or ports[0]["name"] != "http":
            yield f"{entrance} leads to {name}:{port}, which is no public port"
    if len([1 for _, name, _ in backends if name == "gateway"]) != 1:
        yield "the gateway does not have one entrance"
    for service in variant.of_kind("Service"):
        if service["spec"].get("type", "ClusterIP") != "ClusterIP":
            yield f"{title(service)} is reachable from outside"
    hosts = {h for e in variant.of_kind("Ingress") for t in e["spec"].get("tls", []) for h in t["hosts"]}
    hosts |= {
        listener["hostname"]
        for gateway in variant.of_kind("Gateway")
        for listener in gateway["spec"]["listeners"]
        if listener["protocol"] == "HTTPS"
    }
    names = {n for c in variant.of_kind("Certificate") for n in c["spec"]["dnsNames"]}
    if hosts != names:
        yield f"HTTPS is for {sorted(hosts)}, the certificate for {sorted(names)}"


def network_policies(variant):
    policies = variant.of_kind("NetworkPolicy")
    # A policy for a foreign pod does not isolate any of ours.
    if all(is_foreign(policy) for policy in policies):
        return
    denied = [p for p in policies if p["spec"]["podSelector"] == {} and not {"ingress", "egress"} & p["spec"].keys()]
    if {t for p in denied for t in p["spec"]["policyTypes"]} != {"Ingress", "Egress"}:
        yield "not everything is denied by default"
    for policy in policies:
        spec = policy["spec"]
        names = [e["values"] for e in spec["podSelector"].get("matchExpressions", []) if e["key"] == NAME]
        chosen = variant.pods_matching(spec["podSelector"])
        if not is_foreign(policy) and (not chosen or len(chosen) < sum(map(len, names))):
            yield f"{title(policy)} is for pods that are not there"
        for direction, ends in (("ingress", "from"), ("egress", "to")):
            if direction.capitalize() not in spec["policyTypes"] and direction in spec:
                yield f"{title(policy)} has {direction} rules that do not count"
            for rule in spec.get(direction, []):
                if not is_foreign(policy):
                    yield from rule_violations(variant, policy, chosen, direction, rule.get(ends), rule.get("ports"))
    yield from flow_violations(variant, flows(variant))


def is_foreign(policy):
    return FOREIGN_POD in policy["spec"]["podSelector"].get("matchLabels", {})


def rule_violations(variant, policy, chosen, direction, peers, ports):
    name = f"{title(policy)}, {direction}"
    if not ports:
        yield f"{name}: every port is open"
        return
    targets = list(chosen) if direction == "ingress" else []
    for peer in peers or []:
        if "ipBlock" in peer:
            continue
        if "namespaceSelector" in peer:
            if peer["namespaceSelector"].get("matchLabels", {}).get("kubernetes.io/metadata.name") not in NAMESPACES:
                yield f"{name}: a namespace that nobody knows"
            continue
        found = variant.pods_matching(peer["podSelector"])
        if not found:
            yield f"{name}: a peer that is not there"
        if direction == "egress":
            targets += found
    if direction == "egress" and not peers:
        yield f"{name}: leads anywhere"
    for target in targets:
        for port in ports:
            if port["port"] not in container_ports(target).values():
                yield f"{name}: {title(target)} has no port {port['port']}"


def flows(variant):
    """The allowed flows: (from, to, port), once for each end that allows it."""
    allowed = {"ingress": set(), "egress": set()}
    for policy in variant.of_kind("NetworkPolicy"):
        for own in variant.pods_matching(policy["spec"]["podSelector"]):
            own = pod_labels(own)[NAME]
            for direction, ends in (("ingress", "from"), ("egress", "to")):
                for rule in policy["spec"].get(direction, []):
                    for other in peer_names(variant, rule.get(ends)):
                        for port in rule.get("ports", []):
                            pair = (other, own) if direction == "ingress" else (own, other)
                            allowed[direction].add((*pair, port["port"]))
    return allowed


def peer_names(variant, peers):
    if peers is None:
        yield "anywhere"
    for peer in peers or []:
        if "ipBlock" in peer:
            yield "elsewhere"
        elif "namespaceSelector" in peer:
            name = peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
            yield DNS if name == "kube-system" else name
        else:
            yield from (pod_labels(w)[NAME] for w in variant.pods_matching(peer["podSelector"]))


# The services that need each store.
CLIENTS = {
    "mysql": ("auth", "auth-migration"),
    "mongodb": ("gateway", "converter", "notification"),
    "rabbitmq": ("auth", "gateway", "converter", "notification"),
    "mailpit": ("notification",),
}


def needed_flows(variant):
    """The allowed flows are those that the services need, and no others."""
    stores = {"mysql": 3306, "mongodb": 27017, "rabbitmq": 5672, "mailpit": 1025}
    elsewhere = {"mysql": 3306, "mongodb": 27017, "rabbitmq": 5671, "mailpit": 465}
    needed = {("gateway", "auth", 5000)}
    for store, services in CLIENTS.items():
        is_inside = bool(variant.pods_matching({"matchLabels": {NAME: store}}))
        to, port = (store, stores[store]) if is_inside else ("elsewhere", elsewhere[store])
        needed |= {(service, to, port) for service in services}
    return needed


def flow_violations(variant, allowed):
    needed = needed_flows(variant)
    leaving = {flow for flow in allowed["egress"] if flow[1] != DNS}
    for flow in sorted(leaving - needed):
        yield f"the flow {flow} is allowed, and nobody needs it"
    for flow in sorted(needed - leaving):
        yield f"the flow {flow} is needed, and not allowed"
    arriving = {flow for flow in allowed["ingress"] if flow[0] not in ("anywhere", *NAMESPACES)}
    for flow in sorted(arriving ^ {flow for flow in needed if flow[1] != "elsewhere"}):
        yield f"the flow {flow} is allowed at one end and not at the other"
    for _, to, port in (flow for flow in allowed["ingress"] if flow[0] == "anywhere"):
        if PUBLIC.get(to) != port:
            yield f"everybody may reach {to}:{port}"
    resolving = {flow[0] for flow in allowed["egress"] if flow[1] == DNS}
    for name in sorted({*SERVICES, "auth-migration"} - resolving):
        yield f"{name} can't look up names"


def monitoring(variant):
    for monitor in variant.of_kind("ServiceMonitor"):
        chosen = [
            s
            for s in variant.of_kind("Service")
            if matches(monitor["spec"]["selector"], s["metadata"].get("labels", {}))
        ]
        # An external broker has no Service here.
        if not chosen and monitor["metadata"]["name"] != "rabbitmq":
            yield f"{title(monitor)} scrapes nothing"
        for endpoint in monitor["spec"]["endpoints"]:
            if any(endpoint["port"] not in [p["name"] for p in s["spec"]["ports"]] for s in chosen):
                yield f"{title(monitor)} scrapes a port that is not there"
    dashboards = [c for c in variant.of_kind("ConfigMap") if c["metadata"]["name"] == "grafana-dashboard"]
    for o in variant.of_kind("PrometheusRule") + dashboards:
        for metric in sorted(set(re.findall(r"\bmixdown_[a-z_]+", repr(o)))):
            if metric not in metrics():
                yield f"{title(o)} asks for {metric}, which no service has"
    for rule in (r for o in variant.of_kind("PrometheusRule") for g in o["spec"]["groups"] for r in g["rules"]):
        if rule["labels"]["severity"] not in ("info", "warning", "critical") or "summary" not in rule["annotations"]:
            yield f"alert {rule['alert']} does not say what it is or how bad"
        if rule["annotations"]["runbook"].partition("#")[2] not in headings():
            yield f"alert {rule['alert']} names a runbook that is not there"


@cache
def metrics():
    """The metrics that the code records."""
    sources = (path.read_text() for folder in ("crates", "services") for path in (ROOT / folder).rglob("*.rs"))
    return {metric for source in sources for metric in re.findall(r'[a-z]!\("(mixdown_[a-z_]+)"', source)}


@cache
def headings():
    """The anchors of docs/OPERATIONS.md."""
    texts = re.findall(r"^#+ (.+)$", (ROOT / "docs/OPERATIONS.md").read_text(), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", text.lower()).replace(" ", "-") for text in texts}


def backlog(variant):
    for scaled in variant.of_kind("ScaledObject"):
        for trigger in scaled["spec"]["triggers"]:
            if trigger["metadata"]["queueName"] != "video":
                yield f"{title(scaled)} looks at a queue that is not the converter's"
            if variant.find("TriggerAuthentication", trigger["authenticationRef"]["name"]) is None:
                yield f"{title(scaled)} can't sign in to the broker"


RULES = (selectors, references, entrances, network_policies, monitoring, backlog)
