"""Plays the questions through the official client, and takes a provider away in the middle."""

import threading
import time
from dataclasses import dataclass, field

from openai import APIStatusError, OpenAI

from settings import CALLERS, DARK_FROM, DARK_PROVIDER, DARK_UNTIL, MAX_TOKENS, STREAMED_ONE_IN


@dataclass
class Call:
    """What the client saw of one call."""

    number: int
    question: dict
    streamed: bool
    began: float
    ended: float = 0.0
    request_id: str = ""
    model: str = ""
    provider: str = ""
    attempts: str = ""
    cost_header: str = ""
    answer_id: str = ""
    text: str = ""
    error: str = ""

    @property
    def right(self):
        return int(self.text.endswith("(graded right)"))


@dataclass
class Play:
    """All calls, in order, and when the provider went and came."""

    calls: list = field(default_factory=list)
    dark_at: float = 0.0
    up_at: float = 0.0
    seconds: float = 0.0

    def while_dark(self):
        return [call for call in self.calls if self.dark_at <= call.began < self.up_at]

    def back_after(self):
        """Seconds until the provider answered again a call that began after its return; None if it never did."""
        again = [call.ended for call in self.calls if call.began >= self.up_at and call.provider == DARK_PROVIDER]
        return min(again) - self.up_at if again else None


class Player:
    """Sixteen callers that take the next question as soon as they are free."""

    def __init__(self, gateway, questions, bar):
        self.gateway, self.questions, self.bar = gateway, questions, bar
        # No retries by the client: what fails here is counted as failed.
        self.client = OpenAI(base_url=gateway.base_url, api_key="pointsman", max_retries=0, timeout=60)
        self.lock, self.next, self.play, self.stopping = threading.Lock(), 0, Play(), threading.Event()

    def run(self):
        began = time.monotonic()
        callers = [threading.Thread(target=self._caller, daemon=True) for _ in range(CALLERS)]
        for caller in callers:
            caller.start()
        try:
            while any(caller.is_alive() for caller in callers):
                self.bar.show(len(self.play.calls))
                time.sleep(0.05)
        finally:
            self.stopping.set()
        self.play.seconds = time.monotonic() - began
        self.play.calls.sort(key=lambda call: call.number)
        return self.play

    def _caller(self):
        while not self.stopping.is_set():
            with self.lock:
                number = self.next
                if number >= len(self.questions):
                    return
                self.next += 1
                self._outage(number)
            call = self._ask(number)
            with self.lock:
                self.play.calls.append(call)

    def _outage(self, number):
        """Calls on their way finish: what is shown is a provider's absence, not a stream cut in mid-sentence."""
        if number == DARK_FROM:
            self.gateway.set_availability(DARK_PROVIDER, {"state": "Dark", "inFlight": "Finish"})
            self.play.dark_at = time.monotonic()
        if number == DARK_UNTIL:
            self.play.up_at = time.monotonic()
            self.gateway.set_availability(DARK_PROVIDER, {"state": "Up"})

    def _ask(self, number):
        question = self.questions[number]
        call = Call(number, question, number % STREAMED_ONE_IN == 0, time.monotonic())
        try:
            self._send(call)
        except APIStatusError as error:
            read_headers(call, error.response.headers)
            call.error = f"{type(error).__name__}: {error}"
        except Exception as error:  # a caller that dies silently would look like a question that was never asked
            call.error = f"{type(error).__name__}: {error}"
        call.ended = time.monotonic()
        return call

    def _send(self, call):
        raw = self.client.chat.completions.with_raw_response.create(
            model="auto",
            messages=[{"role": "user", "content": call.question["prompt"]}],
            max_tokens=MAX_TOKENS,
            stream=call.streamed,
        )
        read_headers(call, raw.headers)
        if call.streamed:
            finished = False
            for chunk in raw.parse():
                call.answer_id = chunk.id
                for choice in chunk.choices:
                    call.text += choice.delta.content or ""
                    finished |= choice.finish_reason is not None
            if not finished:
                call.error = "the stream ended without a finish_reason"
        else:
            completion = raw.parse()
            call.answer_id, call.text = completion.id, completion.choices[0].message.content or ""


def read_headers(call, headers):
    call.request_id = headers.get("x-request-id", "")
    call.model = headers.get("x-pointsman-model", "")
    call.provider = headers.get("x-pointsman-provider", "").rsplit("/", 1)[-1]
    call.attempts = headers.get("x-pointsman-attempts", "")
    call.cost_header = headers.get("x-pointsman-cost", "")
