"""What happened in this run: the client's calls, Pointsman's records and the providers' books, side by side."""

import statistics
from collections import Counter
from dataclasses import dataclass

from compare import Model, Result, always, best_split, gain_interval
from records import nano
from settings import MAX_TOKENS


@dataclass(frozen=True)
class Row:
    """One line of the comparison."""

    name: str
    note: str
    right: float
    cost: float


@dataclass(frozen=True)
class Share:
    """What one model did in this run; p50 on the model's own clock."""

    model: str
    calls: int
    cost: int
    p50: float
    right: float


@dataclass(frozen=True)
class Check:
    """Something that must hold."""

    name: str
    holds: bool
    detail: str


class Facts:
    """Computed once; the reports only write it down."""

    def __init__(self, gateway, questions, play, records, books, budget, deciding_ms):
        self.play, self.records, self.books, self.budget = play, records, books, budget
        self.deciding_ms = deciding_ms
        self.clock = {name: about["clockFactor"] for name, about in gateway.providers.items()}
        self.models = {
            each["name"]: Model(each["name"], name, each["input_price"], each["output_price"])
            for name, about in gateway.providers.items()
            for each in about["models"]
        }
        self.calls = play.calls
        self.failed = [call for call in self.calls if call.error]
        self.per_model = {name: always(model, questions, MAX_TOKENS) for name, model in self.models.items()}
        self.played = [Result(call.right, self.cost_of(call)) for call in self.calls]
        self.right = sum(result.right for result in self.played)
        self.cost = sum(result.cost for result in self.played)
        self.uncertain = sum(record.uncertain_nano for record in records.values())
        self.totals = {name: (right(results), cost(results)) for name, results in self.per_model.items()}
        self.split = best_split(self.totals, self.cost)
        self.interval = gain_interval(self.played, self.per_model)
        self.checks = list(self._checks())

    def cost_of(self, call):
        record = self.records.get(call.request_id)
        return record.cost_nano if record else 0

    @property
    def gain(self):
        """Points above the best fixed split at the same cost."""
        return None if self.split is None else 100 * (self.right - self.split.right) / len(self.calls)

    def rows(self):
        strongest = max(self.totals, key=lambda name: self.totals[name])
        cheapest = min(self.totals, key=lambda name: self.totals[name][1])
        for name, note in [(strongest, "strongest"), (cheapest, "cheapest")]:
            yield Row(f"always {name}", note, *self.totals[name])
        if self.split:
            yield Row("best fixed split at the same cost", "", self.split.right, self.split.cost)
        yield Row("Pointsman", "", self.right, self.cost)

    def shares(self):
        served = Counter(call.model for call in self.calls if not call.error)
        for model, calls in served.most_common():
            mine = [call for call in self.calls if call.model == model and not call.error]
            clock = self.clock[self.models[model].provider]
            yield Share(
                model,
                calls,
                sum(map(self.cost_of, mine)),
                statistics.median(call.ended - call.began for call in mine) * clock,
                sum(call.right for call in mine) / calls,
            )

    def billed(self):
        """Rows of all books that bill something."""
        return [row for books in self.books.values() for row in books["calls"] if row["cost_nano"]]

    def billed_twice(self, calls):
        """Of these calls, those whose question is billed more than once in the books; each was asked once."""
        times = Counter(row["prompt_id"] for row in self.billed())
        return [call for call in calls if times[call.question["id"]] > 1]

    def _checks(self):
        yield Check("no call failed", not self.failed, f"{len(self.failed)} of {len(self.calls)} failed")
        twice = self.billed_twice(self.calls)
        yield Check("nothing is billed twice", not twice, f"{len(twice)} questions are billed more than once")
        seen = {call.answer_id for call in self.calls}
        lost = [row["id"] for row in self.billed() if row["id"] not in seen]
        yield Check("every billed answer reached its caller", not lost, f"{len(lost)} billed answers reached nobody")
        for name, books in self.books.items():
            ours = sum(record.known_to(name) for record in self.records.values())
            theirs = books["total"]["cost_nano"]
            yield Check(f"the books of {name} agree", ours == theirs, f"{theirs} nano-USD there, {ours} here")
        theirs = sum(books["total"]["cost_nano"] for books in self.books.values())
        known = self.cost - self.uncertain
        yield Check("the calls cost what the books bill", known == theirs, f"{theirs} there, {known} here")
        headers = [call for call in self.calls if call.cost_header]
        wrong = [call for call in headers if nano(call.cost_header) != self.cost_of(call)]
        yield Check("the cost headers agree", bool(headers) and not wrong, f"{len(wrong)} of {len(headers)} differ")
        yield Check(
            "the budget counted every nano-dollar", self.budget.spent == theirs + self.uncertain,
            f"{theirs} in the books, {self.uncertain} uncertain, {self.budget.spent} in the budget",
        )
        yield Check(
            "the budget held", self.budget.spent <= self.budget.limit,
            f"{self.budget.spent} of {self.budget.limit} nano-USD",
        )
        graded = sum(books["total"]["right"] for books in self.books.values())
        yield Check("the grades agree", graded == self.right, f"{graded} right in the books, {self.right} at the client")


def right(results):
    return sum(result.right for result in results)


def cost(results):
    return sum(result.cost for result in results)

