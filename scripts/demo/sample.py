"""Draws the demo's 1,000 exam questions from a file of recorded outcomes, and says what the models are like elsewhere.

    python3 scripts/demo/sample.py mmlupro.train.jsonl.gz examples/quickstart/questions.jsonl

The choice is by hash, so the same source gives the same file. What it prints (mean accuracy and answer length over the
prompts that were NOT drawn) is where the priors in examples/quickstart/providers.yaml come from.
"""

import gzip
import hashlib
import json
import sys

# Column of the source, and the name that the model goes by in the demo.
MODELS = {
    "gemini-1.5-pro": "gemini-1.5-pro-002",
    "gemini-1.5-flash": "gemini-1.5-flash-002",
    "llama-3.1-70b": "Meta-Llama-3.1-70B-Instruct",
}
# The order of the source's columns (models.json, sources.mmlupro.models).
COLUMNS = """Llama-2-13b-hf Llama-2-70b-hf Llama-2-7b-hf Meta-Llama-3-70B Meta-Llama-3-8B Meta-Llama-3.1-70B
Meta-Llama-3.1-70B-Instruct Meta-Llama-3.1-8B Meta-Llama-3.1-8B-Instruct Mistral-7B-Instruct-v0.1 Mistral-7B-Instruct-v0.2
Mistral-7B-v0.1 Mistral-7B-v0.2-hf Mixtral-8x7B-Instruct-v0.1 Mixtral-8x7B-v0.1 Phi-3-mini-4k-instruct Qwen1.5-110B
Qwen1.5-72B-Chat Qwen1.5-7B-Chat Yi-34B Yi-6B Yi-6b-Chat c4ai-command-r-v01 gemini-1.5-flash-002 gemini-1.5-pro-002
gemma-7b jamba-1.5-large mathstral-7B""".split()
DRAWN = 1000
SALT = "pointsman-quickstart-v1|"


def main(source, target):
    rows = complete_rows(source)
    rows.sort(key=lambda row: hashlib.sha256((SALT + row["id"]).encode()).digest())
    drawn, others = rows[:DRAWN], rows[DRAWN:]
    with open(target, "w", encoding="utf-8") as out:
        for row in drawn:
            out.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")
    print(f"{len(drawn)} drawn, {len(others)} others")
    for name in MODELS:
        print(f"{name:18}", "drawn", mean(drawn, name), "others", mean(others, name))


def complete_rows(source):
    """Every prompt that all three models have answered, once."""
    seen, rows = set(), []
    with gzip.open(source, "rt", encoding="utf-8") as lines:
        for raw in map(json.loads, lines):
            answers = {name: answer(raw, COLUMNS.index(column)) for name, column in MODELS.items()}
            if raw["prompt"] in seen or None in answers.values():
                continue
            seen.add(raw["prompt"])
            rows.append(
                {"id": raw["prompt_id"], "prompt": raw["prompt"], "in_tokens": raw["in_tokens"], "answers": answers}
            )
    return rows


def answer(raw, column):
    score, out_tokens = raw["score"][column], raw["out_tokens"][column]
    if score is None or out_tokens is None:
        return None
    return {"right": int(score == 1), "out_tokens": out_tokens}


def mean(rows, name):
    answers = [row["answers"][name] for row in rows]
    right = sum(each["right"] for each in answers) / len(answers)
    length = sum(each["out_tokens"] for each in answers) / len(answers)
    return f"right {right:.4f}, {length:.0f} output tokens"


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])
