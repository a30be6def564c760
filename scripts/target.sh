# Sourced: sets CARGO_TARGET_DIR to the one target folder that all scripts share, outside the checkout.
#
# Cargo names a workspace's own crates by their path inside it and takes them for fresh by time alone, so that two
# checkouts on one target folder would run each other's code. Whoever comes from another checkout than the last one has
# our own crates built anew; what they depend on stays.
if [[ -z "${CARGO_TARGET_DIR:-}" ]]; then
    CARGO_TARGET_DIR="${XDG_CACHE_HOME:-$HOME/.cache}/pointsman/target"
    export CARGO_TARGET_DIR
    pointsman_checkout="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)"
    mkdir -p "$CARGO_TARGET_DIR"
    if [[ "$(cat "$CARGO_TARGET_DIR/.checkout" 2>/dev/null)" != "$pointsman_checkout" ]]; then
        # Under Cargo's own lock: another checkout may be building.
        for pointsman_profile in "$CARGO_TARGET_DIR"/*/; do
            [[ -d "$pointsman_profile/.fingerprint" ]] || continue
            flock "$pointsman_profile/.cargo-lock" rm -rf "$pointsman_profile"/.fingerprint/pointsman-* 2>/dev/null \
                || rm -rf "$pointsman_profile"/.fingerprint/pointsman-*
        done
        unset pointsman_profile
        printf '%s\n' "$pointsman_checkout" >"$CARGO_TARGET_DIR/.checkout"
    fi
    unset pointsman_checkout
fi
