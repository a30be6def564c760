#!/usr/bin/env bash
# The node suite: makes a cluster of its own, installs the chart with the build under test, runs tests/node, and ends it all.
#
# Arguments go to the tests: `scripts/e2e.sh the_shop`. Where this machine cannot hold a node, every story says that it is
# skipped, and why; where the node does not come up, every story fails.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export CLUSTER="e2e-$$"
readonly CACHE="${XDG_CACHE_HOME:-$HOME/.cache}/pointsman"

say() { echo "e2e: $*" >&2; }

main() {
    local status=0
    # As scripts/test.sh has it: with other features, half of the workspace would be built anew.
    scripts/cargo.sh build --workspace --bins --tests
    if [[ -z "${POINTSMAN_NODE_ABSENT:-}" ]]; then
        prepare || export POINTSMAN_NODE_BROKEN="the node could not be prepared; why stands above the tests"
    fi
    # A thread for each: which of them run side by side is their own affair (tests/node/node.rs).
    scripts/cargo.sh test --workspace --test node -- --nocapture --test-threads=32 "$@" || status=$?
    if [[ "$status" != 0 && -n "${POINTSMAN_NODE_KUBECONFIG:-}" ]]; then explain; fi
    exit "$status"
}

# Each step says by itself why it failed.
prepare() {
    local why version
    why="$(scripts/cluster/able.sh)"
    if [[ -n "$why" ]]; then
        export POINTSMAN_NODE_ABSENT="$why"
        say "no node here: $why"
        return
    fi
    sweep
    readonly BEFORE="$(traces)"
    trap end EXIT
    scripts/images.sh test shop >&2 || return
    POINTSMAN_NODE_KUBERNETES="$(scripts/tools.sh kubernetes)" || return
    POINTSMAN_NODE_HELM="$(scripts/tools.sh helm)" || return
    POINTSMAN_NODE_CONTAINERD="$(scripts/tools.sh containerd)" || return
    scripts/cluster/up.sh "$CACHE/images/test.tar" "$CACHE/images/shop.tar" >&2 || return
    export POINTSMAN_NODE_KUBERNETES POINTSMAN_NODE_HELM POINTSMAN_NODE_CONTAINERD
    export POINTSMAN_NODE_KUBECONFIG="$CACHE/clusters/$CLUSTER/kubeconfig"
    # As a user would; figures come often, so that tests need not wait for them.
    version="$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -1)"
    if ! KUBECONFIG="$POINTSMAN_NODE_KUBECONFIG" make --no-print-directory install \
        IMAGE="pointsman.dev/pointsman:$version" \
        ARGS="--timeout 180s --set operator.figuresInterval=500ms --set operator.ledgerInterval=1s" >&2; then
        explain
        return 1
    fi
}

# Where a node could leave something on this machine: links, mounts, cgroups, the packet filter.
traces() {
    cut -d: -f1 /proc/net/dev
    awk '{ print $5, $(NF - 2) }' /proc/self/mountinfo
    find /sys/fs/cgroup -name "*$CLUSTER*" 2>/dev/null || true
    if [[ "$(id -u)" == 0 ]] && command -v iptables-save >/dev/null; then iptables-save | sed -e '/^#/d' -e 's/\[[0-9:]*\]//'; fi
}

# Ends the node; a trace of it is a failure.
end() {
    local status=$?
    scripts/cluster/down.sh
    local left
    left="$(comm -13 <(sort <<<"$BEFORE") <(traces | sort))"
    if [[ -n "$left" ]]; then
        say "the node has left these traces on the machine:"
        echo "$left" >&2
        exit 1
    fi
    exit "$status"
}

# Nodes whose run was killed before it could end them.
sweep() {
    local folder name
    for folder in "$CACHE"/clusters/e2e-[0-9]*; do
        name="${folder##*/}"
        # A process that nobody has buried yet has a folder in /proc and no command line.
        [[ ! -d "$folder" ]] || grep -qaF e2e.sh "/proc/${name#e2e-}/cmdline" 2>/dev/null \
            || CLUSTER="$name" scripts/cluster/down.sh || true
    done
}

# What one wants to see after a failure, before it is gone.
explain() {
    local kubectl="$POINTSMAN_NODE_KUBERNETES/kubectl"
    export KUBECONFIG="$POINTSMAN_NODE_KUBECONFIG"
    {
        "$kubectl" get pods -A -o wide
        "$kubectl" get events -A --sort-by=.lastTimestamp | tail -30
        "$kubectl" -n pointsman-system logs deployment/pointsman --tail=60
    } >&2 || true
}

main "$@"
