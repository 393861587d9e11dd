#!/usr/bin/env bash
# Checks the Kubernetes manifests without a cluster. Renders every overlay with every combination of the
# components, and checks the objects against Kubernetes' schemas and our rules (k8s/tests/). Installs its
# tools into .tools/k8s on the first run.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly TOOLS="$PWD/.tools/k8s"
readonly REQUIREMENTS=k8s/tests/requirements.txt

SCRATCH=''

main() {
    trap 'rm -rf "$SCRATCH"' EXIT
    mkdir -p "$TOOLS"
    SCRATCH="$(mktemp -d "$TOOLS/unfinished.XXXXXX")"
    find_kubectl
    install_python_packages

    export KUBECTL PYTHONPATH="$TOOLS/python" PYTHONDONTWRITEBYTECODE=1
    python3 k8s/tests/check.py
    python3 -m unittest discover --start-directory k8s/tests
}

say() { printf 'check-k8s: %s\n' "$*"; }

# fail WHAT REMEDY
fail() {
    printf 'check-k8s: %s\n           %s\n' "$1" "$2" >&2
    exit 1
}

# Components need kustomize 5, which kubectl contains since 1.27.
is_new_enough() {
    "$1" version --client 2>/dev/null | grep -Eq '^Kustomize Version: v([5-9]|[1-9][0-9])\.'
}

find_kubectl() {
    KUBECTL="$(command -v kubectl || true)"
    if [ -z "$KUBECTL" ] || ! is_new_enough "$KUBECTL"; then
        KUBECTL="$TOOLS/kubectl"
        [ -x "$KUBECTL" ] || install_kubectl
    fi
}

# Debian 12's own kubectl is too old, but Debian 13's runs there. Its package is only unpacked, and its
# package lists are kept apart, so that the system stays unchanged and no root is needed.
install_kubectl() {
    local remedy='Install kubectl 1.27 or newer: https://kubernetes.io/docs/tasks/tools/'
    command -v apt-get >/dev/null || fail 'There is no kubectl here.' "$remedy"
    say "installing kubectl from Debian 13's package"
    mkdir -p "$SCRATCH/lists/partial" "$SCRATCH/cache/archives/partial"
    echo 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian trixie main' \
        >"$SCRATCH/sources.list"
    (cd "$SCRATCH" && apt_get update && apt_get download kubectl/trixie) || fail 'apt-get could not download kubectl.' "$remedy"
    dpkg-deb --extract "$SCRATCH"/kubectl_*.deb "$SCRATCH/package"
    is_new_enough "$SCRATCH/package/usr/bin/kubectl" || fail "Debian 13's kubectl does not run here." "$remedy"
    mv "$SCRATCH/package/usr/bin/kubectl" "$KUBECTL"
}

apt_get() {
    # apt's sandbox user could not write to these folders.
    apt-get -qq -o APT::Sandbox::User= -o Acquire::Languages=none \
        -o Dir::Etc::SourceList="$SCRATCH/sources.list" -o Dir::Etc::SourceParts=- \
        -o Dir::State::Lists="$SCRATCH/lists" -o Dir::Cache="$SCRATCH/cache" "$@"
}

install_python_packages() {
    if cmp -s "$REQUIREMENTS" "$TOOLS/python/requirements.txt"; then
        return
    fi
    say "installing Python's kubernetes-validate"
    python3 -m pip --version >/dev/null 2>&1 || fail 'Python has no pip.' 'Install it: apt-get install python3-pip'
    # Into a folder: this needs no virtual environment and no permission for the system's Python.
    python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore --require-hashes --only-binary :all: \
        --target "$SCRATCH/python" --requirement "$REQUIREMENTS" ||
        fail 'pip could not install the Python packages.' 'Check the network, then run this again.'
    cp "$REQUIREMENTS" "$SCRATCH/python/requirements.txt"
    rm -rf "$TOOLS/python"
    mv "$SCRATCH/python" "$TOOLS/python"
}

main
