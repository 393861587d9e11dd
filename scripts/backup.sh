#!/usr/bin/env bash
# Dumps the accounts (MySQL) and the jobs and files (MongoDB) into a new folder, while everything runs.
#
#   MYSQL_URL=… MONGODB_URL=… scripts/backup.sh FOLDER
#
# The URLs are the services' own settings; MYSQL_URL_FILE and MONGODB_URL_FILE may name files that hold them. mysqldump and
# mongodump are taken from the PATH, or from where MYSQL_TOOLS and MONGODB_TOOLS run commands, such as
# "kubectl --namespace mixdown exec --stdin mysql-0 --".
set -euo pipefail

# shellcheck source=scripts/stores.sh
source "$(dirname "${BASH_SOURCE[0]}")/stores.sh"

FOLDER="${1:?into which folder?}"

main() {
    [ ! -e "$FOLDER" ] || fail "$FOLDER is there already"
    read_addresses
    umask 077
    # An interrupted backup must not be taken for one.
    rm -rf "$FOLDER.unfinished"
    mkdir -p "$FOLDER.unfinished"

    echo 'Dumping MySQL'
    dump_mysql </dev/null | gzip >"$FOLDER.unfinished/mysql.sql.gz"
    echo 'Dumping MongoDB'
    dump_mongodb </dev/null >"$FOLDER.unfinished/mongodb.archive.gz"

    mv "$FOLDER.unfinished" "$FOLDER"
    du -sh "$FOLDER"
}

# As of one moment, and without locks. BINARY columns are not text.
dump_mysql() {
    # shellcheck disable=SC2016 # expanded where the tools run
    with_mysql '
        gtid=$(mysqldump --help | grep -o -m 1 -e "--set-gtid-purged" | head -n 1)
        mysqldump --defaults-extra-file="$options" --single-transaction --hex-blob --no-tablespaces ${gtid:+"$gtid=OFF"} "$1"'
}

# With what is written meanwhile (--oplog), so that files and jobs are of one moment too.
dump_mongodb() {
    # shellcheck disable=SC2016
    with_mongodb 'mongodump --config="$options" --oplog --archive --gzip --quiet'
}

main
