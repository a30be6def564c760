#!/usr/bin/env bash
# Ends the cluster: one process, and with it all others, their mounts and their network. Returns when no trace is left.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

if process="$(node_process)"; then
    kill -KILL "$process"
    # The relay removes the folder last.
    for _ in $(seq 150); do
        [[ -d "$STATE" ]] || break
        sleep 0.1
    done
fi
# Where the relay could not: after a crash of the machine, or when somebody ended it too.
python3 "$HERE/cgroups.py" remove "$CGROUP"
rm -rf "$STATE"
say "\"$CLUSTER\" is gone"
