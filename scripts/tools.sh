#!/usr/bin/env bash
# Builds programs from their Go modules, each once, into the tool cache: `scripts/tools.sh NAME …` prints their folders.
#
# NAME is a folder of scripts/tools: kubernetes (all seven programs and kubectl in one binary), containerd, coredns,
# helm, kubeconform. A tool is keyed by its version and by the content of its folder. Nothing but Go is needed.
# Two cores take about 5 minutes for kubernetes, 1 to 2 for each of the others.
set -euo pipefail

readonly SOURCES="$(cd "$(dirname "${BASH_SOURCE[0]}")/tools" && pwd)"
readonly TOOLS="${XDG_CACHE_HOME:-$HOME/.cache}/pointsman/tools"
readonly KUBERNETES=(etcd kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl)

say() { echo "tools: $*" >&2; }
fail() { say "$@"; exit 1; }

main() {
    [[ $# -gt 0 ]] || fail "name at least one of: $(cd "$SOURCES" && echo *)"
    local name
    for name in "$@"; do
        [[ -f "$SOURCES/$name/go.mod" ]] || fail "there is no tool \"$name\"; there are: $(cd "$SOURCES" && echo *)"
        # A process of its own: its lock and its half-built folder go with it.
        ( folder "$name" )
    done
}

# Prints the folder of one tool, built.
folder() {
    local name="$1" version key target
    version="$(version "$name")"
    key="$(find "$SOURCES/$name" -type f | LC_ALL=C sort | xargs cat | sha256sum | cut -c1-12)"
    target="$TOOLS/$name-${version#v}-$key"
    if [[ ! -d "$target" ]]; then
        mkdir -p "$TOOLS"
        # The lock belongs to this process and goes with it; whoever waited finds the folder built.
        exec 9>"$target.lock"
        flock --nonblock 9 || { say "another process is building $name $version; waiting for it"; flock 9; }
        [[ -d "$target" ]] || build "$name" "$version" "$target"
    fi
    echo "$target"
}

# The version of the module that a tool is made of.
version() {
    local module
    case "$1" in
        kubernetes) module=k8s.io/kubernetes ;;
        containerd) module=github.com/containerd/containerd/v2 ;;
        coredns) module=github.com/coredns/coredns ;;
        helm) module=helm.sh/helm/v4 ;;
        kubeconform) module=github.com/yannh/kubeconform ;;
        *) fail "scripts/tools.sh does not know the module of \"$1\"" ;;
    esac
    awk -v module="$module" '$1 == module { print $2; exit } $1 == "require" && $2 == module { print $3; exit }' "$SOURCES/$1/go.mod"
}

build() {
    local name="$1" version="$2" target="$3" work="$3.building" total what=tool flags=(-trimpath) stamp="-s -w" program
    command -v go >/dev/null || fail "Go 1.26 or newer is needed to build $name $version; install it"
    # Go's own caches grow to several gigabytes: they live here and go when we go. A killed build leaves them to the next one.
    rm -rf "$work"
    # shellcheck disable=SC2064  # expanded now: the variable is gone when the trap runs
    trap "rm -rf $(printf %q "$work")" EXIT
    mkdir -p "$work/out"
    export GOCACHE="$work/build" GOMODCACHE="$work/modules" GOFLAGS="-mod=readonly -modcacherw -buildvcs=false" CGO_ENABLED=0
    # A copy: minutes pass, and the checkout may move on meanwhile.
    cp -r "$SOURCES/$name" "$work/source"
    cd "$work/source"
    case "$name" in
        kubernetes)
            what=.
            # Without its version the API server calls itself v0.0.0-master, which some clients misread.
            stamp+=" -X k8s.io/component-base/version.gitVersion=$version -X k8s.io/component-base/version.gitMajor=1"
            stamp+=" -X k8s.io/component-base/version.gitMinor=$(cut -d. -f2 <<<"$version")"
            ;;
        containerd) flags+=(-tags "no_btrfs no_devmapper no_zfs") ;;
    esac

    say "building $name $version once into $target"
    total="$(go list -deps "$what" | wc -l)"
    go build -v "${flags[@]}" -ldflags "$stamp" -o "$work/out/" "$what" 2>"$work/log" &
    watch_build "$name" "$!" "$work/log" "$total" || { cat "$work/log" >&2; fail "the build of $name $version failed; its output stands above"; }
    if [[ "$name" == kubernetes ]]; then
        for program in "${KUBERNETES[@]}"; do ln -s kubernetes "$work/out/$program"; done
        openapi "$work"
    fi
    mv "$work/out" "$target"
    say "built $name $version in ${SECONDS} s"
}

# The API's schemas travel with the server that serves them: what checks manifests offline reads them.
openapi() {
    local module
    module="$(go list -m -f '{{.Dir}}' k8s.io/kubernetes)"
    cp "$module/api/openapi-spec/swagger.json" "$1/out/openapi.json"
    chmod 644 "$1/out/openapi.json"
}

# Shows how far the compiler is, on one line of a terminal or every 20 s in a log.
watch_build() {
    local name="$1" process="$2" log="$3" total="$4" pause=20 ending='\n'
    [[ -t 2 ]] && pause=1 && ending='\r'
    while kill -0 "$process" 2>/dev/null; do
        printf "tools: %s: %5d of %d packages compiled, %d s$ending" "$name" "$(grep -c '^[a-z]' "$log" || true)" "$total" "$SECONDS" >&2
        # Ends with the build rather than with the pause.
        timeout "$pause" tail --pid="$process" -f /dev/null || true
    done
    wait "$process"
}

main "$@"
