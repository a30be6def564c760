#!/usr/bin/env bash
# Runs a command on the node, or a shell: `scripts/cluster/enter.sh iptables-save`, `enter.sh curl http://10.244.0.7:14101/metrics`.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
if [[ $# == 0 ]]; then set -- "${SHELL:-/bin/sh}"; fi
inside "$@"
