"""Do the checks fail when something is wrong? python3 -m unittest discover -s scripts/demo"""

import unittest
from types import SimpleNamespace

from facts import Facts
from records import Attempt, Budget, Record, nano

QUESTIONS = [
    {"id": f"q{at}", "prompt": "?", "in_tokens": 10, "answers": {"m": {"right": at % 2, "out_tokens": 5}}} for at in range(4)
]
COST = 10 * 1 + 5 * 2


def world():
    """Four calls of one model, each billed once."""
    calls = [
        SimpleNamespace(
            number=at, question=question, began=float(at), ended=at + 0.5, request_id=f"r{at}", model="m", provider="p",
            cost_header="0.000000020", answer_id=f"a{at}", error="", right=at % 2,
        )
        for at, question in enumerate(QUESTIONS)
    ]
    rows = [{"id": f"a{at}", "prompt_id": f"q{at}", "cost_nano": COST} for at in range(4)]
    return SimpleNamespace(
        gateway=SimpleNamespace(providers={"p": {
            "clockFactor": 10, "models": [{"name": "m", "input_price": 10**6, "output_price": 2 * 10**6}],
        }}),
        play=SimpleNamespace(calls=calls, while_dark=lambda: calls[1:2]),
        records={f"r{at}": Record(COST, 1.0, [], [Attempt("p", "m", "200", COST)]) for at in range(4)},
        books={"p": {"calls": rows, "total": {"cost_nano": 4 * COST, "right": 2}}},
        budget=Budget(100, 4 * COST),
    )


def broken(world):
    facts = Facts(world.gateway, QUESTIONS, world.play, world.records, world.books, world.budget, 0.05)
    return {check.name for check in facts.checks if not check.holds}


class Checking(unittest.TestCase):
    def check(self, edit, *expected):
        changed = world()
        edit(changed)
        self.assertEqual(broken(changed), set(expected))

    def test_a_clean_run_breaks_nothing(self):
        self.check(lambda world: None)

    def test_a_failed_call_breaks_the_run(self):
        self.check(lambda world: setattr(world.play.calls[0], "error", "gone"), "no call failed")

    def test_one_nano_dollar_breaks_the_run(self):
        def more(world):
            world.books["p"]["total"]["cost_nano"] += 1

        self.check(more, "the books of p agree", "the calls cost what the books bill", "the budget counted every nano-dollar")

    def test_a_question_that_is_billed_twice_is_found(self):
        def twice(world):
            world.books["p"]["calls"].append({"id": "a9", "prompt_id": "q0", "cost_nano": 1})

        self.check(twice, "nothing is billed twice", "every billed answer reached its caller")

    def test_what_nobody_knows_is_counted_apart(self):
        def reset(world):
            lost = Attempt("p", "m", "reset", 7, 7)
            world.records["r1"] = Record(COST + 7, 1.0, [], [lost, Attempt("p", "m", "200", COST)])
            world.play.calls[1].cost_header = "0.000000027"
            world.budget = Budget(100, 4 * COST + 7)

        self.check(reset)

    def test_a_budget_that_broke_is_found(self):
        self.check(lambda world: setattr(world, "budget", Budget(79, 80)), "the budget held")

    def test_a_wrong_header_is_found(self):
        self.check(lambda world: setattr(world.play.calls[2], "cost_header", "0.00000002"), *[])
        self.check(lambda world: setattr(world.play.calls[2], "cost_header", "0.000000021"), "the cost headers agree")

    def test_a_grade_that_got_lost_is_found(self):
        self.check(lambda world: setattr(world.play.calls[1], "right", 0), "the grades agree")

    def test_decimal_dollars_are_read_exactly(self):
        for text, expected in [("0.000212", 212_000), ("1", 10**9), ("0.000000001", 1), ("12.5", 12_500_000_000)]:
            self.assertEqual(nano(text), expected)


if __name__ == "__main__":
    unittest.main()
