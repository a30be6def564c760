"""What catalogue.py takes out of a price list, what it refuses, and that the same list gives the same bytes.

python3 -m unittest discover models/tools
"""

import unittest
from decimal import Decimal

import catalogue

GOOD = {
    "litellm_provider": "openai",
    "mode": "chat",
    "input_cost_per_token": Decimal("2.5e-06"),
    "output_cost_per_token": Decimal("0.00001"),
    "cache_read_input_token_cost": Decimal("1.25e-06"),
    "max_input_tokens": 128000,
    "max_output_tokens": 16384,
    "supports_function_calling": True,
    "supports_vision": False,
}


def collect(key="gpt-x", **changes):
    listed = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    return catalogue.collect({key: listed}, "list-1", "2026-11-21")


class CatalogueTest(unittest.TestCase):
    def test_an_entry_keeps_exact_prices_and_names_its_source(self):
        rows, _ = collect()
        self.assertEqual(
            rows,
            [
                {
                    "provider": "OpenAI",
                    "name": "gpt-x",
                    "canonical": "gpt-x",
                    "input": "2.5",
                    "output": "10",
                    "cachedInput": "1.25",
                    "contextWindow": 128000,
                    "maxOutputTokens": 16384,
                    "capabilities": ["Chat", "Tools"],
                    "source": "list-1",
                    "asOf": "2026-11-21",
                }
            ],
        )

    def test_what_cannot_be_is_left_out_with_a_reason(self):
        cases = [
            ({"input_cost_per_token": Decimal("-1e-6")}, "input price is zero or negative"),
            ({"output_cost_per_token": Decimal(0)}, "output price is zero or negative"),
            ({"input_cost_per_token": Decimal("0.0011")}, "input price above 1000 USD per million"),
            ({"input_cost_per_token": Decimal("1e-16")}, "input price is finer than a nano-dollar"),
            ({"output_cost_per_token": None}, "no output price"),
            ({"output_cost_per_reasoning_token": Decimal("0.00002")}, "reasoning tokens are priced apart"),
            ({"max_input_tokens": None}, "no context window or output limit"),
            ({"max_input_tokens": 10**9}, "impossible context window or output limit"),
            ({"max_output_tokens": -1}, "impossible context window or output limit"),
            ({"deprecation_date": "2026-11-21"}, "retired"),
            ({"deprecation_date": "soon"}, "odd retirement date"),
        ]
        for changes, reason in cases:
            with self.subTest(reason=reason, **changes):
                rows, left_out = collect(**changes)
                self.assertEqual((rows, dict(left_out)), ([], {reason: 1}))
        for key in ["ft:gpt-x", "gpt-x-audio", "gpt-x-search-preview", "gpt-realtime"]:
            self.assertEqual(collect(key)[0], [], key)
        self.assertEqual(collect(mode="embedding")[0], [])

    def test_a_cached_price_above_the_input_price_is_no_discount(self):
        self.assertNotIn("cachedInput", collect(cache_read_input_token_cost=Decimal("3e-06"))[0][0])

    def test_the_window_ends_where_the_price_rises(self):
        rises = {"input_cost_per_token_above_100k_tokens": Decimal("5e-06")}
        self.assertEqual(collect(**rises)[0][0]["contextWindow"], 100_000)
        other = {"input_cost_per_token_above_100k_tokens_batches": Decimal("5e-06")}
        self.assertEqual(collect(**other)[0][0]["contextWindow"], 128_000)
        tiers = [
            {"input_cost_per_token": Decimal("1e-6"), "output_cost_per_token": Decimal("2e-6"), "range": [0, Decimal(8000)]},
            {"input_cost_per_token": Decimal("2e-6"), "output_cost_per_token": Decimal("4e-6"), "range": [8000, 128000]},
        ]
        [row] = collect(input_cost_per_token=None, output_cost_per_token=None, tiered_pricing=tiers)[0]
        self.assertEqual((row["input"], row["output"], row["contextWindow"], row["maxOutputTokens"]), ("1", "2", 8000, 8000))

    def test_a_model_has_one_canonical_name_wherever_it_is_served(self):
        for provider, name, canonical in [
            ("Groq", "openai/gpt-oss-120b", "gpt-oss-120b"),
            ("Bedrock", "openai.gpt-oss-120b-1:0", "gpt-oss-120b"),
            ("Bedrock", "anthropic.claude-opus-4-6-v1", "claude-opus-4-6"),
            ("Bedrock", "global.zai.glm-5.3", "glm-5.3"),
            ("Bedrock", "nvidia.nemotron-nano-12b-v2", "nemotron-nano-12b-v2"),
            ("Bedrock", "deepseek.v3-v1:0", "deepseek-v3"),
            ("Fireworks", "glm-5p3", "glm-5.3"),
            ("Together", "zai-org/GLM-5.3", "glm-5.3"),
            ("VertexAI", "claude-opus-5@default", "claude-opus-5"),
        ]:
            self.assertEqual(catalogue.canonical_name(provider, name), canonical)

    def test_the_plainest_of_several_names_is_kept_whatever_the_order(self):
        listing = {
            name: {**GOOD, "litellm_provider": "vertex_ai-anthropic_models"}
            for name in ["vertex_ai/claude-x@default", "vertex_ai/claude-x"]
        }
        for order in (listing, dict(reversed(listing.items()))):
            rows, left_out = catalogue.collect(order, "list-1", "2026-11-21")
            self.assertEqual([row["name"] for row in rows], ["claude-x"])
            self.assertEqual(left_out["second name of one model"], 1)

    def test_the_same_list_gives_the_same_bytes_in_any_order(self):
        listing = {name: GOOD for name in ["gpt-b", "gpt-a", "gpt-c"]}
        texts = {
            catalogue.render({"id": "list-1"}, catalogue.collect(order, "list-1", "2026-11-21")[0])
            for order in (listing, dict(reversed(listing.items())))
        }
        self.assertEqual(len(texts), 1)
        self.assertLess(min(texts).index("gpt-a"), min(texts).index("gpt-b"))


if __name__ == "__main__":
    unittest.main()
