"""Pointsman's own records, GET /v1/calls/{id}, as far as the report needs them."""

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Candidate:
    model: str
    chance: float
    expected_cost: int | None
    picked: bool
    left_out: str


@dataclass(frozen=True)
class Attempt:
    provider: str
    model: str
    outcome: str
    cost_nano: int
    # The part of it that is charged although nobody knows what was used: a Strict budget counts the worst case.
    uncertain_nano: int = 0


@dataclass(frozen=True)
class Record:
    cost_nano: int
    shadow_price: float
    candidates: list
    attempts: list

    @property
    def uncertain_nano(self):
        return sum(attempt.uncertain_nano for attempt in self.attempts)

    def known_to(self, provider):
        """What this provider must have billed."""
        return sum(each.cost_nano - each.uncertain_nano for each in self.attempts if each.provider == provider)


@dataclass(frozen=True)
class Budget:
    """Nano-USD."""

    limit: int
    spent: int


def read_records(gateway, calls):
    """The records of all calls that got as far as having a request id."""
    ids = [call.request_id for call in calls if call.request_id]
    with ThreadPoolExecutor(4) as pool:
        return dict(zip(ids, pool.map(lambda each: parse(gateway.get(f"/v1/calls/{each}")), ids)))


def parse(raw):
    decision = raw["decision"]
    return Record(
        cost_nano=raw["cost_nano"],
        shadow_price=decision["routing"]["lambda"],
        candidates=[candidate(each) for each in decision["model_ranking"]],
        attempts=[
            Attempt(short(each["provider"]), each["model"], outcome(each), each["cost_nano"], each["uncertain_nano"])
            for each in raw["attempts"]
        ],
    )


def candidate(raw):
    expected = raw["expected_cost_usd"]
    return Candidate(
        model=raw["model"],
        chance=raw["quality"],
        expected_cost=None if expected is None else nano(expected),
        picked=raw["verdict"] == "picked",
        left_out=raw["why"] or "",
    )


def outcome(attempt):
    return f"{attempt['result']} after {attempt['took_ms']} ms"


def short(provider):
    """Providers are named namespace/name; the demo has one namespace."""
    return provider.rsplit("/", 1)[-1]


def read_budget(gateway, folder):
    """The limit as the manifest says it, what is spent as the metrics say it."""
    manifest = (Path(folder) / "budget.yaml").read_text(encoding="utf-8")
    limit = re.search(r"amount: ([0-9.]+) USD", manifest).group(1)
    spent = re.search(r"^pointsman_budget_spent\{[^}]*unit=\"USD\"\} (\d+)$", gateway.text("/metrics"), re.MULTILINE).group(1)
    return Budget(nano(limit), int(spent))


def read_deciding_ms(gateway):
    """Mean time from the arrival of a call to its decision, from the histogram of the metrics."""
    metrics = gateway.text("/metrics")
    total, count = (
        float(re.search(rf"^pointsman_decision_seconds_{part}(?:\{{[^}}]*\}})? (\S+)$", metrics, re.MULTILINE).group(1))
        for part in ("sum", "count")
    )
    return 1000 * total / max(count, 1)


def nano(decimal):
    """Exact: "0.000212" USD is 212000 nano-USD."""
    whole, _, fraction = decimal.partition(".")
    return int(whole) * 10**9 + int((fraction + "0" * 9)[:9])
