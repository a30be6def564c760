"""Draws the recorded outcomes that the tests of this crate replay, without any text of a prompt.

    python3 sidecar/core/tests/outcomes/draw.py FOLDER/mmlupro.train.jsonl.gz FOLDER/models.json > mmlupro.txt

The folder holds real answers of models to exam questions, with scores and token counts. The draw is by hash, so the same
source gives the same file. Quality per task and model is the mean over the prompts that were NOT drawn, shrunk by twenty
prompts to the model's mean there: what a scorer that knows the kind of prompt would say.

    model NAME INPUT_PRICE OUTPUT_PRICE QUALITY OUTPUT_TOKENS      prices in USD per million tokens, means elsewhere
    task QUALITY...                                                per model, numbered from 0
    call TASK INPUT_TOKENS SCORE:OUTPUT_TOKENS...                  per model
"""

import gzip
import hashlib
import json
import os
import sys

DRAWN = 800
SHRINKAGE = 20
MODELS = {
    "mmlupro": ["gemini-1.5-pro-002", "gemini-1.5-flash-002", "Meta-Llama-3.1-70B-Instruct",
                "Meta-Llama-3.1-8B-Instruct", "Mixtral-8x7B-Instruct-v0.1", "Phi-3-mini-4k-instruct"],
    "zeroeval": ["claude-3-5-sonnet-20241022", "gpt-4o-2024-08-06", "gpt-4o-mini-2024-07-18", "Llama-3.1-405B-Instruct",
                 "Meta-Llama-3.1-8B-Instruct", "claude-3-haiku-20240307"],
    "routellm": ["gpt-4-1106-preview", "mistralai/Mixtral-8x7B-Instruct-v0.1"],
    "routerbench": ["gpt-4-1106-preview", "claude-v2", "zero-one-ai/Yi-34B-Chat", "gpt-3.5-turbo-1106",
                    "mistralai/mixtral-8x7b-chat", "mistralai/mistral-7b-chat"],
}
# This source counts calls of the strong model instead of tokens: one "token" at a dollar each, whatever the prompt.
BY_CALL = {"routellm": [(0, 1_000_000), (0, 0)]}
# This one comes with costs: so many "tokens" as nano-USD, at a nano-USD each. It has no licence; do not commit what is drawn.
BY_COST = ["routerbench"]


def main(source, catalogue):
    name = os.path.basename(source).split(".")[0]
    known = json.load(open(catalogue, encoding="utf-8"))
    about, prices = known["sources"][name], known["prices"]
    columns = [about["models"].index(model) for model in MODELS[name]]
    rows = complete(source, columns, name)
    rows.sort(key=lambda row: hashlib.sha256(row["id"].encode()).digest())
    drawn, others = rows[:DRAWN], rows[DRAWN:]
    print(f"# {len(drawn)} outcomes drawn by draw.py from {about['repo']} at {about['commit'][:12]}. {about['licence']}.")
    mean = means(others, len(columns), "score")
    length = means(others, len(columns), "out")
    for i, model in enumerate(MODELS[name]):
        paid = (0, "0.001") if name in BY_COST else None
        paid = paid or (BY_CALL[name][i] if name in BY_CALL else (prices[model]["in"], prices[model]["out"]))
        print("model", model, paid[0], paid[1], f"{mean[i]:.4f}", f"{length[i]:.1f}")
    tasks = sorted({row["task"] for row in rows})
    for task in tasks:
        seen = [row for row in others if row["task"] == task]
        shrunk = [
            (sum(row["score"][i] for row in seen) + SHRINKAGE * mean[i]) / (len(seen) + SHRINKAGE)
            for i in range(len(columns))
        ]
        print("task", *(f"{quality:.4f}" for quality in shrunk))
    for row in drawn:
        answers = (f"{score:g}:{out}" for score, out in zip(row["score"], row["out"]))
        print("call", tasks.index(row["task"]), row["in"], *answers)


def complete(source, columns, name):
    """Every prompt that all chosen models have answered."""
    rows = []
    with gzip.open(source, "rt", encoding="utf-8") as lines:
        for raw in map(json.loads, lines):
            score = [raw["score"][i] for i in columns]
            out = [1 if name in BY_CALL else raw["out_tokens"][i] for i in columns]
            if name in BY_COST:
                out = [raw["cost"][i] and round(raw["cost"][i] * 1e9) for i in columns]
            if None in score or None in out or raw["task"].endswith(":contaminated"):
                continue
            rows.append({"id": raw["prompt_id"], "task": raw["task"], "in": raw["in_tokens"], "score": score, "out": out})
    return rows


def means(rows, models, field):
    return [sum(row[field][i] for row in rows) / len(rows) for i in range(models)]


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])
