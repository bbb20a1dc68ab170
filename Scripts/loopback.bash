# Servers on the loopback interface, for scripts that start some: a free port, ready or not, stopped at the end.
# To be sourced.

# Milliseconds since the epoch.
now() {
    local time=${EPOCHREALTIME/[.,]/}
    printf '%s' $((time / 1000))
}

# A port nobody listens on, below the range that the kernel gives to clients.
free_port() {
    local port
    while true; do
        port=$((20000 + RANDOM % 12000))
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            printf '%s' "$port"
            return
        fi
    done
}

# The answer to GET, head and body: http HOST:PORT PATH [ACCEPT...]
http() {
    local host=$1 path=$2 connection type
    shift 2
    exec {connection}<>"/dev/tcp/${host%:*}/${host#*:}" || return 1
    {
        printf 'GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n' "$path" "$host"
        for type in "$@"; do printf 'Accept: %s\r\n' "$type"; done
        printf '\r\n'
    } >&"$connection"
    cat <&"$connection"
    exec {connection}>&-
}

# The sha256 of the manifest that a registry gives for a name: manifest_digest HOST:PORT REPOSITORY TAG
manifest_digest() {
    local answer
    answer=$(http "$1" "/v2/$2/manifests/$3" application/vnd.oci.image.{manifest,index}.v1+json \
        application/vnd.docker.distribution.manifest{,.list}.v2+json && printf x)
    [[ $answer == 'HTTP/1.1 200'* ]] || return 1
    answer=${answer#*$'\r\n\r\n'}
    printf 'sha256:%s' "$(printf '%s' "${answer%x}" | sha256sum | cut -d' ' -f1)"
}

# Starts COMMAND with its output in LOG, waits until HOST:PORT answers /v2/, and leaves its process id in $server and
# the milliseconds it took in $ready_after: serve HOST:PORT LOG COMMAND...
servers=()
server= ready_after=
serve() {
    local host=$1 log=$2 start
    shift 2
    start=$(now)
    "$@" >"$log" 2>&1 &
    server=$!
    servers+=("$server")
    until [[ $(http "$host" /v2/ 2>/dev/null) == 'HTTP/1.1 200'* ]]; do
        if ! kill -0 "$server" 2>/dev/null || (($(now) - start > 10000)); then
            printf 'no answer from %s; it said:\n' "$*" >&2
            cat "$log" >&2
            return 1
        fi
        sleep 0.01
    done
    ready_after=$(($(now) - start))
}

# Ends one server and waits for its end.
stop() {
    kill "$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
}

stop_all() {
    local process
    for process in "${servers[@]}"; do stop "$process"; done
    servers=()
}
