#!/usr/bin/env bash
# Cargo with the one target folder that all scripts share, outside the checkout.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/target.sh"
exec cargo "$@"
