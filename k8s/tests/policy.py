"""Every rule that the rendered manifests must keep, beyond the schemas: each takes a Variant and yields what is wrong."""

import rules_pods
import rules_settings
import rules_wiring

RULES = rules_pods.RULES + rules_settings.RULES + rules_wiring.RULES


def violations(variant):
    return [f"{rule.__name__}: {text}" for rule in RULES for text in rule(variant)]
