#!/bin/sh
# Run once, by the PostgreSQL image on an empty volume, as its superuser: the extension, and two logins without
# superuser rights whose passwords are those in the desk's two database URLs.
set -eu
secrets=${SECRETS:-/run/secrets}

password_in() {
  found=$(sed -nE 's|^[a-z+]+://[^:@/]+:([0-9A-Za-z]+)@.*$|\1|p' "$secrets/$1")
  if [ -z "$found" ]; then
    echo "database_roles: $secrets/$1 must read postgresql://LOGIN:PASSWORD@HOST:5432/desk, letters and digits" >&2
    exit 1
  fi
  echo "$found"
}

PIPELINE_PASSWORD=$(password_in desk_database_url)
OWNER_PASSWORD=$(password_in desk_database_admin_url)
export PIPELINE_PASSWORD OWNER_PASSWORD

psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
\getenv owner_password OWNER_PASSWORD
\getenv pipeline_password PIPELINE_PASSWORD
\getenv database POSTGRES_DB
BEGIN;
CREATE ROLE desk_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE desk_pipeline LOGIN PASSWORD :'pipeline_password';
ALTER DATABASE :"database" OWNER TO desk_owner;
CREATE EXTENSION vector;
COMMIT;
SQL
