#!/bin/bash
# Starts build/slipgate with its data in the checkout: scripts/run.sh [--bots N]
# PORT, ADMIN_PORT and DATA come from the Makefile. With --bots, N bots race until interrupted, on a
# data directory of their own, and the server logs into a file there.
set -eu

: "${PORT:=8443}" "${ADMIN_PORT:=8080}" "${DATA:=$PWD/data}"
bots=0
if [ "${1:-}" = --bots ]; then
    bots=$2
    DATA=$DATA/demo
fi
mkdir -p "$DATA"
serve=(build/slipgate serve --set "data.dir=$DATA" --set "racing.port=$PORT"
    --set "admin.port=$ADMIN_PORT")

cat <<END
Join:  racing clients connect to this machine, port $PORT: TLS over TCP, and UDP on the same number.
       The certificate is self-signed; for pinning: build/slipgate certificate show --set data.dir=$DATA
Look:  http://127.0.0.1:$ADMIN_PORT/readyz   http://127.0.0.1:$ADMIN_PORT/metrics
Play:  build/slipgate bots --server 127.0.0.1:$PORT
Data:  $DATA
Stop:  Ctrl-C
END
if [ "$bots" -eq 0 ]; then
    exec "${serve[@]}"
fi

echo "Log:   $DATA/server.log"
"${serve[@]}" --set "log.file=$DATA/server.log" &
server=$!
# Ctrl-C reaches the server and the bots by themselves; a second signal would cut the server short.
interrupted=
trap 'interrupted=yes' INT
trap 'kill "$server" 2>/dev/null' TERM
accepts() {
    (exec 3<>"/dev/tcp/127.0.0.1/$PORT") 2>/dev/null
}
until accepts; do
    if ! kill -0 "$server" 2>/dev/null; then
        wait "$server"
        exit
    fi
    sleep 0.1
done
code=0
build/slipgate bots --server "127.0.0.1:$PORT" --players "$bots" --room-size "$bots" --rate 20 \
    --duration 0 || code=$?
[ -n "$interrupted" ] || kill "$server" 2>/dev/null || true
wait "$server" || code=$?
exit "$code"
