#!/usr/bin/env bash
# Writes the secrets of a deployment into its git-ignored folder secrets/. Existing files stay: a second run
# changes nothing.
#
#   scripts/secrets.sh compose       everything is generated, into docker/secrets
#   scripts/secrets.sh minikube      everything is generated; kustomize makes Secrets of k8s/overlays/minikube/secrets
#   scripts/secrets.sh production    keys are generated; the addresses of the stores come from MYSQL_URL, MONGODB_URL,
#                                    RABBITMQ_URL and SMTP_URL, or from files that are in the folder already
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# check-k8s.sh works on a copy of the manifests.
readonly K8S="${K8S:-k8s}"
TARGET="${1:?for what: compose, minikube or production}"
readonly TARGET

main() {
    umask 077
    local mode=600
    case "$TARGET" in
        compose)
            SECRETS=docker/secrets
            # The containers' users are not the folder's owner, and mounted files keep their mode. Only the
            # owner can enter the folder.
            mode=644
            ;;
        *)
            [ -d "$K8S/overlays/$TARGET" ] || fail "there is no overlay $TARGET"
            SECRETS="$K8S/overlays/$TARGET/secrets"
            ;;
    esac
    mkdir -p "$SECRETS"

    keep link-key random_hex 32
    keep key-encryption-key random_base64 32
    case "$TARGET" in
        compose)
            stores_of_our_own mysql mongodb rabbitmq mailpit
            keep grafana-password random_hex 16
            ;;
        minikube)
            stores_of_our_own mysql.mixdown.svc mongodb-0.mongodb.mixdown.svc rabbitmq.mixdown.svc mailpit.mixdown.svc
            ;;
        *) stores_elsewhere ;;
    esac
    # Includes files that were put there by hand.
    chmod "$mode" "$SECRETS"/*
    echo "The secrets are in $SECRETS. Keep a copy in a safe place: without them the data can't be read."
}

# stores_of_our_own MYSQL MONGODB RABBITMQ SMTP: creates the passwords and addresses of the stores on these
# hosts.
stores_of_our_own() {
    local password
    keep mysql-password random_hex 16
    keep mysql-root-password random_hex 16
    keep mongodb-password random_hex 16
    keep mongodb-keyfile random_base64 96
    keep rabbitmq-password random_hex 16

    password="$(<"$SECRETS/mysql-password")"
    keep mysql-url echo "mysql://mixdown:$password@$1:3306/mixdown"
    password="$(<"$SECRETS/mongodb-password")"
    keep mongodb-url echo "mongodb://mixdown:$password@$2:27017/?authSource=admin&replicaSet=rs0"
    password="$(<"$SECRETS/rabbitmq-password")"
    keep rabbitmq-url echo "amqp://mixdown:$password@$3:5672/%2f"
    keep rabbitmq-account.conf printf 'default_user = mixdown\ndefault_pass = %s\n' "$password"
    keep smtp-url echo "smtp://$4:1025"
}

stores_elsewhere() {
    keep mysql-url given MYSQL_URL
    keep mongodb-url given MONGODB_URL
    keep rabbitmq-url given RABBITMQ_URL
    keep smtp-url given SMTP_URL
}

fail() {
    printf 'secrets: %s\n' "$*" >&2
    exit 1
}

# keep NAME COMMAND…: writes the command's output into the file, unless the file exists.
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
