#!/usr/bin/env bash
# Assembles images as OCI archives, without a daemon: `scripts/images.sh [pause|pointsman|shop|test] …`; without arguments pause, pointsman and shop.
#
# pointsman: operator, sidecar and command line in one static program. test: the same from the build that the tests make
# anyway (not optimised, not static). shop: Python with the stock openai package, for examples/shop. pause: what a
# cluster of `make cluster` holds pods with. Prints for each: reference, archive, bytes, digest.
# `scripts/images.sh --write` makes pointsman and puts its size into docs/benchmarks.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/target.sh
umask 022

readonly CACHE="${XDG_CACHE_HOME:-$HOME/.cache}/pointsman"
readonly OUT="$CACHE/images"
export PYTHONDONTWRITEBYTECODE=1
VERSION="$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -1)"
readonly VERSION

say() { echo "images: $*" >&2; }
fail() { say "$@"; exit 1; }

main() {
    local image work write=no
    mkdir -p "$OUT"
    if [[ "${1:-}" == --write ]]; then
        write=yes
        set -- pointsman
    fi
    [[ $# -gt 0 ]] || set -- pause pointsman shop
    for image in "$@"; do
        work="$(mktemp -d)"
        # shellcheck disable=SC2064  # expanded now
        trap "rm -rf $(printf %q "$work")" EXIT
        mkdir "$work/rootfs"
        case "$image" in
            pause) pause ;;
            pointsman) pointsman ;;
            test) test_image ;;
            shop) shop ;;
            *) fail "there is no image \"$image\"; there are pause, pointsman, shop and test" ;;
        esac
        if [[ "$write" == yes ]]; then write_size; fi
        rm -rf "$work"
    done
}

pause() {
    local key
    key="$(sha256sum scripts/images/pause.c scripts/images/oci.py | sha256sum)"
    unless_fresh pause pointsman.dev/pause:1 "$key" && return
    cc -static -Os -s -o "$work/rootfs/pause" scripts/images/pause.c
    pack pause pointsman.dev/pause:1 "$key" /pause --user 65535:65535
}

# Static, so that nothing but it and the certificates is in the image. The paths of whoever builds are left out of it.
pointsman() {
    local target flags
    target="$(rustc -vV | sed -n 's/^host: //p')"
    flags="-C target-feature=+crt-static -C strip=symbols"
    flags+=" --remap-path-prefix=$PWD=/pointsman --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo"
    flags+=" --remap-path-prefix=$CARGO_TARGET_DIR=/target"
    say "building pointsman $VERSION for $target"
    # With a target of its own, build scripts and macros are not linked statically.
    # The allocator's C code writes down when it was compiled; with this, always the same moment.
    SOURCE_DATE_EPOCH=0 RUSTFLAGS="$flags" cargo build --quiet --release --target "$target" -p pointsman-cli --bin pointsman >&2
    install -D "$CARGO_TARGET_DIR/$target/release/pointsman" "$work/rootfs/usr/local/bin/pointsman"
    if readelf --program-headers --wide "$work/rootfs/usr/local/bin/pointsman" | grep -q INTERP; then
        fail "the program is not linked statically, and the image has no libraries"
    fi
    user
    certificates
    pack pointsman "pointsman.dev/pointsman:$VERSION" "" /usr/local/bin/pointsman "${labels[@]}"
}

# What `make test` has built: cheap to have, and with overflow checks and debug assertions in the cluster too.
test_image() {
    local program="$CARGO_TARGET_DIR/debug/pointsman"
    [[ -x "$program" ]] || fail "$program is missing; \`cargo build --workspace --bins\` makes it"
    mkdir -p "$work/rootfs/usr/local/bin"
    strip --strip-all -o "$work/rootfs/usr/local/bin/pointsman" "$program"
    python3 scripts/images/runtime.py "$work/rootfs" "$program"
    user
    certificates
    pack test "pointsman.dev/pointsman:$VERSION" "" /usr/local/bin/pointsman "${labels[@]}"
}

# An application like anybody's: it knows nothing of Pointsman.
shop() {
    local source=examples/shop/image key
    key="$({ cat "$source"/* scripts/images.sh scripts/images/*.py; python3 --version; } | sha256sum)"
    unless_fresh shop pointsman.dev/shop:1 "$key" && return
    python3 scripts/images/runtime.py --python "$work/rootfs"
    say "installing the openai package into the image of the shop"
    python3 -m pip install --quiet --disable-pip-version-check --no-warn-conflicts --no-compile --root-user-action ignore \
        --target "$work/rootfs/app/packages" --requirement "$source/requirements.txt" >&2
    find "$work/rootfs/app/packages" -name '*.so' -print0 | xargs -0 python3 scripts/images/runtime.py "$work/rootfs"
    # Which tool installed a package, and when, differs from run to run.
    ( cd "$work/rootfs/app/packages" && rm -rf bin ./*.dist-info/{RECORD,INSTALLER,REQUESTED,direct_url.json} )
    cp "$source"/*.py "$work/rootfs/app/"
    # Its root is read-only: what is not compiled here is compiled anew at every start, which takes seconds.
    PYTHONHASHSEED=0 python3 -m compileall -q --invalidation-mode unchecked-hash -s "$work/rootfs" -p / \
        "$work/rootfs/app" "$work/rootfs/usr/local/lib"
    user
    certificates
    pack shop pointsman.dev/shop:1 "$key" /usr/local/bin/python3 --env PYTHONPATH=/app/packages \
        --env PYTHONUNBUFFERED=1 --env PYTHONDONTWRITEBYTECODE=1
}

readonly labels=(--label "org.opencontainers.image.title=Pointsman" --label "org.opencontainers.image.version=$VERSION"
    --label "org.opencontainers.image.licenses=Apache-2.0"
    --label "org.opencontainers.image.description=The right model for every prompt, inside your pod, under a budget that holds")

user() {
    mkdir -p "$work/rootfs/etc" "$work/rootfs/tmp"
    chmod 1777 "$work/rootfs/tmp"
    printf '%s\n' 'root:x:0:0::/:/sbin/nologin' 'pointsman:x:65532:65532::/:/sbin/nologin' >"$work/rootfs/etc/passwd"
    printf '%s\n' 'root:x:0:' 'pointsman:x:65532:' >"$work/rootfs/etc/group"
    echo 'hosts: files dns' >"$work/rootfs/etc/nsswitch.conf"
}

certificates() {
    local file
    for file in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt; do
        [[ -f "$file" ]] || continue
        install -D -m 644 "$file" "$work/rootfs/etc/ssl/certs/ca-certificates.crt"
        return
    done
    fail "no CA certificates here; install the package ca-certificates"
}

# unless_fresh NAME REFERENCE KEY: whether the archive was made from the same inputs; then it is reported.
unless_fresh() {
    [[ -f "$OUT/$1.tar" && "$(sed -n 2p "$OUT/$1.made" 2>/dev/null)" == "$3" ]] || return 1
    report "$1" "$2"
}

# pack NAME REFERENCE KEY ENTRYPOINT [OPTION …]
pack() {
    local name="$1" reference="$2" key="$3" entrypoint="$4"
    shift 4
    python3 scripts/images/oci.py --root "$work/rootfs" --name "$reference" --out "$OUT/$name.tar" --entrypoint "$entrypoint" "$@" \
        >"$work/digest"
    printf '%s\n%s\n' "$(cat "$work/digest")" "$key" >"$OUT/$name.made"
    report "$name" "$reference"
}

report() {
    printf '%s %s %s %s\n' "$2" "$OUT/$1.tar" "$(stat -c %s "$OUT/$1.tar")" "$(head -1 "$OUT/$1.made")"
}

# What stands in docs/benchmarks.md between the markers.
write_size() {
    local page=docs/benchmarks.md megabytes='{ printf "%.1f MB", $1 / 1e6 }'
    local marker="<!-- written by scripts/images.sh --write:" begin end
    begin="$(grep -nxF "$marker begin -->" "$page" | cut -d: -f1)"
    end="$(grep -nxF "$marker end -->" "$page" | cut -d: -f1)"
    {
        head -n "$begin" "$page"
        printf '\n| what | size |\n| --- | --- |\n'
        printf '| archive, as it travels | %s |\n' "$(stat -c %s "$OUT/pointsman.tar" | awk "$megabytes")"
        ( cd "$work/rootfs" && find . -type f -printf '%s %P\n' | LC_ALL=C sort -rn ) | while read -r size file; do
            if ((size > 100000)); then printf '| `/%s` | %s |\n' "$file" "$(awk "$megabytes" <<<"$size")"; fi
        done
        printf '\n%s, %s, linked statically.\n\n' "$("$work/rootfs/usr/local/bin/pointsman" --version | head -1)" "$(uname -m)"
        tail -n "+$end" "$page"
    } >"$work/page"
    cp "$work/page" "$page"
    say "wrote $page"
}

main "$@"
