"""Renders every variant of the manifests and checks its objects against their schemas and our rules."""

import sys
import tempfile

import kubernetes_validate
from model import title
from policy import violations
from rendering import render_all
from rules_documents import document_violations

# The oldest Kubernetes that the manifests support, the first with preStop's sleep, and the newest whose
# schemas are available.
VERSIONS = ("1.30", "1.34")
# Kinds of other projects. Kubernetes has no schema for them, so only the rules check their content.
FOREIGN_KINDS = {
    "Certificate",
    "Gateway",
    "HTTPRoute",
    "PrometheusRule",
    "ScaledObject",
    "ServiceMonitor",
    "TriggerAuthentication",
}


def schema_violations(o):
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(o, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            path = ".".join(map(str, error.path))
            yield f"schema: {title(o)}: {path}: {error.message} (Kubernetes {version})"


def main():
    with tempfile.TemporaryDirectory() as folder:
        variants = render_all(folder)
    # Most objects are the same in most variants, so each is checked once.
    checked, failures = {}, 0
    for variant in variants:
        found = violations(variant)
        for o in variant.objects:
            if o["kind"] not in FOREIGN_KINDS:
                key = repr(o)
                if key not in checked:
                    checked[key] = list(schema_violations(o))
                found += checked[key]
        for text in found:
            print(f"{variant.name}: {text}", file=sys.stderr)
        failures += len(found)
    for text in document_violations(variants):
        print(text, file=sys.stderr)
        failures += 1
    if failures:
        raise SystemExit(f"check-k8s: {failures} violations")
    print(f"check-k8s: {len(variants)} variants, {len(checked)} different objects with a schema, no violation")


if __name__ == "__main__":
    main()
