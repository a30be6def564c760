"""python3 -m unittest discover -s scripts/demo"""

import unittest

from compare import Model, Result, always, best_split, gain_interval


class Comparing(unittest.TestCase):
    def test_a_call_costs_its_tokens_rounded_up_once(self):
        model = Model("m", "p", 75_000_000, 300_000_000)
        for tokens, expected in [((0, 0), 0), ((1, 0), 75), ((148, 37), 22_200)]:
            self.assertEqual(model.cost(*tokens), expected)
        self.assertEqual(Model("m", "p", 1, 1).cost(1, 1), 1)

    def test_an_answer_beyond_the_cap_is_wrong_and_billed_up_to_the_cap(self):
        question = {"in_tokens": 10, "answers": {"m": {"right": 1, "out_tokens": 100}}}
        model = Model("m", "p", 1_000_000, 2_000_000)
        for cap, expected in [(99, Result(0, 208)), (100, Result(1, 210)), (101, Result(1, 210))]:
            self.assertEqual(always(model, [question], cap), [expected])

    def test_the_best_split_lies_on_the_hull(self):
        totals = {"cheap": (60, 100), "middle": (61, 500), "dear": (70, 1100)}
        for cost, expected in [
            (99, None),
            (100, ("cheap", 60.0, 100.0)),
            (600, ("dear", 65.0, 600.0)),
            (1100, ("dear", 70.0, 1100.0)),
            (9999, ("dear", 70.0, 1100.0)),
        ]:
            split = best_split(totals, cost)
            got = split and (split.dear if split.dear_share else split.cheap, split.right, split.cost)
            self.assertEqual(got, expected, cost)

    def test_a_dear_model_that_is_worse_takes_no_share(self):
        split = best_split({"good": (60, 100), "bad": (50, 500)}, 600)
        self.assertEqual((split.right, split.cost), (60.0, 100.0))

    def test_a_play_that_is_the_split_gains_nothing_and_a_wise_one_gains(self):
        cheap = [Result(i % 2, 100) for i in range(400)]
        dear = [Result(1, 300) for _ in range(400)]
        models = {"cheap": cheap, "dear": dear}
        blind = [(cheap, dear)[i // 2 % 2][i] for i in range(400)]
        low, high = gain_interval(blind, models)
        self.assertTrue(low < 0 < high, (low, high))
        wise = [(dear, cheap)[i % 2][i] for i in range(400)]
        low, high = gain_interval(wise, models)
        self.assertTrue(low > 15, (low, high))
        self.assertEqual(gain_interval(wise, models), (low, high), "the seed is fixed")

    def test_there_is_no_interval_where_no_split_is_affordable(self):
        self.assertIsNone(gain_interval([Result(1, 1)], {"m": [Result(1, 2)]}))


if __name__ == "__main__":
    unittest.main()
