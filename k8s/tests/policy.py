"""All rules beyond the schemas. A rule takes a Variant of the manifests and yields the violations."""

import rules_pods
import rules_settings
import rules_wiring

RULES = rules_pods.RULES + rules_settings.RULES + rules_wiring.RULES


def violations(variant):
    return [f"{rule.__name__}: {text}" for rule in RULES for text in rule(variant)]
