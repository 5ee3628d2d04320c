#!/bin/sh
# Brings Temporal's two databases to the schema of the server's version; safe to run again after an upgrade.
set -eu

: "${SQL_PASSWORD:?}"

update() {
    database=$1
    directory=$2
    tool="temporal-sql-tool --plugin postgres12 --ep postgres -p 5432 -u temporal --db $database"
    $tool setup-schema -v 0.0
    $tool update-schema -d "/etc/temporal/schema/postgresql/v12/$directory/versioned"
}

update temporal temporal
update temporal_visibility visibility
