# Shared by scripts/backup.sh and scripts/restore.sh: how to reach the databases' tools, wherever they are.
# shellcheck shell=bash

# The files of a backup: MySQL's, and one of MongoDB's two kinds.
MYSQL_FILE=mysql.sql.gz
MONGODUMP_FILE=mongodb.archive.gz
GATEWAY_FILE=mongodb.backup

fail() {
    printf '%s: %s\n' "$(basename "$0" .sh)" "$*" >&2
    exit 1
}

read_addresses() {
    local name file
    for name in MYSQL_URL MONGODB_URL; do
        file="${name}_FILE"
        if [ -z "${!name:-}" ] && [ -n "${!file:-}" ]; then
            printf -v "$name" '%s' "$(<"${!file}")"
        fi
    done
    [ -n "${MYSQL_URL:-}" ] || fail 'MYSQL_URL is not set'
    # A command may have options, such as that of kubectl.
    read -r -a MYSQL_COMMAND <<<"${MYSQL_TOOLS:-}"
    read -r -a MONGODB_COMMAND <<<"${MONGODB_TOOLS:-}"
}

# Sets MEANS to the program that reads MongoDB: mongodump or gateway.
choose_means_for_mongodb() {
    if [ -n "${GATEWAY:-}" ]; then
        MEANS=gateway
    elif [ -n "${MONGODB_TOOLS:-}" ] || command -v mongodump >/dev/null; then
        MEANS=mongodump
        return
    else
        echo 'There is no mongodump on the PATH, and MONGODB_TOOLS names none.'
        MEANS=gateway
    fi
    find_gateway || fail 'no gateway either: name a command that runs it with GATEWAY'
}

# Sets GATEWAY_COMMAND. The last choice is the binary that this checkout has built.
find_gateway() {
    local built
    built="$(dirname "${BASH_SOURCE[0]}")/../target/release/gateway"
    read -r -a GATEWAY_COMMAND <<<"${GATEWAY:-}"
    if [ "${#GATEWAY_COMMAND[@]}" -eq 0 ]; then
        [ -x "$built" ] || built="$(command -v gateway)" || return
        GATEWAY_COMMAND=("$built")
    fi
}

# Whether the dump is complete: mysqldump's last line says so.
is_whole_mysql_dump() {
    gzip --test "$1" && gunzip --stdout "$1" | tail -n 3 | grep --quiet '^-- Dump completed'
}

# with_mysql SCRIPT: runs a sh script where MySQL's tools are. In it, $options is a file with the address and
# the password, $1 the database, and $client the name of MySQL's client. Standard input and output are passed
# to the script.
with_mysql() {
    local options
    options="$(MYSQL_URL="$MYSQL_URL" python3 - <<'PYTHON'
import os
from urllib.parse import unquote, urlsplit

url = urlsplit(os.environ["MYSQL_URL"])
quote = lambda text: '"' + unquote(text).replace("\\", "\\\\").replace('"', '\\"') + '"'
print("[client]")
print("protocol=tcp")
print(f"host={quote(url.hostname)}")
print(f"port={url.port or 3306}")
print(f"user={quote(url.username or '')}")
print(f"password={quote(url.password or '')}")
PYTHON
)"
    # shellcheck disable=SC2016 # expanded where the tools run
    run_where_the_tools_are "$options" 'client=$(command -v mysql || command -v mariadb || echo mysql)
        '"$1" "$(mysql_database)" "${MYSQL_COMMAND[@]}"
}

mysql_database() {
    local path="${MYSQL_URL#*://*/}"
    echo "${path%%\?*}"
}

with_mongodb() {
    local options
    [ -n "${MONGODB_URL:-}" ] || fail 'MONGODB_URL is not set'
    options="uri: $(python3 -c 'import json, sys; print(json.dumps(sys.stdin.read()))' < <(printf %s "$MONGODB_URL"))"
    run_where_the_tools_are "$options" "$1" '' "${MONGODB_COMMAND[@]}"
}

# run_where_the_tools_are OPTIONS SCRIPT ARGUMENT COMMAND…: runs the script with the options in a file, which
# exists only while the script runs. The options hold a password, so they are sent before the standard input
# and not as an argument, which every process could read.
run_where_the_tools_are() {
    local options="$1" script="$2" argument="$3"
    shift 3
    {
        printf %s "$options" | base64 | tr -d '\n'
        echo
        cat
    } | "$@" sh -c '
        set -eu
        umask 077
        options=$(mktemp)
        trap '\''rm -f "$options"'\'' EXIT
        # read takes one byte at a time, unlike other programs, so the rest of the input is left to the
        # script.
        IFS= read -r line
        printf %s "$line" | base64 -d >"$options"
        '"$script" sh "$argument"
}
