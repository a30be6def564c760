#!/usr/bin/env python3
"""Makes `models/catalogue/catalogue.json` from the public price list inside the `litellm` package on PyPI.

    python3 -m pip download litellm --no-deps --dest DIR
    python3 models/tools/catalogue.py DIR/litellm-*.whl --date YYYY-MM-DD

Facts only are taken: prices, windows, capabilities, retirement dates. The same wheel and date give the same bytes.
`--check` writes nothing and exits 1 when the committed file differs. What is left out, and why, is counted on stderr.
"""

import argparse
import hashlib
import json
import re
import sys
import zipfile
from collections import Counter
from decimal import Decimal
from pathlib import Path

PRICE_LIST = "litellm/model_prices_and_context_window_backup.json"
HERE = Path(__file__).resolve().parent.parent / "catalogue"

# The list's provider -> our provider type, and the prefix that the list puts before the provider's own model name.
# An empty prefix takes names without a slash; where a provider has several rows, all are read.
FAMILIES = [
    ("openai", "OpenAI", ""),
    ("azure", "AzureOpenAI", "azure/"),
    ("anthropic", "Anthropic", ""),
    ("gemini", "Gemini", "gemini/"),
    ("vertex_ai", "VertexAI", "vertex_ai/"),
    ("vertex_ai-language-models", "VertexAI", ""),
    ("vertex_ai-language-models", "VertexAI", "vertex_ai/"),
    ("vertex_ai-anthropic_models", "VertexAI", "vertex_ai/"),
    ("vertex_ai-llama_models", "VertexAI", "vertex_ai/"),
    ("vertex_ai-mistral_models", "VertexAI", "vertex_ai/"),
    ("bedrock_converse", "Bedrock", ""),
    ("dashscope", "DashScope", "dashscope/"),
    ("deepseek", "DeepSeek", ""),
    ("deepseek", "DeepSeek", "deepseek/"),
    ("volcengine", "Volcengine", "volcengine/"),
    ("mistral", "Mistral", "mistral/"),
    ("cohere_chat", "Cohere", ""),
    ("groq", "Groq", "groq/"),
    ("together_ai", "Together", "together_ai/"),
    ("fireworks_ai", "Fireworks", "fireworks_ai/accounts/fireworks/models/"),
    ("xai", "XAI", "xai/"),
]
SERVED_PREFIX = {"Fireworks": "accounts/fireworks/models/"}

# Variants that are listed as chat but are not a text conversation anybody would route to.
VARIANTS = re.compile(
    r"audio|voxtral|realtime|search|research|transcribe|tts|computer-use|robotics|lyria|omni|embedding|container"
    r"|guard|image|ocr|customtools|streaming|medlm|vibe-cli|fim|beta|gv2|experimental|-exp\b",
)
BEDROCK_REGION = re.compile(r"(us|us-gov|eu|apac|au|jp|in)\.")
NUMBERED = {"deepseek"}  # Bedrock vendors whose model names start with a bare version

MAX_USD_PER_MILLION = Decimal(1000)
MAX_WINDOW = 20_000_000
MILLION = Decimal(1_000_000)
CAPABILITIES = [
    ("Vision", ("supports_vision",)),
    ("Tools", ("supports_function_calling",)),
    ("StructuredOutput", ("supports_response_schema", "supports_native_structured_output")),
    ("Reasoning", ("supports_reasoning",)),
]


class LeftOut(Exception):
    """Why an entry of the list is not in the catalogue."""


def usd_per_million(per_token, what):
    if per_token is None:
        raise LeftOut(f"no {what} price")
    price = Decimal(per_token) * MILLION
    if price <= 0:
        raise LeftOut(f"{what} price is zero or negative")
    if price > MAX_USD_PER_MILLION:
        raise LeftOut(f"{what} price above {MAX_USD_PER_MILLION} USD per million")
    if price != price.quantize(Decimal("1e-9")):
        raise LeftOut(f"{what} price is finer than a nano-dollar")
    return price


def decimal_text(price):
    text = f"{price:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def first_tier(listed):
    """The prices of the shortest prompts, and the number of input tokens up to which they hold (None: always)."""
    tiers = listed.get("tiered_pricing")
    if tiers and listed.get("input_cost_per_token") is None:
        if not tiers[0].get("range"):
            raise LeftOut("price tiers without a range")
        return tiers[0], int(tiers[0]["range"][1])
    limits = [
        int(match[1]) * 1000
        for match in (re.fullmatch(r"(?:input|output)_cost_per_token_above_(\d+)k_tokens", key) for key in listed)
        if match
    ]
    return listed, min(limits, default=None)


def pricing(listed):
    prices, limit = first_tier(listed)
    output = usd_per_million(prices.get("output_cost_per_token"), "output")
    reasoning = prices.get("output_cost_per_reasoning_token")
    if reasoning is not None and Decimal(reasoning) * MILLION != output:
        raise LeftOut("reasoning tokens are priced apart")
    row = {"input": usd_per_million(prices.get("input_cost_per_token"), "input"), "output": output}
    cached = prices.get("cache_read_input_token_cost")
    if cached is not None and 0 < Decimal(cached) * MILLION <= row["input"]:
        row["cachedInput"] = usd_per_million(cached, "cached input")
    return {name: decimal_text(price) for name, price in row.items()}, limit


def window(listed, limit):
    tokens, output = listed.get("max_input_tokens"), listed.get("max_output_tokens")
    if not tokens or not output:
        raise LeftOut("no context window or output limit")
    tokens, output = int(tokens), int(output)
    if not 0 < tokens <= MAX_WINDOW or output <= 0:
        raise LeftOut("impossible context window or output limit")
    tokens = min(tokens, limit or tokens)
    return tokens, min(output, tokens)


def canonical_name(provider, name):
    """One name for one model wherever it is served: lower case, without owner, region, revision and packaging."""
    text = name.rsplit("/", 1)[-1].lower().split("@", 1)[0]
    if provider == "Bedrock":
        vendor, _, rest = text.removeprefix("global.").partition(".")
        text = f"{vendor}-{rest}" if vendor in NUMBERED else rest
        text = re.sub(r"-v\d+:\d+$|-\d+:\d+$", "", text)
        text = text.removesuffix("-v1") if vendor == "anthropic" else text
    if provider == "Fireworks":
        text = re.sub(r"(?<=\d)p(?=\d)", ".", text)
    return text.removesuffix("-maas")


def refuse_name(provider, name):
    if name.startswith("ft:"):
        raise LeftOut("fine-tune")
    if VARIANTS.search(name.lower()):
        raise LeftOut("not a text conversation")
    if provider == "Bedrock" and (BEDROCK_REGION.match(name) or "@" in name):
        raise LeftOut("regional alias")
    if provider in ("AzureOpenAI", "Gemini") and "/" in name:
        raise LeftOut("regional alias")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._:/@-]*", name):
        raise LeftOut("odd name")


def entry(provider, name, listed, source, date):
    refuse_name(provider, name)
    retires = listed.get("deprecation_date")
    if retires is not None and not re.fullmatch(r"\d{4}-\d{2}-\d{2}", retires):
        raise LeftOut("odd retirement date")
    if retires is not None and retires <= date:
        raise LeftOut("retired")
    if provider == "Fireworks" and listed.get("supports_function_calling") is not True:
        raise LeftOut("hosted model without tools")
    prices, limit = pricing(listed)
    tokens, output = window(listed, limit)
    row = {
        "provider": provider,
        "name": SERVED_PREFIX.get(provider, "") + name,
        "canonical": canonical_name(provider, name),
        **prices,
        "contextWindow": tokens,
        "maxOutputTokens": output,
        "capabilities": ["Chat"]
        + [ours for ours, theirs in CAPABILITIES if any(listed.get(key) is True for key in theirs)],
        "source": source,
        "asOf": date,
    }
    if retires is not None:
        row["retires"] = retires
    return row


def families_of(key, listed):
    for theirs, ours, prefix in FAMILIES:
        if listed.get("litellm_provider") != theirs or not key.startswith(prefix):
            continue
        name = key.removeprefix(prefix)
        if prefix or "/" not in name:
            yield ours, name


def rank(row):
    """Of several names for one model the plainest is kept."""
    return ("@" in row["name"], row["name"].startswith("global."), len(row["name"]), row["name"])


def collect(listing, source, date):
    best, left_out = {}, Counter()
    for key, listed in sorted(listing.items()):
        if listed.get("mode") != "chat":
            continue
        for provider, name in families_of(key, listed):
            try:
                row = entry(provider, name, listed, source, date)
            except LeftOut as why:
                left_out[str(why)] += 1
                continue
            place = (provider, row["canonical"])
            if place in best:
                left_out["second name of one model"] += 1
            best[place] = min(row, best.get(place, row), key=rank)
    return sorted(best.values(), key=lambda row: (row["provider"], row["name"])), left_out


def render(source, rows):
    lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
    return f'{{\n"sources":[{json.dumps(source, separators=(",", ":"))}],\n"models":[\n{lines}\n]\n}}\n'


def read_wheel(path):
    version = re.match(r"litellm-([^-]+)-", path.name)
    if not version:
        raise SystemExit(f"{path.name} is not a litellm wheel: pass the file that pip downloaded")
    with zipfile.ZipFile(path) as wheel:
        data = wheel.read(PRICE_LIST)
    return version[1], data


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path, help="the litellm wheel, as downloaded")
    parser.add_argument("--date", required=True, help="the day on which the wheel was downloaded, YYYY-MM-DD")
    parser.add_argument("--check", action="store_true", help="compare with the committed file instead of writing it")
    args = parser.parse_args()
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", args.date):
        parser.error("--date must be YYYY-MM-DD")

    version, data = read_wheel(args.wheel)
    source = {
        "id": f"litellm-{version}",
        "package": "litellm",
        "version": version,
        "file": PRICE_LIST,
        "sha256": hashlib.sha256(data).hexdigest(),
        "licence": "MIT",
        "asOf": args.date,
    }
    rows, left_out = collect(json.loads(data, parse_float=Decimal), source["id"], args.date)
    text = render(source, rows)
    checksum = f"{hashlib.sha256(text.encode()).hexdigest()}  catalogue.json\n"

    for why, count in left_out.most_common():
        print(f"left out {count:5}  {why}", file=sys.stderr)
    providers = Counter(row["provider"] for row in rows)
    print(f"kept     {len(rows):5}  of {len(providers)} providers: {dict(sorted(providers.items()))}", file=sys.stderr)
    if args.check:
        same = (HERE / "catalogue.json").read_text() == text
        print("up to date" if same else "catalogue.json differs from what this wheel gives")
        sys.exit(0 if same else 1)
    (HERE / "catalogue.json").write_text(text)
    (HERE / "catalogue.json.sha256").write_text(checksum)


if __name__ == "__main__":
    main()
