#!/usr/bin/env bash
# Replaces the databases' content with a backup of scripts/backup.sh. Stop the services first;
# docs/OPERATIONS.md describes how. The settings are those of scripts/backup.sh.
#
#   MYSQL_URL=… MONGODB_URL=… scripts/restore.sh FOLDER
#
# Changes nothing before both dumps are verified as whole and both servers answer. May be repeated.
set -euo pipefail

# shellcheck source=scripts/stores.sh
source "$(dirname "${BASH_SOURCE[0]}")/stores.sh"

FOLDER="${1:?from which folder?}"

main() {
    [ -e "$FOLDER/$MYSQL_FILE" ] || fail "there is no $FOLDER/$MYSQL_FILE"
    choose_means_by_dump
    read_addresses

    is_whole_mysql_dump "$FOLDER/$MYSQL_FILE" || fail "$FOLDER/$MYSQL_FILE is no whole dump; nothing was changed"
    check_mongodb || fail "the dump of MongoDB cannot be restored; nothing was changed"
    check_mysql || fail 'MySQL does not answer; nothing was changed'

    echo "Restoring MongoDB by $MEANS"
    restore_mongodb || fail "$(what_became_of_mongodb). MySQL is as it was"
    echo 'Restoring MySQL'
    restore_mysql || fail 'MongoDB is restored, but MySQL is not: restore again before a service starts'
    echo 'Done. Now `auth migrate`, in case the backup is of an older release, and start the services.'
}

choose_means_by_dump() {
    if [ -e "$FOLDER/$GATEWAY_FILE" ]; then
        MEANS=gateway
        find_gateway || fail "$FOLDER was written by the gateway: name a command that runs it with GATEWAY"
    elif [ -e "$FOLDER/$MONGODUMP_FILE" ]; then
        MEANS=mongorestore
    else
        fail "there is no dump of MongoDB in $FOLDER"
    fi
}

check_mysql() {
    # shellcheck disable=SC2016 # expanded where the tools run
    with_mysql '"$client" --defaults-extra-file="$options" --execute="SELECT 1" "$1"' </dev/null >/dev/null
}

# Replaces the accounts' tables with the dump's. The existing tables are dropped first, because an older
# release has fewer of them.
#
# Before the dump, accounts may have been erased or moved to another address. Auth announces this to the
# gateways once more, so that they do the same to the restored jobs, which are of an earlier moment.
restore_mysql() {
    local script
    script="$(cat <<'SCRIPT'
        run() { "$client" --defaults-extra-file="$options" --batch --skip-column-names "$@"; }
        {
            echo "SET FOREIGN_KEY_CHECKS = 0;"
            run "$1" </dev/null --execute="
                SELECT CONCAT('DROP TABLE ', CHAR(96), table_name, CHAR(96), ';') FROM information_schema.tables
                WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE'"
            cat
        } | run "$1"
        run "$1" </dev/null --execute="
            SELECT CONCAT('UPDATE ', table_name, ' SET ', column_name, ' = UTC_TIMESTAMP(6);') FROM information_schema.columns
            WHERE table_schema = DATABASE()
            AND (table_name, column_name) IN (('erased_accounts', 'erased_at'), ('address_changes', 'changed_at'))" | run "$1"
SCRIPT
    )"
    gunzip --stdout "$FOLDER/$MYSQL_FILE" | with_mysql "$script"
}

# mongorestore connects, and checks its options and the beginning of the archive. gzip has a checksum of the
# whole.
check_mongodb() {
    if [ "$MEANS" = gateway ]; then
        "${GATEWAY_COMMAND[@]}" check-backup <"$FOLDER/$GATEWAY_FILE"
        return
    fi
    # The rest of the archive is read too: a closed pipe would look like a failure.
    gzip --test "$FOLDER/$MONGODUMP_FILE" && mongorestore_with '--dryRun --verbose || status=$?
        cat >/dev/null
        exit "${status:-0}"'
}

restore_mongodb() {
    if [ "$MEANS" = gateway ]; then
        "${GATEWAY_COMMAND[@]}" restore <"$FOLDER/$GATEWAY_FILE"
    else
        mongorestore_with ''
    fi
}

what_became_of_mongodb() {
    if [ "$MEANS" = gateway ]; then
        echo 'MongoDB was not restored'
    else
        echo 'mongorestore broke off, and MongoDB is neither as it was nor restored: restore again before a service starts'
    fi
}

# An archive with an oplog can only be restored as a whole: --oplogReplay allows neither --nsInclude nor
# --nsExclude.
mongorestore_with() {
    # shellcheck disable=SC2016
    with_mongodb 'mongorestore --config="$options" --oplogReplay --archive --gzip --drop '"$1" <"$FOLDER/$MONGODUMP_FILE"
}

main
