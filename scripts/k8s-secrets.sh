#!/usr/bin/env bash
# Writes the secrets of an overlay into its git-ignored folder secrets/, from which kustomize makes Secrets. What is there
# stays: a second run changes nothing.
#
#   scripts/k8s-secrets.sh minikube      everything is generated
#   scripts/k8s-secrets.sh production    keys are generated; the addresses of the stores come from MYSQL_URL, MONGODB_URL,
#                                        RABBITMQ_URL and SMTP_URL, or from files that are in the folder already
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# The check works on a copy of the manifests.
readonly K8S="${K8S:-k8s}"
OVERLAY="${1:?which overlay: minikube or production}"
readonly OVERLAY
readonly SECRETS="$K8S/overlays/$OVERLAY/secrets"

main() {
    [ -d "$K8S/overlays/$OVERLAY" ] || fail "there is no overlay $OVERLAY"
    umask 077
    mkdir -p "$SECRETS"

    keep link-key random_hex 32
    keep key-encryption-key random_base64 32
    case "$OVERLAY" in
        minikube) stores_in_the_cluster ;;
        *) stores_elsewhere ;;
    esac
    # Also those that were put there by hand.
    chmod 600 "$SECRETS"/*
    echo "The secrets are in $SECRETS. Keep a copy in a safe place: without them the data can't be read."
}

stores_in_the_cluster() {
    local password
    keep mysql-password random_hex 16
    keep mysql-root-password random_hex 16
    keep mongodb-password random_hex 16
    keep mongodb-keyfile random_base64 96
    keep rabbitmq-password random_hex 16

    password="$(<"$SECRETS/mysql-password")"
    keep mysql-url echo "mysql://mixdown:$password@mysql.mixdown.svc:3306/mixdown"
    password="$(<"$SECRETS/mongodb-password")"
    keep mongodb-url echo "mongodb://mixdown:$password@mongodb-0.mongodb.mixdown.svc:27017/?authSource=admin&replicaSet=rs0"
    password="$(<"$SECRETS/rabbitmq-password")"
    keep rabbitmq-url echo "amqp://mixdown:$password@rabbitmq.mixdown.svc:5672/%2f"
    keep rabbitmq-account.conf printf 'default_user = mixdown\ndefault_pass = %s\n' "$password"
    keep smtp-url echo 'smtp://mailpit.mixdown.svc:1025'
}

stores_elsewhere() {
    keep mysql-url given MYSQL_URL
    keep mongodb-url given MONGODB_URL
    keep rabbitmq-url given RABBITMQ_URL
    keep smtp-url given SMTP_URL
}

fail() {
    printf 'k8s-secrets: %s\n' "$*" >&2
    exit 1
}

# keep NAME COMMAND…: writes what the command prints into the file, unless it is there.
keep() {
    local file="$SECRETS/$1"
    shift
    if [ ! -s "$file" ]; then
        # An interrupted run must not leave half a secret.
        "$@" >"$file.new"
        mv "$file.new" "$file"
    fi
}

random_hex() { head -c "$1" /dev/urandom | od -An -v -tx1 | tr -d ' \n'; }

random_base64() { head -c "$1" /dev/urandom | base64 | tr -d '\n'; }

given() {
    [ -n "${!1:-}" ] || fail "$1 is not set, and $SECRETS has no file for it"
    printf '%s\n' "${!1}"
}

main
