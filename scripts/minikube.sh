#!/usr/bin/env bash
# Starts or updates the whole system in Minikube and prints its address. Starts Minikube if it does not run.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly OVERLAY=k8s/overlays/minikube
readonly SERVICES=(gateway auth converter notification)
# The first start downloads the stores' images.
readonly PATIENCE=900s

main() {
    local program
    for program in minikube docker kubectl; do
        command -v "$program" >/dev/null ||
            fail "$program is missing." 'Minikube, with what it needs: https://minikube.sigs.k8s.io/docs/start/'
    done
    minikube status >/dev/null 2>&1 || minikube start
    # Ignores the cluster that kubectl is set to.
    kubectl() { command kubectl --context "${MINIKUBE_PROFILE:-minikube}" --namespace mixdown "$@"; }

    open_ingress
    make --no-print-directory images
    load_images
    scripts/secrets.sh minikube
    apply
    print_address
}

say() { printf 'minikube: %s\n' "$*"; }

# fail WHAT REMEDY
fail() {
    printf 'minikube: %s\n          %s\n' "$1" "$2" >&2
    exit 1
}

# Sets the controller's own limits, because the Ingress has no annotations. By default it refuses bodies of
# more than 1 MB, stores each upload on its disk first, and ends a stream of events after a minute.
open_ingress() {
    minikube addons enable ingress >/dev/null
    kubectl --namespace ingress-nginx patch configmap ingress-nginx-controller --type merge --patch \
        '{"data": {"proxy-body-size": "0", "proxy-request-buffering": "off", "proxy-read-timeout": "3600", "proxy-send-timeout": "3600"}}'
    kubectl --namespace ingress-nginx rollout status deployment ingress-nginx-controller --timeout "$PATIENCE"
}

load_images() {
    local version service
    version="$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)"
    for service in "${SERVICES[@]}"; do
        say "loading mixdown/$service:$version"
        minikube image load "mixdown/$service:$version"
    done
}

apply() {
    local running
    running="$(kubectl get deployments --output name)"
    # A Job cannot be changed, and the last run's Job may still exist.
    kubectl delete job auth-migration --ignore-not-found
    kubectl apply --kustomize "$OVERLAY"
    # Rebuilt images have the same tag, so Kubernetes does not see that they changed.
    if [ -n "$running" ]; then
        kubectl rollout restart deployment "${SERVICES[@]}"
    fi
    say 'waiting for the stores, the migration and the services'
    local part
    for part in statefulset/mysql statefulset/mongodb statefulset/rabbitmq deployment/mailpit; do
        kubectl rollout status "$part" --timeout "$PATIENCE"
    done
    kubectl wait job/auth-migration --for condition=complete --timeout "$PATIENCE"
    for part in "${SERVICES[@]}"; do
        kubectl rollout status "deployment/$part" --timeout "$PATIENCE"
    done
}

print_address() {
    cat <<TEXT

Mixdown runs in Minikube.
  The app:    http://mixdown.local
  The inbox:  http://inbox.mixdown.local
For a browser, put this line into /etc/hosts (with Docker Desktop use 127.0.0.1, and keep \`minikube tunnel\` running):
  $(minikube ip) mixdown.local inbox.mixdown.local
\`make smoke\` sends a sample video through it, without that line.
TEXT
}

main
