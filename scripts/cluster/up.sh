#!/usr/bin/env bash
# A whole one-node Kubernetes on this machine, in namespaces of its own: the host's network, iptables and mounts stay as they are.
#
# Everything runs under one process; when that ends, so does all of it. Images given as arguments (OCI archives) are on
# the node from the start. CLUSTER names one of several, PORT asks for a port of the host's loopback.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# More than the node itself grants any one of its parts (node.py), so that it is the node who says what was missing.
readonly PATIENCE_S=300

main() {
    local why node port begun
    why="$("$HERE/able.sh")"
    [[ -z "$why" ]] || fail "$why. Any other cluster works too: \`make install IMAGE=…\` uses the current kubeconfig."
    "$HERE/../install.sh" runc=runc iptables=iptables ip=iproute2 conntrack=conntrack openssl=openssl flock=util-linux
    [[ -x "$(cni_plugins)/bridge" ]] || apt_get_plugins
    if node_process >/dev/null; then
        say "\"$CLUSTER\" runs already"
        report
        return
    fi
    local kubernetes containerd coredns
    kubernetes="$("$HERE/../tools.sh" kubernetes)"
    containerd="$("$HERE/../tools.sh" containerd)"
    coredns="$("$HERE/../tools.sh" coredns)"
    "$HERE/../images.sh" pause >/dev/null

    begun="$(date +%s%N)"
    rm -rf "$STATE"
    mkdir -p "$STATE"/{pki,log}
    "$HERE/certificates.sh" "$STATE/pki" 10.244.0.1 10.96.0.1
    python3 "$HERE/cgroups.py" make "$CGROUP"
    setsid unshare --fork --pid --mount-proc --net --mount --ipc --uts --kill-child \
        python3 -B "$HERE/node.py" --state "$STATE" --kubernetes "$kubernetes" --containerd "$containerd" \
        --coredns "$coredns" --cni-plugins "$(cni_plugins)" --cgroup "/$CGROUP" \
        "$CACHE/images/pause.tar" "$@" </dev/null >"$STATE/log/node.log" 2>&1 &
    node=$!
    echo "$node" >"$STATE/pid"
    setsid python3 -B "$HERE/relay.py" --node "$node" --state "$STATE" --cgroup "$CGROUP" --port "${PORT:-0}" \
        </dev/null >"$STATE/log/relay.log" 2>&1 &
    wait_for "$STATE/ready" "$node"
    wait_for "$STATE/port" "$node"
    port="$(cat "$STATE/port")"
    sed "s|https://10.244.0.1:6443|https://127.0.0.1:$port|" "$STATE/pki/admin.kubeconfig" >"$STATE/kubeconfig"
    say "\"$CLUSTER\" is ready after $((($(date +%s%N) - begun) / 1000000)) ms"
    report
}

cni_plugins() {
    local folder
    for folder in /usr/lib/cni /opt/cni/bin; do
        [[ ! -x "$folder/bridge" ]] || { echo "$folder"; return; }
    done
}

# The plugins are no commands on the path.
apt_get_plugins() {
    "$HERE/../install.sh" cni-bridge-plugin=containernetworking-plugins
    [[ -x "$(cni_plugins)/bridge" ]] || fail "the package containernetworking-plugins brought no bridge plugin"
}

# wait_for FILE NODE: a node that ends says why in its log, which is gone a moment later.
wait_for() {
    local log="" deadline=$((SECONDS + PATIENCE_S))
    while [[ ! -e "$1" ]]; do
        log="$(cat "$STATE"/log/{node,relay}.log 2>/dev/null || true)"
        kill -0 "$2" 2>/dev/null || { echo "$log" >&2; fail "the node ended while it started; its log stands above"; }
        if ((SECONDS > deadline)); then
            kill -KILL "$2"
            echo "$log" >&2
            fail "the node had not started after $PATIENCE_S s and was ended; its log stands above"
        fi
        sleep 0.05
    done
}

report() {
    local kubernetes helm_hint
    kubernetes="$("$HERE/../tools.sh" kubernetes)"
    helm_hint="$("$HERE/../tools.sh" helm)"
    cat <<END

  export KUBECONFIG=$STATE/kubeconfig
  export PATH=$kubernetes:$helm_hint:\$PATH

  kubectl get pods -A                     see what runs
  scripts/cluster/load.sh ARCHIVE.tar     give it an image
  scripts/cluster/enter.sh                a shell on the node
  make cluster-down                       end it (or: kill -KILL $(node_process))
END
}

main "$@"
