# What scripts/backup.sh and scripts/restore.sh share: how the tools of the databases are reached, wherever they are.
# shellcheck shell=bash

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
        [ -n "${!name:-}" ] || fail "$name is not set"
    done
    # Commands may be words with options, such as those of kubectl.
    read -r -a MYSQL_COMMAND <<<"${MYSQL_TOOLS:-}"
    read -r -a MONGODB_COMMAND <<<"${MONGODB_TOOLS:-}"
}

# with_mysql SCRIPT: runs a script of sh where MySQL's tools are. In it, $options is a file with the address and the password,
# and $1 the database. The standard input and output are the script's.
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
    run_where_the_tools_are "$options" "$1" "$(mysql_database)" "${MYSQL_COMMAND[@]}"
}

mysql_database() {
    local path="${MYSQL_URL#*://*/}"
    echo "${path%%\?*}"
}

with_mongodb() {
    local options
    options="uri: $(python3 -c 'import json, sys; print(json.dumps(sys.stdin.read()))' < <(printf %s "$MONGODB_URL"))"
    run_where_the_tools_are "$options" "$1" '' "${MONGODB_COMMAND[@]}"
}

# run_where_the_tools_are OPTIONS SCRIPT ARGUMENT COMMAND…: the options hold a password, so they go ahead of the standard
# input instead of into an argument, which every process can read. They become a file for as long as the script runs.
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
        # Byte by byte, unlike other programs: what follows the line is left to the script.
        IFS= read -r line
        printf %s "$line" | base64 -d >"$options"
        '"$script" sh "$argument"
}
