#!/usr/bin/env bash
# Prints a folder with the definitions of other projects' kinds that the chart can render: cert-manager's Certificate and
# Issuer, the Prometheus operator's PodMonitor. They come once, from the Go modules that publish them.
set -euo pipefail

readonly CERT_MANAGER="github.com/cert-manager/cert-manager@v1.21.2 h1:UWgoYM+KLNtRlqmoWOKjKBOBUPVHeepQ6/ac3ERJW68="
readonly PROMETHEUS="github.com/prometheus-operator/prometheus-operator@v0.85.0 h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s="
readonly TOOLS="${XDG_CACHE_HOME:-$HOME/.cache}/pointsman/tools"

fail() { echo "definitions: $*" >&2; exit 1; }

main() {
    local folder work
    folder="$TOOLS/definitions-$(printf '%s' "$CERT_MANAGER$PROMETHEUS" | sha256sum | cut -c1-12)"
    if [[ ! -d "$folder" ]]; then
        command -v go >/dev/null || fail "Go is needed to fetch them; install it"
        mkdir -p "$TOOLS"
        work="$(mktemp -d "$folder.XXXXXX")"
        # shellcheck disable=SC2064  # expanded now
        trap "rm -rf $(printf %q "$work")" EXIT
        mkdir "$work/out"
        # shellcheck disable=SC2086  # a module and its sum
        from_module $CERT_MANAGER deploy/crds cert-manager.io_certificates cert-manager.io_issuers
        # shellcheck disable=SC2086
        from_module $PROMETHEUS example/prometheus-operator-crd monitoring.coreos.com_podmonitors
        # Of two that fetch at once, one is enough.
        mv -T "$work/out" "$folder" 2>/dev/null || [[ -d "$folder" ]] || fail "cannot write $folder"
    fi
    echo "$folder"
}

# from_module MODULE@VERSION SUM FOLDER NAME …
from_module() {
    local module="$1" sum="$2" inside="$3" said found name
    shift 3
    said="$(cd "$work" && GOMODCACHE="$work/modules" GOFLAGS="-mod=mod -modcacherw" go mod download -json "$module")" \
        || fail "cannot fetch $module: $said"
    found="$(sed -n 's/^\t"Sum": "\(.*\)",\{0,1\}$/\1/p' <<<"$said")"
    [[ "$found" == "$sum" ]] || fail "$module has the sum $found, and not $sum"
    for name in "$@"; do cp "$work/modules/$module/$inside/$name.yaml" "$work/out/"; done
    chmod 644 "$work/out"/*
}

main "$@"
