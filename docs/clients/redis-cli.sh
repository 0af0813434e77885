#!/bin/sh
# redis-cli through the tunnel, in a script: a connection for each command.
export REDISCLI_AUTH="${REDIS_PASSWORD:-}" # seen by nobody, unlike -a
number=1
while :; do
    reply=$(redis-cli -h "${REDIS_HOST:-127.0.0.1}" -p "${REDIS_PORT:-6379}" SET example:redis-cli "$number" 2>&1)
    if [ "$reply" = OK ]; then
        echo "$number"
        number=$((number + 1))
        sleep 0.1
    else
        echo "trying again: $(echo "$reply" | head -n 1)"
        sleep 0.2
    fi
done
