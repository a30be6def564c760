"""What the tests share: a client per situation, what the tap and the provider saw, and what every refusal owes."""

import json
import os
import re
import time
import unittest
from pathlib import Path

import openai

STAGE = json.loads(Path(os.environ["POINTSMAN_STAGE"]).read_text())
# The client sends it, as applications with a placeholder do; the provider must never see it.
PLACEHOLDER = "placeholder-of-the-application"


def client(case, **options):
    """The stock client; `case` names the situation in the journals."""
    return openai.OpenAI(
        base_url=STAGE["base_url"], api_key=PLACEHOLDER, default_headers={"x-case": case}, timeout=120, **options
    )


def prompt(case, text="Say hello."):
    return [{"role": "user", "content": f"[{case}] {text}"}]


def ask(case, model="auto", text="Say hello.", **options):
    return client(case).chat.completions.create(model=model, messages=prompt(case, text), **options)


def ask_raw(case, model="auto", **options):
    return client(case).chat.completions.with_raw_response.create(model=model, messages=prompt(case), **options)


def rows(journal, case):
    with open(STAGE[journal], encoding="utf-8") as lines:
        # A line without its end is being written.
        whole = (line for line in lines if line.endswith("\n"))
        return [row for row in map(json.loads, whole) if row["case"] == case]


def tries(case):
    """How often the client really called."""
    return len(rows("requests", case))


def received(case):
    """What reached the provider."""
    return rows("received", case)


def record(case, error, seconds):
    row = {"case": case, "client": "Python", "status": getattr(error, "status_code", 200), "code": error.code,
           "tries": tries(case), "seconds": seconds}
    with open(STAGE["results"], "a", encoding="utf-8") as lines:
        lines.write(json.dumps(row) + "\n")


class Case(unittest.TestCase):
    maxDiff = None

    def refused(self, case, kind, status, code, call, message, attempts=0, wait=False):
        """Calls, and holds the refusal against everything that a refusal owes its caller. Gives the error.

        `attempts` are those that reached the provider; `wait` tells whether it says when to come again.
        """
        before, started = len(received(case)), time.monotonic()
        with self.assertRaises(openai.APIStatusError) as raised:
            call()
        seconds = time.monotonic() - started
        error = raised.exception
        record(case, error, seconds)
        headers = error.response.headers
        self.assertIs(type(error), kind)
        self.assertEqual((error.status_code, error.code), (status, code))
        self.assertEqual(tries(case), 1, "the client called again in vain")
        self.assertLess(seconds, 20)
        self.assertRegex(error.body["message"], message)
        self.assertIn(error.body["message"], str(error))
        self.assertRegex(error.request_id, "^req_[0-9A-Z]+$")
        self.assertTrue(error.body["message"].endswith(f" Request {error.request_id}."), error.body["message"])
        self.assertNotRegex(error.body["message"], r"\$|USD", "amounts of money are not the caller's business")
        self.assertEqual(set(error.body), {"message", "type", "param", "code"})
        self.assertEqual(len(received(case)) - before, attempts)
        self.holds_the_waiting_rule(status, headers)
        self.assertEqual("retry-after" in headers, wait)
        return error

    def holds_the_waiting_rule(self, status, headers):
        """Nobody is made to wait longer than a minute, and nobody is left to try again in vain."""
        wait = headers.get("retry-after")
        if wait is not None:
            self.assertTrue(1 <= int(wait) <= 60, wait)
        if status == 429 and wait is None or status >= 500:
            self.assertEqual(headers.get("x-should-retry"), "false")
        if status in (400, 403, 404):
            self.assertNotEqual(headers.get("x-should-retry"), "true")


def cost_nano(text):
    """Nano-USD of an exact decimal."""
    whole, _, part = text.partition(".")
    if not re.fullmatch(r"\d+", whole) or len(part) > 9:
        raise ValueError(f"{text!r} is not an amount in USD")
    return int(whole) * 10**9 + int(part.ljust(9, "0"))
