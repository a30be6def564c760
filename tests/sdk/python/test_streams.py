"""Streams: what the client gets piece by piece."""

import time

import openai
from stand import Case, ask, ask_raw, client, cost_nano, prompt, received, record, tries

TEXT = "The cat sat on the mat and looked at the moon."


def text_of(chunks):
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


class Streams(Case):
    def test_usage_is_hidden_from_a_client_that_did_not_ask(self):
        chunks = list(ask("stream", stream=True))
        self.assertEqual(text_of(chunks), TEXT)
        self.assertEqual([chunk for chunk in chunks if chunk.usage or not chunk.choices], [])
        self.assertEqual(chunks[-1].choices[0].finish_reason, "stop")
        # It is asked for upstream all the same: without it nobody knows what the call cost.
        [call] = received("stream")
        self.assertEqual(call["body"]["stream_options"], {"include_usage": True})

    def test_usage_is_shown_to_a_client_that_asked(self):
        chunks = list(ask("stream-usage", stream=True, stream_options={"include_usage": True}))
        self.assertEqual(text_of(chunks), TEXT)
        self.assertEqual((chunks[-1].choices, [chunk.usage for chunk in chunks[:-1]]), ([], [None] * (len(chunks) - 1)))
        [call] = received("stream-usage")
        self.assertEqual(chunks[-1].usage.model_dump(exclude_none=True), call["usage"])

    def test_the_cost_stands_in_the_usage_of_whoever_asks_for_it(self):
        chunks = list(ask("stream-cost", stream=True, stream_options={"include_usage": True},
                          extra_headers={"x-pointsman-annotate": "body"}))
        [call] = received("stream-cost")
        self.assertEqual(round(chunks[-1].usage.cost * 10**9), call["cost_nano"])

    def test_headers_tell_an_estimate_because_the_cost_is_not_known_yet(self):
        raw = ask_raw("stream-headers", stream=True)
        self.assertEqual(text_of(raw.parse()), TEXT)
        self.assertNotIn("x-pointsman-cost", raw.headers)
        self.assertGreater(cost_nano(raw.headers["x-pointsman-cost-estimate"]), 0)
        call = client("stream-asked").get(f"/calls/{raw.headers['x-request-id']}", cast_to=object)
        [received_call] = received("stream-headers")
        self.assertEqual(call["cost_nano"], received_call["cost_nano"])

    def test_a_stream_falls_back_before_its_first_word(self):
        raw = ask_raw("stream-fallback", model="with-fallback", stream=True)
        self.assertEqual(text_of(raw.parse()), TEXT)
        self.assertEqual(raw.headers["x-pointsman-attempts"], "shaky/best-but-down=503, steady/small=200")

    def test_a_stream_that_is_cut_ends_in_an_error_that_says_so(self):
        started, came = time.monotonic(), []
        with self.assertRaises(openai.APIError) as raised:
            for chunk in ask("stream-cut", model="cut", stream=True):
                came.append(chunk)
        error = raised.exception
        record("stream-cut", error, time.monotonic() - started)
        self.assertTrue(TEXT.startswith(text_of(came)) and text_of(came), "words that came are kept")
        self.assertEqual([chunk.choices[0].finish_reason for chunk in came if chunk.choices][-1], None)
        self.assertRegex(
            str(error),
            r"^Provider shop/shaky ended the stream after \d+ tokens\. What arrived is incomplete\. Request req_\w+\.$",
        )
        self.assertEqual(error.code, "upstream_stream_cut")
        self.assertEqual((tries("stream-cut"), len(received("stream-cut"))), (1, 1))

    def test_events_that_nobody_understands_never_reach_the_client(self):
        started = time.monotonic()
        with self.assertRaises(openai.APIError) as raised:
            list(ask("stream-garbage", model="garbage", stream=True))
        record("stream-garbage", raised.exception, time.monotonic() - started)
        self.assertRegex(str(raised.exception), r"^Provider shop/shaky ended the stream after 0 tokens\. .*Request req_\w+\.$")
        self.assertEqual((raised.exception.code, tries("stream-garbage")), ("upstream_stream_cut", 1))

    def test_a_client_that_leaves_is_charged_what_came(self):
        stream = client("leaves").chat.completions.create(model="auto", messages=prompt("leaves"), stream=True)
        next(iter(stream))
        request_id = stream.response.headers["x-request-id"]
        stream.close()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                call = client("left").get(f"/calls/{request_id}", cast_to=object)
                break
            except openai.NotFoundError:
                time.sleep(0.05)
        [received_call] = received("leaves")
        self.assertTrue(0 < call["cost_nano"] <= 2 * received_call["cost_nano"], call)
