#!/bin/sh
# Creates the namespace and registers the search attributes that workflows carry; safe to run again.
set -eu

namespace=${TEMPORAL_NAMESPACE:?}

attempt=1
until temporal operator cluster health >/dev/null 2>&1; do
    [ "$attempt" -lt 30 ] || { echo "Temporal at $TEMPORAL_ADDRESS did not become healthy" >&2; exit 1; }
    attempt=$((attempt + 1))
    sleep 2
done

temporal operator namespace describe --namespace "$namespace" >/dev/null 2>&1 ||
    temporal operator namespace create --namespace "$namespace" --retention "${TEMPORAL_RETENTION:?}"

# A namespace that was just made is not known to every part of the server at once.
attempt=1
until known=$(temporal operator search-attribute list --namespace "$namespace" 2>/dev/null); do
    [ "$attempt" -lt 30 ] || { echo "Namespace $namespace did not become readable" >&2; exit 1; }
    attempt=$((attempt + 1))
    sleep 2
done

for attribute in ${REKINDLE_SEARCH_ATTRIBUTES:?}; do
    name=${attribute%%=*}
    type=${attribute#*=}
    echo "$known" | grep -q "^ *$name  *$type" ||
        temporal operator search-attribute create --namespace "$namespace" --name "$name" --type "$type"
done
