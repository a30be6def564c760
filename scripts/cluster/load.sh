#!/usr/bin/env bash
# Gives images to the node: `scripts/cluster/load.sh ARCHIVE.tar …` (OCI archives, as `make images` writes them).
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
[[ $# -gt 0 ]] || fail "name at least one OCI archive"
ctr="$("$HERE/../tools.sh" containerd)/ctr"
for archive in "$@"; do
    inside "$ctr" -a /run/containerd/containerd.sock -n k8s.io images import --local "$(realpath "$archive")" >&2
done
