# Sourced: where a cluster lies, and what its scripts share. CLUSTER names one of several.
readonly CLUSTER="${CLUSTER:-pointsman}"
readonly HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
readonly CACHE="${XDG_CACHE_HOME:-$HOME/.cache}/pointsman"
readonly STATE="$CACHE/clusters/$CLUSTER"
readonly CGROUP="pointsman-$CLUSTER"

say() { echo "cluster: $*" >&2; }
fail() { say "$@"; exit 1; }

# The process whose end is the cluster's end, if it runs.
node_process() {
    local process
    process="$(cat "$STATE/pid" 2>/dev/null)" || return 1
    # The number may have gone to somebody else since.
    tr '\0' ' ' <"/proc/$process/cmdline" 2>/dev/null | grep -qF -- "--state $STATE" || return 1
    echo "$process"
}

# Process 1 inside: whose namespaces are the node's.
inside_process() {
    local node
    node="$(node_process)" && tr -d ' ' <"/proc/$node/task/$node/children"
}

# inside COMMAND …: on the node, with its tools on the path.
inside() {
    local process
    process="$(inside_process)" || fail "there is no cluster \"$CLUSTER\"; make one with \`make cluster\`"
    nsenter --target "$process" --mount --net --pid --ipc --uts -- "$@"
}
