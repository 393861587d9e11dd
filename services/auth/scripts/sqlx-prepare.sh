#!/usr/bin/env bash
# Writes services/auth/.sqlx, what the checked queries need to know of the schema to be built without a database.
#
#   sqlx-prepare.sh            writes it anew
#   sqlx-prepare.sh --check    fails where it is not what the queries and migrations of this tree give
#
# Needs DATABASE_URL, a migrated database, or MIXDOWN_TEST_MYSQL_URL (mysql://user:password@host:port), a server to
# make a scratch database on with the `mariadb` or `mysql` client.
set -euo pipefail

crate=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
scratch=$(mktemp -d)
database=''

client() {
    local url_form='^mysql://([^:@/]*)(:([^@/]*))?@([^:/]+):([0-9]+)'
    [[ $MIXDOWN_TEST_MYSQL_URL =~ $url_form ]] || { echo "not understood: MIXDOWN_TEST_MYSQL_URL" >&2; return 1; }
    MYSQL_PWD=${BASH_REMATCH[3]} "$(command -v mariadb || command -v mysql)" --no-defaults --protocol=tcp \
        --user="${BASH_REMATCH[1]}" --host="${BASH_REMATCH[4]}" --port="${BASH_REMATCH[5]}" "$@"
}

clean() {
    [[ -z $database ]] || client --execute="DROP DATABASE IF EXISTS $database"
    rm -rf "$scratch"
}
trap clean EXIT

if [[ -z ${DATABASE_URL:-} ]]; then
    : "${MIXDOWN_TEST_MYSQL_URL:?set DATABASE_URL or MIXDOWN_TEST_MYSQL_URL}"
    database=auth_sqlx_prepare_$$
    client --execute="CREATE DATABASE $database"
    for migration in "$crate"/migrations/*.sql; do
        client "$database" <"$migration"
    done
    DATABASE_URL=${MIXDOWN_TEST_MYSQL_URL%/}/$database
fi
export DATABASE_URL

# The macros write what they learn when they are expanded; an up-to-date crate is not compiled, hence the touch.
touch "$crate/src/lib.rs"
SQLX_OFFLINE=false SQLX_OFFLINE_DIR=$scratch cargo check --quiet --release --package auth --lib
# So that the next build, without these variables, does not take over what was compiled against the database.
touch "$crate/src/lib.rs"

# The macros note which database they asked; its name differs from machine to machine and means nothing.
sed --in-place 's/"table": "[^".]*\./"table": "auth./' "$scratch"/query-*.json

if [[ ${1:-} == --check ]]; then
    diff --recursive --brief "$crate/.sqlx" "$scratch" || {
        echo "services/auth/.sqlx is out of date: run services/auth/scripts/sqlx-prepare.sh and commit it" >&2
        exit 1
    }
else
    mkdir -p "$crate/.sqlx"
    find "$crate/.sqlx" -name 'query-*.json' -delete
    cp "$scratch"/query-*.json "$crate/.sqlx/"
fi
