#!/usr/bin/env bash
# Dumps the jobs and files (MongoDB) and the accounts (MySQL) into a new folder, while the system runs.
#
#   MYSQL_URL=… MONGODB_URL=… scripts/backup.sh FOLDER
#
# The URLs are the services' own settings. MYSQL_URL_FILE and MONGODB_URL_FILE may name files that hold them.
# mysqldump comes from the PATH, or from the place where MYSQL_TOOLS runs commands, such as "kubectl
# --namespace mixdown exec --stdin mysql-0 --".
#
# MongoDB is dumped by mongodump, from the PATH or from the place where MONGODB_TOOLS runs commands. If
# GATEWAY is a command that runs the gateway, or if there is no mongodump, `gateway backup` dumps it. That
# command reads MONGODB_URL and MONGODB_DATABASE_PREFIX from its own environment; in a cluster, from its
# pod's.
set -euo pipefail

# shellcheck source=scripts/stores.sh
source "$(dirname "${BASH_SOURCE[0]}")/stores.sh"

FOLDER="${1:?into which folder?}"
FOLDER="${FOLDER%/}"
UNFINISHED="$FOLDER.unfinished"
GATEWAY_PROCESS=

main() {
    [ ! -e "$FOLDER" ] || fail "$FOLDER is there already"
    read_addresses
    choose_means_for_mongodb
    umask 077
    rm -rf "$UNFINISHED"
    mkdir -p "$UNFINISHED"
    # An incomplete dump must not look like a backup.
    trap discard EXIT

    # MongoDB's moment comes first, and MySQL's directly after it. An account that was created in between has
    # no jobs in the backup. The gateway erases the jobs of an account that was erased in between. In the
    # other order, jobs could be without an account.
    if [ "$MEANS" = gateway ]; then
        back_up_both_at_once
    else
        echo 'Dumping MongoDB by mongodump'
        # The moment of this dump is its end.
        dump_mongodb </dev/null >"$UNFINISHED/$MONGODUMP_FILE" || fail \
            'mongodump failed. Its account needs the role backup; that of `gateway backup`, chosen by GATEWAY, does not'
        gzip --test "$UNFINISHED/$MONGODUMP_FILE"
        dump_mysql
    fi
    is_whole_mysql_dump "$UNFINISHED/$MYSQL_FILE" || fail 'the dump of MySQL breaks off'

    mv "$UNFINISHED" "$FOLDER"
    du -sh "$FOLDER"
}

# The moment of the gateway's dump is when its first byte arrives.
back_up_both_at_once() {
    echo "Dumping MongoDB by ${GATEWAY_COMMAND[*]} backup"
    "${GATEWAY_COMMAND[@]}" backup </dev/null >"$UNFINISHED/$GATEWAY_FILE" &
    GATEWAY_PROCESS=$!
    while [ ! -s "$UNFINISHED/$GATEWAY_FILE" ] && kill -0 "$GATEWAY_PROCESS" 2>/dev/null; do
        sleep 0.1
    done
    if [ -s "$UNFINISHED/$GATEWAY_FILE" ]; then
        dump_mysql
    fi
    wait "$GATEWAY_PROCESS" || fail 'the gateway took no backup of MongoDB'
    GATEWAY_PROCESS=
    # Checked as it arrived here, because a connection on the way may have cut it off.
    [ -s "$UNFINISHED/$GATEWAY_FILE" ] && "${GATEWAY_COMMAND[@]}" check-backup <"$UNFINISHED/$GATEWAY_FILE" ||
        fail 'what the gateway wrote is no backup'
}

# A dump of one moment, without locks. BINARY columns are not text.
dump_mysql() {
    echo 'Dumping MySQL'
    # shellcheck disable=SC2016 # expanded where the tools run
    with_mysql '
        dump=$(command -v mysqldump || command -v mariadb-dump || echo mysqldump)
        gtid=$("$dump" --help 2>/dev/null | grep -o -m 1 -e "--set-gtid-purged" | head -n 1)
        "$dump" --defaults-extra-file="$options" --single-transaction --hex-blob --no-tablespaces ${gtid:+"$gtid=OFF"} "$1"' \
        </dev/null | gzip >"$UNFINISHED/$MYSQL_FILE" || fail 'MySQL was not dumped'
}

# Includes the writes during the dump (--oplog), so that files and jobs are of one moment too.
dump_mongodb() {
    # shellcheck disable=SC2016
    with_mongodb 'mongodump --config="$options" --oplog --archive --gzip'
}

discard() {
    if [ -n "$GATEWAY_PROCESS" ]; then
        kill "$GATEWAY_PROCESS" 2>/dev/null || true
    fi
    rm -rf "$UNFINISHED"
}

main
