#!/usr/bin/env bash
# Prints the folder that holds etcd, kube-apiserver and kubectl; builds them first where they are missing.
#
# The build happens once per Kubernetes version and per content of tests/support/kubernetes, takes about four
# minutes on two cores, and needs nothing but Go. KUBEBUILDER_ASSETS names a folder of one's own: then nothing is built.
set -euo pipefail

readonly PROGRAMS=(etcd kube-apiserver kubectl)
readonly SOURCE="$(cd "$(dirname "${BASH_SOURCE[0]}")/../tests/support/kubernetes" && pwd)"
readonly TOOLS="${XDG_CACHE_HOME:-$HOME/.cache}/pointsman/tools"

say() { echo "kubernetes: $*" >&2; }
fail() { say "$@"; exit 1; }

main() {
    if [[ -n "${KUBEBUILDER_ASSETS:-}" ]]; then
        use_given_assets
        return
    fi
    local version key target
    version="$(awk '$1 == "k8s.io/kubernetes" || $2 == "k8s.io/kubernetes" { print $NF; exit }' "$SOURCE/go.mod")"
    key="$(cat "$SOURCE/go.mod" "$SOURCE/main.go" | sha256sum | cut -c1-12)"
    target="$TOOLS/kubernetes-${version#v}-$key"
    if [[ ! -d "$target" ]]; then
        mkdir -p "$TOOLS"
        # The lock belongs to this process and goes with it; whoever waited finds the folder built.
        exec 9>"$target.lock"
        flock --nonblock 9 || { say "another process is building $version; waiting for it"; flock 9; }
        [[ -d "$target" ]] || build "$version" "$target"
    fi
    echo "$target"
}

use_given_assets() {
    local program
    for program in "${PROGRAMS[@]}"; do
        [[ -x "$KUBEBUILDER_ASSETS/$program" ]] \
            || fail "KUBEBUILDER_ASSETS is $KUBEBUILDER_ASSETS, which holds no $program; unset it to have one built"
    done
    echo "$KUBEBUILDER_ASSETS"
}

build() {
    local version="$1" target="$2" work="$2.building" minor total
    command -v go >/dev/null || fail "Go 1.26 or newer is needed to build Kubernetes $version; install it, or set KUBEBUILDER_ASSETS"
    # Go's own caches grow to several gigabytes: they live here and go when we go. A killed build leaves them to the next one.
    rm -rf "$work"
    # shellcheck disable=SC2064  # expanded now: the variable is gone when the trap runs
    trap "rm -rf $(printf %q "$work")" EXIT
    mkdir -p "$work/out"
    export GOCACHE="$work/build" GOMODCACHE="$work/modules" GOFLAGS="-mod=readonly -modcacherw -buildvcs=false" CGO_ENABLED=0
    minor="$(cut -d. -f2 <<<"$version")"
    cd "$SOURCE"

    say "building Kubernetes $version once (about 4 minutes on two cores) into $target"
    total="$(go list -deps . | wc -l)"
    # Without its version the API server calls itself v0.0.0-master, which some clients misread.
    local stamp="-X k8s.io/component-base/version.gitVersion=$version"
    stamp+=" -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=$minor"
    go build -v -trimpath -ldflags "-s -w $stamp" -o "$work/out/kubernetes" . 2>"$work/log" &
    watch_build "$!" "$work/log" "$total" || { cat "$work/log" >&2; fail "the build of Kubernetes $version failed; its output stands above"; }

    local program
    for program in "${PROGRAMS[@]}"; do
        ln -s kubernetes "$work/out/$program"
    done
    mv "$work/out" "$target"
    say "built Kubernetes $version in ${SECONDS} s"
}

# Shows how far the compiler is, on one line of a terminal or every 20 s in a log.
watch_build() {
    local process="$1" log="$2" total="$3" pause=20 ending='\n'
    [[ -t 2 ]] && pause=1 && ending='\r'
    while kill -0 "$process" 2>/dev/null; do
        printf "kubernetes: %5d of %d packages compiled, %d s$ending" "$(grep -c '^[a-z]' "$log" || true)" "$total" "$SECONDS" >&2
        # Ends with the build rather than with the pause.
        timeout "$pause" tail --pid="$process" -f /dev/null || true
    done
    wait "$process"
}

main "$@"
