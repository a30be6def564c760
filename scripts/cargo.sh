#!/usr/bin/env bash
# Cargo with the one target folder that all scripts share, outside the checkout.
set -euo pipefail
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/pointsman/target}"
exec cargo "$@"
