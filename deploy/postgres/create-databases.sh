#!/bin/sh
# Runs once, when PostgreSQL's volume is empty: Temporal gets its own role and databases, so that neither side can
# read the other's tables.
set -eu

: "${TEMPORAL_DB_PASSWORD:?}"

psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
    --set password="$TEMPORAL_DB_PASSWORD" --set app_role="$POSTGRES_USER" <<'SQL'
CREATE ROLE temporal LOGIN PASSWORD :'password';
CREATE DATABASE temporal OWNER temporal;
CREATE DATABASE temporal_visibility OWNER temporal;
REVOKE CONNECT ON DATABASE temporal, temporal_visibility FROM PUBLIC;
REVOKE CONNECT ON DATABASE :"app_role" FROM PUBLIC;
SQL
