#!/usr/bin/env bash
# What a developer runs before a commit: everything but the tests that need a cluster. Tells all problems at once.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly DENY_VERSION=0.20.2
readonly TOOLS="${XDG_CACHE_HOME:-$HOME/.cache}/pointsman/tools"
problems=()

main() {
    local crate
    check "format" scripts/cargo.sh fmt --all --check
    check "lints" scripts/cargo.sh clippy --workspace --all-targets -- -D warnings
    check "unit tests" scripts/cargo.sh test --workspace --exclude pointsman-tests --exclude pointsman-test-support
    check "test support" scripts/cargo.sh test -p pointsman-test-support -- --skip control_plane
    check "house rules" scripts/cargo.sh test -p pointsman-tests --test house --test docs
    check "documentation" env RUSTDOCFLAGS="-D warnings" scripts/cargo.sh doc --workspace --no-deps
    check "manifests are fresh" scripts/cargo.sh run --quiet -p pointsman-crds --bin crdgen -- --check
    check "dependencies" dependencies
    check "advisories" advisories
    for crate in $(crates); do
        check "$crate alone" scripts/cargo.sh check --quiet -p "$crate"
    done
    check "examples" examples
    check "scripts" bash -n scripts/*.sh .ci/run

    echo
    if [[ ${#problems[@]} -gt 0 ]]; then
        echo "Not clean: $(IFS=,; echo "${problems[*]}")"
        exit 1
    fi
    echo "Clean."
}

check() {
    local name="$1"
    shift
    printf '\n== %s\n' "$name"
    "$@" || problems+=(" $name")
}

crates() {
    scripts/cargo.sh metadata --no-deps --format-version 1 | python3 -c 'import json, sys
for package in json.load(sys.stdin)["packages"]: print(package["name"])'
}

# Licences, sources, duplicates.
dependencies() {
    deny_tool && "$TOOLS/cargo-deny-$DENY_VERSION/bin/cargo-deny" check --hide-inclusion-graph bans licenses sources
}

# Known vulnerabilities come from a database on the network; without it, this check is left out, visibly.
advisories() {
    deny_tool || return
    local log
    log="$("$TOOLS/cargo-deny-$DENY_VERSION/bin/cargo-deny" check advisories 2>&1)" && return
    if grep -q "failed to fetch advisory database" <<<"$log"; then
        echo "SKIPPED: the advisory database cannot be reached"
        return
    fi
    echo "$log"
    return 1
}

# cargo-deny is built once per version, outside the checkout; that takes minutes.
deny_tool() {
    local target="$TOOLS/cargo-deny-$DENY_VERSION"
    [[ -x "$target/bin/cargo-deny" ]] && return
    echo "building cargo-deny $DENY_VERSION once (some minutes)"
    cargo install cargo-deny --quiet --locked --version "$DENY_VERSION" --root "$target"
}

examples() {
    local folder
    for folder in examples/*/; do
        scripts/cargo.sh run --quiet -p pointsman-cli --bin pointsman -- check "$folder" || return
    done
}

main "$@"
