"""Checks each rule: a valid rendering is spoiled in one place, and that rule must report it."""

import base64
import copy
import tempfile
import unittest

from check import schema_violations
from model import containers, pod
from policy import RULES, violations
from rendering import render_whole


def container(variant, name, kind="Deployment"):
    return containers(variant.find(kind, name))[-1]


def settings_of(variant, service):
    return next(
        c["data"] for c in variant.of_kind("ConfigMap") if c["metadata"]["name"].startswith(f"{service}-settings")
    )


def remove(variant, kind, name):
    variant.objects.remove(variant.find(kind, name))


def add_autoscaler(variant):
    scaled = variant.find("ScaledObject", "converter")
    variant.objects.append({**scaled, "kind": "HorizontalPodAutoscaler"})


def open_flow(variant, policy, port):
    rules = variant.find("NetworkPolicy", policy)["spec"]["egress"]
    rules.append({"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}], "ports": [{"port": port, "protocol": "TCP"}]})


def alert(variant):
    return variant.find("PrometheusRule", "mixdown")["spec"]["groups"][0]["rules"][0]


# Each entry: the rule, the object to spoil, and how.
MINIKUBE = [
    ("restricted", "root", lambda v: pod(v.find("Deployment", "auth"))["securityContext"].pop("runAsNonRoot")),
    ("restricted", "uid 0", lambda v: pod(v.find("StatefulSet", "mysql"))["securityContext"].update(runAsUser=0)),
    ("restricted", "seccomp", lambda v: pod(v.find("Job", "auth-migration"))["securityContext"].pop("seccompProfile")),
    ("restricted", "escalation", lambda v: container(v, "gateway")["securityContext"].pop("allowPrivilegeEscalation")),
    (
        "restricted",
        "capability",
        lambda v: container(v, "gateway")["securityContext"]["capabilities"].update(add=["NET_ADMIN"]),
    ),
    (
        "restricted",
        "writable root",
        lambda v: container(v, "mongodb", "StatefulSet")["securityContext"].pop("readOnlyRootFilesystem"),
    ),
    ("restricted", "node's network", lambda v: pod(v.find("Deployment", "auth")).update(hostNetwork=True)),
    (
        "restricted",
        "node's folder",
        lambda v: pod(v.find("Deployment", "auth"))["volumes"].append({"name": "x", "hostPath": {"path": "/"}}),
    ),
    (
        "namespace",
        "profile",
        lambda v: v.of_kind("Namespace")[0]["metadata"]["labels"].update(
            {"pod-security.kubernetes.io/enforce": "baseline"}
        ),
    ),
    ("namespace", "other namespace", lambda v: v.find("Service", "auth")["metadata"].update(namespace="default")),
    ("tokens", "token", lambda v: pod(v.find("Deployment", "auth")).pop("automountServiceAccountToken")),
    ("tokens", "account", lambda v: remove(v, "ServiceAccount", "rabbitmq")),
    ("tokens", "service links", lambda v: pod(v.find("StatefulSet", "rabbitmq")).pop("enableServiceLinks")),
    ("resources", "limit", lambda v: container(v, "notification")["resources"]["limits"].pop("memory")),
    (
        "resources",
        "ephemeral storage",
        lambda v: container(v, "mailpit")["resources"]["requests"].pop("ephemeral-storage"),
    ),
    ("resources", "request over limit", lambda v: container(v, "auth")["resources"]["requests"].update(memory="1Gi")),
    (
        "resources",
        "endless scratch",
        lambda v: pod(v.find("Deployment", "converter"))["volumes"][1]["emptyDir"].pop("sizeLimit"),
    ),
    (
        "resources",
        "scratch over limit",
        lambda v: pod(v.find("Deployment", "converter"))["volumes"][1]["emptyDir"].update(sizeLimit="99Gi"),
    ),
    ("probes", "missing", lambda v: container(v, "mysql", "StatefulSet").pop("startupProbe")),
    (
        "probes",
        "liveness asks stores",
        lambda v: container(v, "gateway")["livenessProbe"]["httpGet"].update(path="/readyz"),
    ),
    ("probes", "port", lambda v: container(v, "mailpit")["readinessProbe"]["httpGet"].update(port="web")),
    ("images", "latest", lambda v: container(v, "mailpit").update(image="axllent/mailpit:latest")),
    ("images", "no tag", lambda v: container(v, "mailpit").update(image="axllent/mailpit")),
    ("images", "other version", lambda v: container(v, "auth").update(image="mixdown/auth:0.0.9")),
    ("labels", "part of", lambda v: v.find("Service", "auth")["metadata"]["labels"].pop("app.kubernetes.io/part-of")),
    (
        "labels",
        "component",
        lambda v: v.find("Deployment", "auth")["metadata"]["labels"].pop("app.kubernetes.io/component"),
    ),
    ("spreading", "nodes", lambda v: pod(v.find("Deployment", "auth")).pop("topologySpreadConstraints")),
    (
        "spreading",
        "other pods",
        lambda v: pod(v.find("Deployment", "auth"))["topologySpreadConstraints"][0]["labelSelector"].update(
            matchLabels={"app.kubernetes.io/name": "gateway"}
        ),
    ),
    ("known_names", "unknown setting", lambda v: settings_of(v, "gateway").update(MAX_UPLOAD_BITES="1")),
    ("known_names", "of another service", lambda v: settings_of(v, "auth").update(SLOTS="1")),
    ("known_names", "required setting", lambda v: settings_of(v, "notification").pop("PUBLIC_URL")),
    ("secrets_in_files", "value", lambda v: container(v, "gateway")["env"].append({"name": "LINK_KEY", "value": "x"})),
    (
        "secrets_in_files",
        "secretKeyRef",
        lambda v: container(v, "mysql", "StatefulSet")["env"].append(
            {"name": "P", "valueFrom": {"secretKeyRef": {"name": "x", "key": "y"}}}
        ),
    ),
    (
        "secrets_in_files",
        "not mounted",
        lambda v: container(v, "converter")["env"].append(
            {"name": "LINK_KEY_FILE", "value": "/run/secrets/mixdown/link-key"}
        ),
    ),
    ("no_plain_secrets", "copied", lambda v: settings_of(v, "gateway").update(NOTE=next(iter(v.secret_values)))),
    ("no_plain_secrets", "in a URL", lambda v: settings_of(v, "gateway").update(AUTH_URL="http://me:secret@auth:5000")),
    ("listening", "admin port", lambda v: settings_of(v, "auth").update(ADMIN_LISTEN="0.0.0.0:9091")),
    ("listening", "own machine", lambda v: settings_of(v, "gateway").update(LISTEN="127.0.0.1:8080")),
    ("listening", "address of auth", lambda v: settings_of(v, "gateway").update(AUTH_URL="http://auth:5001")),
    ("ending", "grace", lambda v: pod(v.find("Deployment", "notification")).update(terminationGracePeriodSeconds=30)),
    ("ending", "drain", lambda v: settings_of(v, "gateway").update(DRAIN_TIMEOUT="1h")),
    ("ending", "preStop", lambda v: container(v, "gateway").pop("lifecycle")),
    (
        "ending",
        "update",
        lambda v: v.find("Deployment", "auth")["spec"]["strategy"]["rollingUpdate"].update(maxUnavailable=1),
    ),
    ("converting", "slots", lambda v: settings_of(v, "converter").update(SLOTS="9")),
    ("converting", "consumer timeout", lambda v: settings_of(v, "converter").update(MAX_CONVERSION_TIME="24h")),
    ("scaling", "no budget", lambda v: remove(v, "PodDisruptionBudget", "auth")),
    (
        "scaling",
        "budget of nothing",
        lambda v: v.find("PodDisruptionBudget", "auth")["spec"]["selector"].update(matchLabels={"app": "auth"}),
    ),
    ("scaling", "undrainable", lambda v: v.find("PodDisruptionBudget", "auth")["spec"].update(maxUnavailable=0)),
    ("scaling", "two autoscalers", add_autoscaler),
    (
        "scaling",
        "of nothing",
        lambda v: v.find("ScaledObject", "converter")["spec"]["scaleTargetRef"].update(name="convertor"),
    ),
    ("scaling", "replicas", lambda v: v.find("Deployment", "converter")["spec"].update(replicas=2)),
    ("every_service_is_there", "service", lambda v: remove(v, "Deployment", "notification")),
    ("every_service_is_there", "migration", lambda v: remove(v, "Job", "auth-migration")),
    (
        "selectors",
        "Deployment",
        lambda v: v.find("Deployment", "auth")["spec"]["selector"].update(
            matchLabels={"app.kubernetes.io/part-of": "mixdown"}
        ),
    ),
    (
        "selectors",
        "Service",
        lambda v: v.find("Service", "auth")["spec"]["selector"].update({"app.kubernetes.io/name": "oauth"}),
    ),
    ("selectors", "port", lambda v: v.find("Service", "gateway")["spec"]["ports"][0].update(targetPort="web")),
    ("selectors", "headless", lambda v: v.find("Service", "mongodb")["spec"].pop("clusterIP")),
    (
        "references",
        "secret",
        lambda v: remove(v, "Secret", pod(v.find("Deployment", "auth"))["volumes"][0]["secret"]["secretName"]),
    ),
    (
        "references",
        "settings",
        lambda v: container(v, "auth")["envFrom"][0]["configMapRef"].update(name="auth-settings"),
    ),
    ("references", "volume", lambda v: container(v, "converter")["volumeMounts"][1].update(name="scratches")),
    (
        "references",
        "KEDA's secret",
        lambda v: v.find("TriggerAuthentication", "converter")["spec"]["secretTargetRef"][0].update(
            name="converter-secrets"
        ),
    ),
    (
        "entrances",
        "admin port",
        lambda v: v.find("HTTPRoute", "gateway")["spec"]["rules"][0]["backendRefs"][0].update(port=9090),
    ),
    (
        "entrances",
        "annotation",
        lambda v: v.find("Ingress", "inbox")["metadata"].update(annotations={"nginx.org/x": "y"}),
    ),
    ("entrances", "open Service", lambda v: v.find("Service", "auth")["spec"].update(type="NodePort")),
    ("entrances", "certificate", lambda v: v.find("Certificate", "gateway")["spec"].update(dnsNames=["example.com"])),
    ("entrances", "no entrance", lambda v: remove(v, "HTTPRoute", "gateway")),
    ("network_policies", "default", lambda v: remove(v, "NetworkPolicy", "default-deny")),
    (
        "network_policies",
        "default, one way",
        lambda v: v.find("NetworkPolicy", "default-deny")["spec"].update(policyTypes=["Ingress"]),
    ),
    (
        "network_policies",
        "missing flow",
        lambda v: v.find("NetworkPolicy", "converter-to-stores")["spec"]["egress"].pop(),
    ),
    ("network_policies", "flow too many", lambda v: open_flow(v, "converter-to-stores", 443)),
    (
        "network_policies",
        "every port",
        lambda v: v.find("NetworkPolicy", "auth-to-stores")["spec"]["egress"][0].pop("ports"),
    ),
    (
        "network_policies",
        "port of nobody",
        lambda v: v.find("NetworkPolicy", "auth-to-stores")["spec"]["egress"][0]["ports"][0].update(port=3307),
    ),
    (
        "network_policies",
        "peer of nobody",
        lambda v: v.find("NetworkPolicy", "auth-from-gateway")["spec"]["ingress"][0]["from"][0]["podSelector"][
            "matchLabels"
        ].update({"app.kubernetes.io/name": "gate"}),
    ),
    ("network_policies", "one end", lambda v: remove(v, "NetworkPolicy", "auth-from-gateway")),
    ("network_policies", "everybody", lambda v: v.find("NetworkPolicy", "metrics")["spec"]["ingress"][0].pop("from")),
    ("network_policies", "names", lambda v: remove(v, "NetworkPolicy", "dns")),
    (
        "network_policies",
        "strange namespace",
        lambda v: v.find("NetworkPolicy", "metrics")["spec"]["ingress"][0]["from"][0]["namespaceSelector"][
            "matchLabels"
        ].update({"kubernetes.io/metadata.name": "default"}),
    ),
    (
        "monitoring",
        "port",
        lambda v: v.find("ServiceMonitor", "mixdown")["spec"]["endpoints"][0].update(port="metrics"),
    ),
    (
        "monitoring",
        "nothing",
        lambda v: v.find("ServiceMonitor", "mixdown")["spec"].update(selector={"matchLabels": {"app": "mixdown"}}),
    ),
    ("monitoring", "metric", lambda v: alert(v).update(expr="mixdown_conversion_total > 1")),
    ("monitoring", "runbook", lambda v: alert(v)["annotations"].update(runbook="docs/OPERATIONS.md#panic")),
    (
        "backlog",
        "queue",
        lambda v: v.find("ScaledObject", "converter")["spec"]["triggers"][0]["metadata"].update(queueName="videos"),
    ),
]
PRODUCTION = [
    ("images", "tag", lambda v: container(v, "auth").update(image="registry.example.org/mixdown/auth:0.1.0")),
    ("images", "placeholder", lambda v: container(v, "auth").update(image="ghcr.io/mixdown/auth@sha256:" + 64 * "0")),
    ("spreading", "zones", lambda v: pod(v.find("Deployment", "auth"))["topologySpreadConstraints"].pop(0)),
    ("scaling", "no autoscaler", lambda v: remove(v, "HorizontalPodAutoscaler", "gateway")),
    ("converting", "drain", lambda v: settings_of(v, "converter").update(DRAIN_TIMEOUT="10m")),
    ("network_policies", "missing flow", lambda v: v.find("NetworkPolicy", "jobs-to-stores")["spec"]["egress"].pop()),
    ("network_policies", "flow too many", lambda v: open_flow(v, "accounts-to-stores", 443)),
]


class Policy(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with tempfile.TemporaryDirectory() as folder:
            cls.variants = render_whole(folder)

    def test_the_manifests_keep_every_rule(self):
        for variant in self.variants.values():
            self.assertEqual(violations(variant), [])

    def test_every_rule_sees_what_it_is_there_for(self):
        for overlay, spoilings in (("minikube", MINIKUBE), ("production", PRODUCTION)):
            for rule, what, spoil in spoilings:
                with self.subTest(overlay=overlay, rule=rule, what=what):
                    variant = copy.deepcopy(self.variants[overlay])
                    spoil(variant)
                    seen = {text.partition(":")[0] for text in violations(variant)}
                    self.assertIn(rule, seen)

    def test_no_rule_goes_untested(self):
        self.assertEqual({rule.__name__ for rule in RULES}, {rule for rule, _, _ in MINIKUBE + PRODUCTION})

    def test_the_schema_knows_no_misspelt_field(self):
        deployment = copy.deepcopy(self.variants["minikube"].find("Deployment", "auth"))
        self.assertEqual(list(schema_violations(deployment)), [])
        pod(deployment)["terminationGracePeriod"] = 30
        self.assertTrue(list(schema_violations(deployment)))

    def test_secrets_are_made_anew_and_differ(self):
        with tempfile.TemporaryDirectory() as folder:
            other = render_whole(folder)["minikube"]
        ours, theirs = (
            {base64.b64decode(s["data"]["link-key"]) for s in v.of_kind("Secret") if "link-key" in s["data"]}
            for v in (self.variants["minikube"], other)
        )
        # The gateway and notification of one installation share a link key; two installations do not.
        self.assertEqual((len(ours), len(theirs), len(ours | theirs)), (1, 1, 2))


if __name__ == "__main__":
    unittest.main()
