#!/usr/bin/env bash
# Shows what routing earns on recorded outcomes, by nested cross-validation: tables on stdout, pictures in a folder.
#
#   scripts/quality.sh [DATA]          DATA [default: $POINTSMAN_ROUTING_DATA] holds models.json and the sets
#   POINTSMAN_QUALITY_PLOTS=DIR        where pictures are written [default: docs]
#
# Sets are <name>.jsonl.gz or <name>.train.jsonl.gz; what is not there is SKIPPED. docs/quality.md says what they are and
# which licences keep them out of this repository. The whole takes many minutes of one core.
set -euo pipefail

readonly ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
readonly DATA="${1:-${POINTSMAN_ROUTING_DATA:-}}"
readonly PLOTS="${POINTSMAN_QUALITY_PLOTS:-$ROOT/docs}"

# The pools that are judged: the chat models of MMLU-Pro; ZeroEval without the one whose hidden tokens were not counted.
readonly CHAT12="gemini-1.5-pro-002,gemini-1.5-flash-002,Meta-Llama-3.1-70B-Instruct,Meta-Llama-3.1-8B-Instruct,Mistral-7B-Instruct-v0.1,Mistral-7B-Instruct-v0.2,Mixtral-8x7B-Instruct-v0.1,Phi-3-mini-4k-instruct,Qwen1.5-72B-Chat,Qwen1.5-7B-Chat,Yi-6b-Chat,c4ai-command-r-v01"

say() { echo "quality: $*" >&2; }

# All models of a set but these.
all_but() {
    python3 - "$DATA/models.json" "$1" "$2" <<'PYTHON'
import json, sys

path, source, out = sys.argv[1:]
models = json.load(open(path, encoding="utf-8"))["sources"][source]["models"]
print(",".join(model for model in models if model != out))
PYTHON
}

judge() {
    local set="$1" file only=()
    for file in "$DATA/$set.jsonl.gz" "$DATA/$set.train.jsonl.gz" "$DATA/$set.jsonl"; do
        [[ -f "$file" ]] && break
    done
    if [[ ! -f "$file" ]]; then
        echo "SKIPPED $set: no $set.jsonl.gz or $set.train.jsonl.gz in $DATA"
        return
    fi
    case "$set" in
    mmlupro) only=(--only "$CHAT12") ;;
    zeroeval) only=(--only "$(all_but zeroeval o1-mini-2024-09-12)") ;;
    esac
    "$ROOT/scripts/cargo.sh" run --quiet --release -p pointsman-cli --bin pointsman -- train \
        --data "$file" --models "$DATA/models.json" --out /dev/null --dry-run --plots "$PLOTS" "${only[@]}"
}

# Whether spending meets its target is tested on the other sets by `make test`; this one may not lie in the repository.
spending_of_routerbench() {
    local file="$DATA/routerbench.jsonl.gz" outcomes
    [[ -f "$file" ]] || file="$DATA/routerbench.train.jsonl.gz"
    [[ -f "$file" ]] || return 0
    outcomes="$(mktemp)"
    # shellcheck disable=SC2064  # the name of now
    trap "rm -f '$outcomes'" EXIT
    python3 "$ROOT/sidecar/core/tests/outcomes/draw.py" "$file" "$DATA/models.json" >"$outcomes"
    POINTSMAN_OUTCOMES="$outcomes" "$ROOT/scripts/cargo.sh" test --quiet --workspace --test spending
}

main() {
    if [[ -z "$DATA" || ! -f "$DATA/models.json" ]]; then
        for set in mmlupro routellm zeroeval routerbench; do
            echo "SKIPPED $set: set POINTSMAN_ROUTING_DATA to the folder that holds models.json and the sets"
        done
        return
    fi
    for set in mmlupro routellm zeroeval routerbench; do
        judge "$set"
    done
    spending_of_routerbench
    say "pictures are in $PLOTS"
}

main
