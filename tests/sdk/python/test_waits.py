"""The one refusal that is worth waiting for: a window of a minute. The client waits by itself, and succeeds."""

import time
from concurrent.futures import ThreadPoolExecutor

import openai
from stand import Case, ask, client, prompt, record, rows


def refused_once():
    """Calls until the minute is used up, at most three times: a minute may turn in between."""
    for number in range(3):
        try:
            case = f"minute-{number}"
            client(case, max_retries=0).chat.completions.create(model="per-minute", messages=prompt(case))
        except openai.RateLimitError as error:
            return error
    raise AssertionError("a budget of one call in a minute has let three calls pass")


def wait_as_told():
    error = refused_once()
    started = time.monotonic()
    answer = ask("minute-waits", model="per-minute")
    return error, answer, time.monotonic() - started


# Up to a minute passes here: the other tests run in the meantime.
WAITING = ThreadPoolExecutor(1).submit(wait_as_told)


class Waits(Case):
    def test_a_window_of_a_minute_is_waited_for_by_the_client(self):
        error, answer, seconds = WAITING.result(timeout=150)
        record("minute-waits", error, seconds)
        wait = int(error.response.headers["retry-after"])
        self.assertEqual((error.status_code, error.code, error.type), (429, "rate_limit_exceeded", "rate_limit_error"))
        self.assertRegex(
            error.body["message"],
            rf"^Budget shop/minute allows 1 requests? per minute\. Again in {wait} s\. Request {error.request_id}\.$",
        )
        self.assertTrue(1 <= wait <= 60, wait)
        self.assertNotEqual(error.response.headers.get("x-should-retry"), "false")
        limits = {name: error.response.headers[f"x-ratelimit-{name}-requests"] for name in ("limit", "remaining", "reset")}
        self.assertEqual(limits, {"limit": "1", "remaining": "0", "reset": f"{wait}s"})
        self.assertEqual(answer.choices[0].finish_reason, "stop")
        retries = [row["retry"] for row in rows("requests", "minute-waits")]
        self.assertEqual(retries, list(range(len(retries))))
        # The minute may have turned between the refusal and the call.
        self.assertIn(len(retries), (2, 3) if wait > 5 else (1, 2, 3))
