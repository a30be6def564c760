#!/usr/bin/env bash
# Builds Pointsman, plays 1,000 exam questions through it, and reports what that cost and earned.
# Needs Rust and Python 3.10 or newer; no cluster, no API key. Everything it starts, it stops.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cache="${XDG_CACHE_HOME:-$HOME/.cache}/pointsman"
. scripts/target.sh
export PYTHONUTF8=1 PYTHONDONTWRITEBYTECODE=1
requirements=scripts/demo/requirements.txt
version=$(sed -n 's/^openai==//p' "$requirements")

need() {
  command -v "$1" >/dev/null || { echo "make demo needs $1: $2" >&2; exit 2; }
}

# A folder of its own, made once per content of the list of packages.
client() {
  local wanted venv started=$SECONDS
  wanted=$(python3 -c 'import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest()[:12])' "$requirements")
  venv="$cache/demo-client-$wanted"
  if [ ! -e "$venv/complete" ]; then
    rm -rf "$venv"
    python3 -m venv "$venv" || { echo "make demo needs Python's venv module: install python3-venv" >&2; exit 2; }
    beside "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$requirements"
    touch "$venv/complete"
    echo "  client  official OpenAI Python client $version, in a folder of its own, installed in $((SECONDS - started))s"
  else
    echo "  client  official OpenAI Python client $version, already here"
  fi
  python="$venv/bin/python"
}

need cargo "install Rust from https://rustup.rs"
need python3 "install Python 3.10 or newer"
python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "make demo needs Python 3.10 or newer" >&2; exit 2; }

echo "Pointsman demo. No cluster, no API key; after the downloads nothing leaves this machine."
echo
mkdir -p "$cache" .demo
binary_file=$(mktemp)
child=
trap 'rm -f "$binary_file"' EXIT
# A shell notices a signal only between commands, or while it waits: so the long steps run beside it.
interrupted() {
  trap '' INT TERM HUP
  [ -z "$child" ] || kill "$child" 2>/dev/null || true
  wait
  echo "Interrupted. Stopped everything that was started."
  exit 130
}
trap interrupted INT TERM HUP
beside() {
  "$@" &
  child=$!
  wait "$child"
  child=
}
DEMO_BINARY_FILE="$binary_file" beside python3 scripts/demo/build.py
client
binary=$(cat "$binary_file")
rm -f "$binary_file"
# The script below starts the process and stops it, on Ctrl-C too; exec leaves nobody in between.
exec "$python" scripts/demo/run.py --binary "$binary" --folder examples/quickstart --out .demo
