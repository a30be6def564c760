#!/usr/bin/env bash
# Counts at the gates, compares the sidecar with nginx and a bare hyper proxy, and says PASS or FAIL for each gate.
#
#   scripts/bench.sh [--gates] [--rounds N] [--write]
#
# --gates     only the gates (instructions, system calls, allocations; decisions and scores): about four minutes
# --rounds N  rounds of the comparison, 5 unless told
# --write     puts the results into docs/benchmarks.md
#
# Everything runs on loopback and ends with the script. Exits 1 where a gate fails.
set -euo pipefail

readonly ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
readonly CACHE="${XDG_CACHE_HOME:-$HOME/.cache}/pointsman"
readonly BENCH="$ROOT/tests/bench" RESULT="$CACHE/bench/latest.json"
. "$ROOT/scripts/target.sh"

say() { echo "bench: $*" >&2; }
wrong_usage() { say "$@"; sed -n '4,8s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2; }

main() {
    local rounds=5 write=no
    while (($#)); do
        case "$1" in
        --gates) rounds=0 ;;
        --rounds)
            [[ "${2:-}" =~ ^[1-9][0-9]?$ ]] || wrong_usage "--rounds takes a number from 1 to 99"
            rounds="$2" && shift ;;
        --write) write=yes ;;
        *) wrong_usage "unknown option $1" ;;
        esac
        shift
    done
    [[ $write == no || $rounds -gt 0 ]] || wrong_usage "--write needs the comparison: leave --gates out"

    have valgrind || install valgrind
    have strace || install strace
    build
    mkdir -p "$CACHE/bench"
    local options=(--decide "$(bench_of decide)" --score "$(bench_of score)" --pointsman "$CARGO_TARGET_DIR/release/pointsman" --bare "$CARGO_TARGET_DIR/release/pointsman-bench-bare"
        --limits "$BENCH/gates.json" --rounds "$rounds" --json "$RESULT")
    if ((rounds)); then
        find_nginx
        [[ -n $NGINX ]] && options+=(--nginx "$NGINX") || options+=(--skipped "nginx: $NGINX_MISSING")
    fi

    local outcome=0
    rm -f "$RESULT"
    "$CARGO_TARGET_DIR/release/pointsman-bench" run "${options[@]}" || outcome=$?
    [[ -f $RESULT ]] || exit 1
    say "the figures are in $RESULT"
    if [[ $write == yes ]]; then
        "$CARGO_TARGET_DIR/release/pointsman-bench" page "$RESULT" "$ROOT/docs/benchmarks.md"
        say "wrote docs/benchmarks.md"
    fi
    exit "$outcome"
}

have() { command -v "$1" >/dev/null; }

# Whoever may not install is told by the gate what is missing.
install() {
    [[ $(id -u) == 0 ]] && have apt-get || { say "$1 is missing and cannot be installed without root and apt-get"; return 0; }
    say "installing $1"
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$1" >&2 || {
        apt-get update -q >&2 && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$1" >&2
    } || say "$1 could not be installed"
}

build() {
    say "building (a release build of the sidecar takes minutes the first time)"
    cargo build --release --quiet --locked --manifest-path "$BENCH/bare/Cargo.toml"
    cargo build --release --quiet --locked --manifest-path "$BENCH/load/Cargo.toml"
    cargo build --release --quiet --manifest-path "$ROOT/Cargo.toml" -p pointsman-cli --bin pointsman
    cargo bench --quiet --manifest-path "$ROOT/Cargo.toml" -p pointsman-core -p pointsman-models --benches --no-run \
        --message-format=json >"$CARGO_TARGET_DIR/release/benches.json"
}

# Where cargo has put a bench of ours.
bench_of() {
    sed -n "s/.*\"kind\":\[\"bench\"\].*\"name\":\"$1\".*\"executable\":\"\([^\"]*\)\".*/\1/p" \
        "$CARGO_TARGET_DIR/release/benches.json"
}

# Sets NGINX, or NGINX_MISSING. Debian's package is unpacked rather than installed: installing would start a server on port 80.
find_nginx() {
    NGINX="$(command -v nginx || true)" NGINX_MISSING=""
    [[ -z $NGINX ]] || return 0
    local folder="$CACHE/tools/nginx"
    if [[ ! -x $folder/usr/sbin/nginx ]]; then
        have apt-get && have dpkg-deb || { NGINX_MISSING="neither installed nor to be had without apt-get"; return 0; }
        fetch_nginx "$folder" || { NGINX_MISSING="its package could not be downloaded"; return 0; }
    fi
    if ldd "$folder/usr/sbin/nginx" | grep -q 'not found'; then
        NGINX_MISSING="its libraries are missing: $(ldd "$folder/usr/sbin/nginx" | awk '/not found/ { print $1 }' | xargs)"
        return 0
    fi
    NGINX="$folder/usr/sbin/nginx"
}

fetch_nginx() {
    local work
    work="$(mktemp -d)"
    say "downloading Debian's nginx (it is unpacked, not installed)"
    (cd "$work" && { apt-get download -q nginx || { apt-get update -q && apt-get download -q nginx; }; }) >&2 2>"$work/log" || {
        cat "$work/log" >&2
        rm -rf "$work"
        return 1
    }
    mkdir -p "$1"
    dpkg-deb -x "$work"/nginx_*.deb "$1"
    rm -rf "$work"
}

main "$@"
