"""A prompt loop like anybody's: the stock client, no key, no address, one model name."""

import os
import signal
import time

from openai import OpenAI, OpenAIError

PROMPTS = [
    "Where is my order 4711?",
    "Write a two-line description of a blue ceramic teapot.",
    "A customer wants to return opened headphones after 20 days. Our rule: 14 days, unopened. Draft a kind reply.",
    "Translate to German: the parcel has been handed to the carrier.",
    "Three orders of 19.99, 24.50 and 7.25, a voucher of 10 %, shipping 4.90: what is the total, step by step?",
    "Summarise this review in five words: good sound, but the left ear cup broke after a week.",
]


def main() -> None:
    # What was asked is paid for: the last answer is waited for.
    ending = []
    signal.signal(signal.SIGTERM, lambda *_: ending.append(True))
    client = OpenAI()
    pause = float(os.environ.get("PAUSE", "0.5"))
    number = 0
    while not ending:
        prompt = PROMPTS[number % len(PROMPTS)]
        number += 1
        try:
            answer = client.chat.completions.create(
                model="auto", max_tokens=200, messages=[{"role": "user", "content": prompt}]
            )
            print(f"{number:5} {answer.model:12} {answer.usage.completion_tokens:4} tokens  {prompt[:60]}")
        except OpenAIError as error:
            print(f"{number:5} failed       {error}")
        time.sleep(pause)


if __name__ == "__main__":
    main()
