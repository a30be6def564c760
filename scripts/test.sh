#!/usr/bin/env bash
# Every test there is. The last line is `N passed, N failed, N skipped`.
#
# Where the machine can hold a node, the stories of tests/node run on one; WITHOUT_NODE=1 leaves them out.
# Cold, on two cores, it builds Kubernetes and Helm (once) and the workspace, one after the other: they would only
# take the cores from each other.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

passed=0 failed=0 skipped=0 skipped_themselves=0
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
export POINTSMAN_SKIPPED="$work/skipped"
export PYTHONDONTWRITEBYTECODE=1
# An error says by its causes where it comes from; sixty lines of frames would only bury them.
export RUST_BACKTRACE=0
touch "$POINTSMAN_SKIPPED" "$work/failures"

main() {
    step "tools"
    scripts/install.sh --toolchains
    scripts/install.sh cc=gcc ld=binutils flock=util-linux
    # Its test is skipped, visibly, where it cannot be had.
    scripts/install.sh skopeo=skopeo || true
    KUBEBUILDER_ASSETS="$(scripts/kubernetes.sh)"
    export KUBEBUILDER_ASSETS
    echo "Kubernetes API server: $KUBEBUILDER_ASSETS"
    scripts/tools.sh helm kubeconform >/dev/null
    local no_node="left out by WITHOUT_NODE=${WITHOUT_NODE:-}"
    [[ -n "${WITHOUT_NODE:-}" ]] || no_node="$(scripts/cluster/able.sh)"
    if [[ -n "$no_node" ]]; then
        export POINTSMAN_NODE_ABSENT="$no_node"
    else
        scripts/tools.sh kubernetes containerd coredns >/dev/null
    fi

    step "build"
    # The programs together with their tests: the same features, so that nothing is built twice.
    scripts/cargo.sh build --workspace --bins --tests

    step "rust tests"
    rust_tests
    step "a node"
    node_tests
    step "script tests"
    python_tests scripts/demo
    python_tests models/tools
    if [[ -x scripts/sdk-tests.sh ]]; then
        step "client libraries"
        counted_by_itself scripts/sdk-tests.sh
    fi

    if [[ -s "$work/failures" ]]; then
        step "failures"
        cat "$work/failures"
    fi
    if [[ -s "$POINTSMAN_SKIPPED" ]]; then
        step "skipped"
        cat "$POINTSMAN_SKIPPED"
    fi
    if [[ -n "$no_node" ]]; then
        echo
        echo "$(grep -cF ": $no_node" "$POINTSMAN_SKIPPED" || true) tests of the node suite skipped: $no_node"
    fi
    echo
    echo "$passed passed, $failed failed, $skipped skipped"
    [[ "$failed" == 0 ]]
}

step() { printf '\n== %s\n' "$*"; }

# count PASSED FAILED SKIPPED EXIT_STATUS: a run that failed without naming a test has failed once.
count() {
    local now_failed="$2"
    if [[ "$4" != 0 && "$now_failed" == 0 ]]; then now_failed=1; fi
    passed=$((passed + $1)) failed=$((failed + now_failed)) skipped=$((skipped + $3))
}

# All targets but the node suite, which brings a node.
rust_tests() {
    local status=0 log="$work/rust" targets
    targets="$(scripts/cargo.sh metadata --no-deps --format-version 1 | python3 -c '
import json, sys
targets = (target for package in json.load(sys.stdin)["packages"] for target in package["targets"])
print(*sorted({"--test=" + target["name"] for target in targets if target["kind"] == ["test"]} - {"--test=node"}))')"
    # shellcheck disable=SC2086  # one argument each
    scripts/cargo.sh test --workspace --no-fail-fast --lib --bins $targets 2>&1 | tee "$log" || status=$?
    scripts/cargo.sh test --workspace --no-fail-fast --doc 2>&1 | tee -a "$log" || status=$?
    # The instrument of the benchmarks is a workspace of its own.
    scripts/cargo.sh test --quiet --locked --manifest-path tests/bench/load/Cargo.toml 2>&1 | tee -a "$log" || status=$?
    count_rust "$log" "$status"
}

node_tests() {
    local status=0 log="$work/node"
    scripts/e2e.sh 2>&1 | tee "$log" || status=$?
    count_rust "$log" "$status"
}

# count_rust LOG EXIT_STATUS
count_rust() {
    local sums own now_passed now_failed now_ignored
    sums="$(sed -n 's/^test result: .* \([0-9]*\) passed; \([0-9]*\) failed; \([0-9]*\) ignored;.*/\1 \2 \3/p' "$1" \
        | awk '{ p += $1; f += $2; s += $3 } END { print p + 0, f + 0, s + 0 }')"
    read -r now_passed now_failed now_ignored <<<"$sums"
    # A test that skips itself is a passed one to Cargo.
    own="$(($(wc -l <"$POINTSMAN_SKIPPED") - skipped_themselves))"
    skipped_themselves="$((skipped_themselves + own))"
    count "$((now_passed - own))" "$now_failed" "$((now_ignored + own))" "$2"
    if [[ "$2" != 0 ]]; then failures "$1" >>"$work/failures"; fi
}

# failures LOG: which Rust tests failed and what they said, once more where nobody has to look for it.
failures() {
    { grep -E '^(error(\[|:)|test .* FAILED$)' "$1" || true; } | sort -u
    awk '/^Error: | panicked at / { left = 12 } left > 0 && !/^note: run with/ { print "    " $0 } { left -= 1 }' "$1"
}

# Python's unittest in a folder, if it has any.
python_tests() {
    compgen -G "$1/test_*.py" >/dev/null || return 0
    local status=0 log="$work/python" ran bad skips
    python3 -m unittest discover --start-directory "$1" >"$log" 2>&1 || status=$?
    cat "$log"
    ran="$(sed -n 's/^Ran \([0-9]*\) tests* in .*/\1/p' "$log")"
    bad="$(sed -n 's/^FAILED (\(.*\))$/\1/p' "$log" | grep -oE '(failures|errors)=[0-9]+' | cut -d= -f2 | awk '{ n += $1 } END { print n + 0 }' || true)"
    skips="$(grep -oE 'skipped=[0-9]+' "$log" | cut -d= -f2 | head -1 || true)"
    count "$((${ran:-0} - bad - ${skips:-0}))" "$bad" "${skips:-0}" "$status"
}

# A script whose last line is `N passed, N failed, N skipped`.
counted_by_itself() {
    local status=0 log="$work/counted" line
    "$@" 2>&1 | tee "$log" || status=$?
    line="$(grep -E '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' "$log" | tail -1 || true)"
    if [[ -z "$line" ]]; then status=1 line="0 passed, 0 failed, 0 skipped"; fi
    # shellcheck disable=SC2046  # three numbers, three arguments
    count $(grep -oE '[0-9]+' <<<"$line") "$status"
}

main "$@"
