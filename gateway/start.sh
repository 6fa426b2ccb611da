#!/bin/bash
# In a container: fill in the configuration as `make up` does, run Nginx, and follow the names:
# Nginx asks for an address once, and a container that was started again may have another.
set -euo pipefail
umask 077

dir=/var/spool/gateway
secrets=${SECRETS_DIR:-/run/secrets}
source=/etc/gateway
nowhere=127.0.0.1:9 # nobody listens there: 503 until the name is known
provider=$nowhere
console=$nowhere
nginx=

look_up() {
    local address kind name
    while read -r address kind name; do
        # Of the lines of one name the first alone ends with it.
        case $name in
            provider) provider=$address:8081 ;;
            minio) console=$address:9001 ;;
        esac
    done < <(RES_OPTIONS='timeout:1 attempts:1' getent ahostsv4 provider minio)
}

render() {
    local text
    text=$(<"$1")
    text=${text//'${GATEWAY_DIR}'/"$dir"}
    text=${text//'${GATEWAY_ADDRESS}'/8080}
    text=${text//'${PROVIDER_ADDRESS}'/"$provider"}
    text=${text//'${CONSOLE_ADDRESS}'/"$console"}
    text=${text//'${GATEWAY_CONNECTIONS}'/"${GATEWAY_CONNECTIONS:-1024}"}
    text=${text//'${NJS_MODULE}'/"/usr/lib/nginx/modules/ngx_http_js_module.so"}
    text=${text//'${IDENTITY_JS}'/"$source/identity.js"}
    printf '%s\n' "$text"
}

digest() {
    printf '%s' "$(<"$secrets/$1")" | sha256sum | cut -d ' ' -f 1
}

configure() {
    render "$source/nginx.conf" > "$dir/nginx.conf"
    render "$source/console.conf" > "$dir/servers/console.conf"
    printf '"%s" "%s";\n' "$(digest api-key)" default "$(digest prove-api-key)" prove \
        > "$dir/api-keys.map"
    for function in image-upload image-classifier image-results; do
        printf '%s "%s";\n' "$function" "$(<"$secrets/$function-key")"
    done > "$dir/function-keys.map"
}

stop() {
    [[ -z $nginx ]] || { kill -QUIT "$nginx" && wait "$nginx"; } || true
    exit 0
}

# What a killed Nginx left: bodies of requests that nobody answers any more.
rm -rf "${dir:?}"/*
mkdir -p "$dir/tmp" "$dir/servers"
trap stop TERM INT
look_up
configure
nginx -p "$dir" -c "$dir/nginx.conf" -g 'daemon off;' &
nginx=$!
while kill -0 "$nginx" 2> /dev/null; do
    sleep 1 &
    wait $! || true
    before="$provider $console"
    look_up
    if [[ $before != "$provider $console" ]]; then
        configure
        kill -HUP "$nginx"
    fi
done
wait "$nginx"
