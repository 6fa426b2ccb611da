#!/bin/bash
# In a container: fill in the configuration as `make up` does, run Nginx, and follow the names:
# Nginx asks for an address once, and a container that was started again may have another.
set -euo pipefail
umask 077

export GATEWAY_DIR=/var/spool/gateway
export GATEWAY_ADDRESS=8080
export NJS_MODULE=/usr/lib/nginx/modules/ngx_http_js_module.so
export KEYS_DIR=/keys
export KEYS_USED_DIR=/keys-used
export FUNCTION_KEYS_DIR=${SECRETS_DIR:-/run/secrets}
export TLS_PAIR=$GATEWAY_DIR/tls/pair.pem
export TLS_PORT=${GATEWAY_PORT:-8080}
export GATEWAY_HTTP_ADDRESS=8081
nowhere=127.0.0.1:9 # nobody listens there: 503 until the name is known
# Who is where, as NAME:PORT; on Kubernetes the chart says others. Without CONSOLE none is shown.
declare -A names=([PROVIDER]=${PROVIDER:-provider:8081})
[[ -z ${CONSOLE-minio:9001} ]] || names[CONSOLE]=${CONSOLE-minio:9001}
# Only where OpenFaaS' own gateway has no queue of ours behind it does Nginx itself ask the queue.
[[ -z ${ASYNC_CALLS:-} ]] || names[ASYNC_CALLS]=$ASYNC_CALLS
# Only where an issuer is named is anybody asked about bearer tokens.
[[ -z ${OIDC_ISSUER:-} ]] || names[OIDC]=${TOKEN_VERIFIER:-token-verifier:8085}
for part in "${!names[@]}"; do
    export "${part}_ADDRESS=$nowhere"
done
nginx=

# With docker-compose.tls.yml: what is in /tls now is shown from the next handshake on.
tls_seen=
show_certificate() {
    local now
    [[ ${TLS:-0} == 1 ]] || return 0
    now=$(stat -L -c '%i %Y %s' /tls/certificate.pem /tls/key.pem 2>&1) || true
    [[ $now != "$tls_seen" ]] || return 0
    tls_seen=$now
    python3 -m gateway.pair /tls/certificate.pem /tls/key.pem "$TLS_PAIR"
}

look_up() {
    local address part
    for part in "${!names[@]}"; do
        # What is not known now is where it was.
        read -r address _ < <(RES_OPTIONS='timeout:1 attempts:1' getent ahostsv4 "${names[$part]%:*}") || continue
        printf -v "${part}_ADDRESS" %s "$address:${names[$part]##*:}"
    done
}

known() {
    local part
    for part in "${!names[@]}"; do
        printenv "${part}_ADDRESS"
    done
}

stop() {
    [[ -z $nginx ]] || { kill -QUIT "$nginx" && wait "$nginx"; } || true
    exit 0
}

# What a killed Nginx left: bodies of requests that nobody answers any more.
rm -rf "${GATEWAY_DIR:?}"/*
trap stop TERM INT
look_up
show_certificate
python3 -m gateway.render
nginx -p "$GATEWAY_DIR" -c "$GATEWAY_DIR/nginx.conf" -g 'daemon off;' &
nginx=$!
while kill -0 "$nginx" 2> /dev/null; do
    sleep 1 &
    wait $! || true
    show_certificate || echo 'the certificate before is shown on' >&2
    before=$(known)
    look_up
    if [[ $before != "$(known)" ]]; then
        python3 -m gateway.render
        kill -HUP "$nginx"
    fi
done
wait "$nginx"
