"""What a call that goes well looks like through the client."""

import asyncio

import openai
from stand import PLACEHOLDER, STAGE, Case, ask, ask_raw, client, cost_nano, prompt, received

TOOL = {"type": "function", "function": {
    "name": "weather", "description": "Tells the weather.", "strict": True,
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"],
                   "additionalProperties": False}}}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "place", "strict": True, "schema": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}}}


class Answers(Case):
    def test_a_plain_call_is_answered_and_tells_what_it_cost(self):
        raw = ask_raw("plain")
        answer = raw.parse()
        self.assertEqual(answer.choices[0].message.content, "The cat sat on the mat and looked at the moon.")
        self.assertEqual(answer.choices[0].finish_reason, "stop")
        self.assertEqual(answer.model, "large-2026")
        self.assertEqual(answer._request_id, raw.headers["x-request-id"])
        told = {name: raw.headers.get(f"x-pointsman-{name}") for name in ("model", "provider", "policy", "reason")}
        self.assertEqual(told, {"model": "large", "provider": "steady", "policy": "shop/default", "reason": "picked"})
        self.assertGreaterEqual(float(raw.headers["x-pointsman-overhead-ms"]), 0)
        [call] = received("plain")
        self.assertEqual(cost_nano(raw.headers["x-pointsman-cost"]), call["cost_nano"])
        self.assertEqual(answer.usage.model_dump(exclude_none=True), call["usage"])

    def test_only_the_providers_own_key_reaches_the_provider(self):
        ask("keys")
        [call] = received("keys")
        self.assertEqual(call["authorization"], f"Bearer {STAGE['key']}")
        self.assertNotIn(PLACEHOLDER, str(call))

    def test_a_named_candidate_skips_the_choice(self):
        raw = ask_raw("named", model="small")
        self.assertEqual(raw.headers["x-pointsman-reason"], "requested")
        self.assertEqual(raw.headers["x-pointsman-model"], "small")

    def test_fields_that_pointsman_does_not_know_pass_through(self):
        ask("fields", temperature=0.3, seed=7, user="u-1", extra_body={"new_field": {"of": ["tomorrow"]}}, max_tokens=5)
        [call] = received("fields")
        wanted = {"model": "large", "messages": prompt("fields"), "temperature": 0.3, "seed": 7, "user": "u-1",
                  "new_field": {"of": ["tomorrow"]}, "max_tokens": 5}
        self.assertEqual(call["body"], wanted)

    def test_tools_pass_through_both_ways(self):
        answer = ask("tools", tools=[TOOL], tool_choice="auto")
        [call] = answer.choices[0].message.tool_calls
        self.assertEqual((call.id, call.function.name, call.function.arguments), ("call_1", "weather", '{"city":"Paris"}'))
        [sent] = received("tools")
        self.assertEqual((sent["body"]["tools"], sent["body"]["tool_choice"]), ([TOOL], "auto"))
        history = prompt("tools-back") + [
            answer.choices[0].message.model_dump(exclude_none=True),
            {"role": "tool", "tool_call_id": call.id, "content": "[tools-back] 21 degrees"},
        ]
        client("tools-back").chat.completions.create(model="auto", messages=history)
        [sent] = received("tools-back")
        self.assertEqual(sent["body"]["messages"], history)

    def test_tool_calls_stream_through(self):
        with client("tools-stream").chat.completions.stream(
            model="auto", messages=prompt("tools-stream"), tools=[TOOL]
        ) as stream:
            answer = stream.get_final_completion()
        self.assertEqual(answer.choices[0].message.tool_calls[0].function.arguments, '{"city":"Paris"}')
        self.assertEqual(answer.choices[0].finish_reason, "tool_calls")

    def test_a_response_format_passes_through(self):
        answer = ask("format", response_format=SCHEMA)
        self.assertEqual(answer.choices[0].message.content, '{"city":"Paris"}')
        [sent] = received("format")
        self.assertEqual(sent["body"]["response_format"], SCHEMA)

    def test_the_cost_stands_in_the_body_for_whoever_asks(self):
        raw = ask_raw("annotated", extra_headers={"x-pointsman-annotate": "body"})
        [call] = received("annotated")
        self.assertEqual(round(raw.parse().usage.cost * 10**9), call["cost_nano"])
        self.assertFalse(hasattr(ask_raw("not-annotated").parse().usage, "cost"))

    def test_a_call_that_went_well_elsewhere_says_so(self):
        raw = ask_raw("fallback", model="with-fallback")
        self.assertEqual(raw.headers["x-pointsman-reason"], "fallback")
        self.assertEqual(raw.headers["x-pointsman-attempts"], "shaky/best-but-down=503, steady/small=200")
        self.assertEqual([call["body"]["model"] for call in received("fallback")], ["overloaded", "small"])
        [_, answered] = received("fallback")
        self.assertEqual(cost_nano(raw.headers["x-pointsman-cost"]), answered["cost_nano"])

    def test_many_calls_at_once_are_each_answered_and_priced(self):
        async def all_at_once():
            async with openai.AsyncOpenAI(base_url=STAGE["base_url"], api_key=PLACEHOLDER) as many:
                asked = (many.chat.completions.with_raw_response.create(
                    model=("large", "small")[number % 2], messages=prompt("many", "word " * number)
                ) for number in range(64))
                return await asyncio.gather(*asked)

        answers = asyncio.run(all_at_once())
        costs = sorted(cost_nano(raw.headers["x-pointsman-cost"]) for raw in answers)
        self.assertEqual(costs, sorted(call["cost_nano"] for call in received("many")))
        self.assertEqual(len({raw.headers["x-request-id"] for raw in answers}), 64)

    def test_the_offered_models_are_listed(self):
        names = [model.id for model in client("models").models.list()]
        self.assertIn("auto", names)
        self.assertIn("small", names)
        self.assertEqual(len(names), len(set(names)))

    def test_what_became_of_a_call_can_be_asked_later(self):
        raw = ask_raw("later")
        call = client("later-asked").get(f"/calls/{raw.headers['x-request-id']}", cast_to=object)
        [received_call] = received("later")
        self.assertEqual(call["cost_nano"], received_call["cost_nano"])
