#!/usr/bin/env bash
# The demo against a deployment, by default the one in Minikube. scripts/demo.sh describes APP_URL, INBOX_URL
# and APP_IP.
set -euo pipefail

if [ -z "${APP_URL:-}" ]; then
    export APP_URL=http://mixdown.local INBOX_URL=http://inbox.mixdown.local
    APP_IP="${APP_IP:-$(minikube ip)}"
    export APP_IP
fi
exec "$(dirname "${BASH_SOURCE[0]}")/demo.sh"
