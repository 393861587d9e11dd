#!/usr/bin/env bash
# Puts a backup of scripts/backup.sh in place of what the databases hold. Stop the services first; docs/OPERATIONS.md says
# how. The settings are those of scripts/backup.sh.
#
#   MYSQL_URL=… MONGODB_URL=… scripts/restore.sh FOLDER
set -euo pipefail

# shellcheck source=scripts/stores.sh
source "$(dirname "${BASH_SOURCE[0]}")/stores.sh"

FOLDER="${1:?from which folder?}"

main() {
    gzip --test "$FOLDER/mysql.sql.gz" "$FOLDER/mongodb.archive.gz" || fail "$FOLDER is no whole backup"
    read_addresses
    echo 'Restoring MySQL'
    gunzip --stdout "$FOLDER/mysql.sql.gz" | restore_mysql
    echo 'Restoring MongoDB'
    restore_mongodb <"$FOLDER/mongodb.archive.gz"
    echo 'Done. Now `auth migrate`, in case the backup is of an older release, and start the services.'
}

restore_mysql() {
    # shellcheck disable=SC2016 # expanded where the tools run
    with_mysql 'mysql --defaults-extra-file="$options" "$1"'
}

# Accounts of the server itself are not the backup's to change.
restore_mongodb() {
    # shellcheck disable=SC2016
    with_mongodb 'mongorestore --config="$options" --oplogReplay --archive --gzip --drop --quiet \
        --nsExclude="admin.*" --nsExclude="config.*"'
}

main
