#!/bin/sh
# Makes roles, users and their bounds on a ClickHouse server; can be run again. Needs
# clickhouse-client, and the right to manage access:
#   ANALYST_PASSWORD=… STEWARD_PASSWORD=… PIPELINE_PASSWORD=… sh warehouse/access/apply.sh --host … --user …
set -eu
folder=${ACCESS_FOLDER:-$(dirname "$0")}
for file in "$folder"/00*.sql; do
  clickhouse-client "$@" \
    --param_analyst_password="${ANALYST_PASSWORD:?is not set}" \
    --param_steward_password="${STEWARD_PASSWORD:?is not set}" \
    --param_pipeline_password="${PIPELINE_PASSWORD:?is not set}" \
    --queries-file "$file"
done
