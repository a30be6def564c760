#!/usr/bin/env bash
# The official OpenAI clients for Python and Node against the real `pointsman run`, with a provider that misbehaves.
#
# Prints how often each client called and for how long at every refusal. The last line is `N passed, N failed, N skipped`.
# Uses the debug build, and builds it where it is missing. A client whose language is missing here is a visible skip.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly CACHE="${XDG_CACHE_HOME:-$HOME/.cache}/pointsman"
. scripts/target.sh
export PYTHONDONTWRITEBYTECODE=1 PYTHONUTF8=1
readonly BINARY="$CARGO_TARGET_DIR/debug/pointsman" SDK=tests/sdk

passed=0 failed=0 skipped=0
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

main() {
    [[ -x "$BINARY" ]] || scripts/cargo.sh build -p pointsman-cli --bin pointsman
    if ! command -v python3 >/dev/null; then
        skip "client library for Python: python3 is not installed"
        skip "client library for Node: python3, which starts what it calls, is not installed"
    else
        # Each client has a stage of its own: what one does to budgets and circuits is not felt by the other.
        local python_client node_client="" node_run=""
        python_client="$(install_python)"
        python_tests "$python_client" >"$work/python.log" 2>&1 &
        local python_run=$!
        if command -v node >/dev/null && command -v npm >/dev/null; then
            node_client="$(install_node)"
            node_tests "$node_client" >"$work/node.log" 2>&1 &
            node_run=$!
        fi
        local status=0
        wait "$python_run" || status=$?
        cat "$work/python.log"
        count_python "$status"
        if [[ -n "$node_run" ]]; then
            status=0
            wait "$node_run" || status=$?
            cat "$work/node.log"
            count_node "$status"
        else
            skip "client library for Node: node and npm are not installed"
        fi
        echo
        python3 $SDK/table.py "$work"/*.jsonl || failed=$((failed + 1))
    fi
    echo
    echo "$passed passed, $failed failed, $skipped skipped"
    [[ "$failed" == 0 ]]
}

skip() {
    skipped=$((skipped + 1))
    echo "SKIPPED: $*" | tee -a "${POINTSMAN_SKIPPED:-/dev/null}" >&2
}

# Prints the folder of the installed client; one per content of the list of packages.
install_python() {
    local folder
    folder="$CACHE/sdk/python-$(key $SDK/requirements.txt)"
    if [[ ! -e "$folder/complete" ]]; then
        rm -rf "$folder"
        python3 -m venv "$folder" >&2
        "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --requirement $SDK/requirements.txt >&2
        touch "$folder/complete"
    fi
    echo "$folder"
}

install_node() {
    local folder
    folder="$CACHE/sdk/node-$(key $SDK/package.json $SDK/package-lock.json)"
    if [[ ! -e "$folder/complete" ]]; then
        rm -rf "$folder"
        mkdir -p "$folder"
        cp $SDK/package.json $SDK/package-lock.json "$folder"
        (cd "$folder" && npm ci --no-audit --no-fund --loglevel=error >&2)
        touch "$folder/complete"
    fi
    echo "$folder"
}

key() { cat "$@" | sha256sum | cut -c1-12; }

stage() {
    touch "$1"
    python3 $SDK/stage.py "$BINARY" "$@"
}

python_tests() {
    stage "$work/python.jsonl" "$1/bin/python" -m unittest discover --verbose --start-directory $SDK/python
}

node_tests() {
    export POINTSMAN_SDK_NODE="$1"
    stage "$work/node.jsonl" node --test --test-concurrency=4 --test-reporter=tap $SDK/node/*.test.mjs
}

# count PASSED FAILED SKIPPED EXIT_STATUS: a run that failed without naming a test has failed once.
count() {
    local now_failed="$2"
    if [[ "$4" != 0 && "$now_failed" == 0 ]]; then now_failed=1; fi
    passed=$((passed + $1)) failed=$((failed + now_failed)) skipped=$((skipped + $3))
}

count_python() {
    local ran bad
    ran="$(sed -n 's/^Ran \([0-9]*\) tests* in .*/\1/p' "$work/python.log")"
    bad="$(sed -n 's/^FAILED (\(.*\))$/\1/p' "$work/python.log" | tr ',' '\n' | awk -F= '/failures|errors/ { n += $2 } END { print n + 0 }')"
    count "$((${ran:-0} - bad))" "$bad" 0 "$1"
}

count_node() {
    local good bad
    good="$(sed -n 's/^# pass \([0-9]*\)$/\1/p' "$work/node.log")"
    bad="$(sed -n 's/^# fail \([0-9]*\)$/\1/p' "$work/node.log")"
    count "${good:-0}" "${bad:-0}" 0 "$1"
}

main "$@"
