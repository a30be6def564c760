#!/usr/bin/env bash
# Makes sure that commands are there: `scripts/install.sh COMMAND=PACKAGE …` installs the missing ones' packages.
#
# Installs with apt-get as root; elsewhere it says what to install. Language toolchains are yours to choose:
# `scripts/install.sh --toolchains` only checks for Cargo, Go, Python with venv, and Node.
set -euo pipefail

fail() { printf '%s\n' "$@" >&2; exit 1; }

toolchains() {
    local missing=()
    command -v cargo >/dev/null || missing+=("Rust with rustup: the version in rust-toolchain.toml is then fetched by itself")
    newer_than go 1 26 "$(go env GOVERSION 2>/dev/null | tr -d 'a-z')" || [[ -n "${KUBEBUILDER_ASSETS:-}" ]] \
        || missing+=("Go 1.26 or newer (it builds the API server that tests run against)")
    newer_than python3 3 10 "$(python3 -c 'import platform; print(platform.python_version())' 2>/dev/null)" \
        && python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=("Python 3.10 or newer with its venv module (python3-venv)")
    newer_than node 20 0 "$(node --version 2>/dev/null | tr -d v)" && command -v npm >/dev/null || missing+=("Node 20 or newer with npm")
    [[ ${#missing[@]} -eq 0 ]] || fail "These are needed and are not here:" "${missing[@]/#/  - }"
}

# newer_than COMMAND MAJOR MINOR FOUND: whether FOUND is at least MAJOR.MINOR.
newer_than() {
    command -v "$1" >/dev/null || return 1
    local major minor
    IFS=. read -r major minor _ <<<"$4"
    (( major > $2 || (major == $2 && ${minor:-0} >= $3) ))
}

packages() {
    local pair missing=()
    for pair in "$@"; do
        command -v "${pair%%=*}" >/dev/null || missing+=("${pair#*=}")
    done
    [[ ${#missing[@]} -gt 0 ]] || return 0
    if [[ "$(id -u)" != 0 ]] || ! command -v apt-get >/dev/null; then
        fail "These packages are needed and only root can install them here: ${missing[*]}" "  sudo apt-get install ${missing[*]}"
    fi
    echo "install: ${missing[*]}" >&2
    apt-get install --yes --quiet=2 --no-install-recommends "${missing[@]}" >/dev/null 2>&1 || {
        apt-get update --quiet=2
        DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet=2 --no-install-recommends "${missing[@]}" >&2
    }
}

if [[ "${1:-}" == --toolchains ]]; then toolchains; else packages "$@"; fi
