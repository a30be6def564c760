"""Every refusal: what the client raises, how often it called, what its user reads."""

import openai
from stand import Case, ask, ask_raw, client, prompt

IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


class Refusals(Case):
    def test_a_budget_that_is_used_up_is_refused_at_once(self):
        ask("month-first", model="monthly")
        error = self.refused(
            "budget-exhausted", openai.RateLimitError, 429, "budget_exhausted",
            lambda: ask("budget-exhausted", model="monthly"),
            r"^Budget shop/month is used up until \d{4}-\d\d-01T00:00\+0[12]:00\. Owner: team-search, #llm-budget\. ",
        )
        self.assertEqual(error.type, "insufficient_quota")
        self.assertRegex(
            error.response.headers["x-pointsman-budget"],
            r"^shop/month; state=exhausted; used=100; resets=\d{4}-\d\d-01T00:00:00\+0[12]:00$",
        )

    def test_a_request_that_no_candidate_can_take_is_the_callers_to_mend(self):
        content = [{"type": "text", "text": "[no-candidate] What is this?"}, IMAGE]
        error = self.refused(
            "no-candidate", openai.BadRequestError, 400, "no_candidate",
            lambda: client("no-candidate").chat.completions.create(
                model="text-only", messages=[{"role": "user", "content": content}]),
            r"^No candidate of policy shop/text-only can take this request: text-model: no image input\. ",
        )
        self.assertEqual(error.param, "messages")

    def test_a_candidate_with_an_open_circuit_is_not_called(self):
        self.refused(
            "circuit-opens", openai.InternalServerError, 503, "upstream_unavailable",
            lambda: ask("circuit-opens", model="fragile"), "^Provider shop/fragile answered 503 ", attempts=1,
        )
        self.refused(
            "none-available", openai.InternalServerError, 503, "no_candidate_available",
            lambda: ask("none-available", model="fragile"),
            r"^No candidate of policy shop/fragile is available now: fragile-model \(fragile\): "
            r"circuit open after 1 errors?, next probe in \d+ s\. ",
            wait=True,
        )

    def test_a_provider_that_is_down_is_tried_twice_by_us_and_not_by_the_client(self):
        error = self.refused(
            "provider-down", openai.InternalServerError, 503, "upstream_unavailable",
            lambda: ask("provider-down", model="down"),
            r'^Provider shop/shaky answered 503 twice \("The server is overloaded\.?"\) and policy shop/down has no other '
            r"candidate for model down-model\. ",
            attempts=2,
        )
        self.assertEqual(error.response.headers["x-pointsman-attempts"], "shaky/down-model=503, shaky/down-model=503")

    def test_a_provider_that_throttles_for_long_does_not_hang_the_client(self):
        error = self.refused(
            "provider-throttles", openai.RateLimitError, 429, "upstream_unavailable",
            lambda: ask("provider-throttles", model="throttled"), "^Provider shop/shaky answered 429 ", attempts=1,
        )
        self.assertEqual(error.response.headers["x-pointsman-attempts"], "shaky/throttled-model=429")

    def test_a_refused_credential_is_the_platforms_fault(self):
        self.refused(
            "credential-refused", openai.InternalServerError, 503, "provider_credential_rejected",
            lambda: ask("credential-refused", model="locked"),
            "^Provider shop/locked refused its credential and no other candidate is left. "
            "This is the platform's fault, not your request's. ",
            attempts=1,
        )

    def test_an_unknown_model_is_answered_with_the_list(self):
        error = self.refused(
            "unknown-model", openai.NotFoundError, 404, "model_not_found",
            lambda: ask("unknown-model", model="gpt-6"),
            r"^The model 'gpt-6' is not offered to shop/pointsman\. Offered: (.*, )?auto, .*\. ",
        )
        self.assertEqual(error.param, "model")

    def test_a_rule_refuses_in_its_own_words(self):
        error = self.refused(
            "rule", openai.PermissionDeniedError, 403, "rejected_by_policy",
            lambda: ask("rule", model="guarded", text="Charge 4111 1111 1111 1111, please."),
            '^Rule "no-card-numbers" of policy shop/guarded refuses this request: card numbers may not be sent to a model. ',
        )
        self.assertEqual((error.type, error.param), ("permission_error", "messages"))
        self.assertEqual(ask("rule-passes", model="guarded").choices[0].finish_reason, "stop")

    def test_an_answer_that_nobody_understands_is_the_providers_fault(self):
        self.refused(
            "garbage", openai.InternalServerError, 502, "upstream_unavailable", lambda: ask("garbage", model="garbage"),
            "^Provider shop/shaky gave an answer that cannot be understood ", attempts=1,
        )

    def test_a_provider_that_says_nothing_is_given_up(self):
        self.refused(
            "silent", openai.InternalServerError, 504, "upstream_unavailable",
            lambda: ask("silent", model="silent"), "^Provider shop/shaky did not answer in time ", attempts=1,
        )

    def test_what_the_provider_says_of_the_request_is_passed_on(self):
        error = self.refused(
            "picky", openai.BadRequestError, 400, "unsupported_value", lambda: ask("picky", model="picky", temperature=1.9),
            "^Provider shop/shaky refused this request: temperature must be at most 2. ", attempts=1,
        )
        self.assertEqual(error.type, "invalid_request_error")

    def test_a_path_that_is_not_served_is_said_so(self):
        self.refused(
            "unsupported-path", openai.NotFoundError, 404, "unsupported_path",
            lambda: client("unsupported-path").embeddings.create(model="auto", input="hello"),
            "^POST /v1/embeddings is not served here. ",
        )

    def test_a_body_that_cannot_be_read_is_the_callers_to_mend(self):
        error = self.refused(
            "wrong-type", openai.BadRequestError, 400, "invalid_type",
            lambda: client("wrong-type").chat.completions.create(model="auto", messages="hello"),
            "^`messages` has the wrong type; send ",
        )
        self.assertEqual(error.param, "messages")

    def test_a_refusal_does_not_wait_for_the_first_chunk(self):
        self.refused(
            "stream-refused", openai.InternalServerError, 503, "upstream_unavailable",
            lambda: ask_raw("stream-refused", model="down", stream=True), "^Provider shop/shaky answered 503 ", attempts=2,
        )
