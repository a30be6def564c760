"""What would the same questions have cost and earned without a choice? Pure arithmetic over recorded outcomes.

Money is integer nano-USD, as everywhere; an answer longer than the cap is cut and counts as wrong.
"""

import json
import random
from dataclasses import dataclass

RESAMPLES = 2000
SEED = 20240601


@dataclass(frozen=True)
class Model:
    """A model as its provider describes it; prices in nano-USD per million tokens."""

    name: str
    provider: str
    input_price: int
    output_price: int

    def cost(self, in_tokens, out_tokens):
        return -(-(in_tokens * self.input_price + out_tokens * self.output_price) // 1_000_000)


@dataclass(frozen=True)
class Result:
    """One call's outcome."""

    right: int
    cost: int


@dataclass(frozen=True)
class Split:
    """Send a share of the calls to one model and the rest to another, whatever the question is."""

    cheap: str
    dear: str
    dear_share: float
    right: float
    cost: float


def read_questions(path):
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def always(model, questions, cap):
    """What each question would have cost and earned with this model."""
    results = []
    for question in questions:
        answer = question["answers"][model.name]
        out_tokens = min(max(answer["out_tokens"], 1), cap)
        whole = answer["out_tokens"] <= cap
        results.append(Result(answer["right"] if whole else 0, model.cost(question["in_tokens"], out_tokens)))
    return results


def best_split(totals, cost):
    """The fixed split with the most right answers expected at no more than this expected cost.

    `totals` maps a model to (right, cost) over all questions. The best split lies on the upper hull of those points, so
    trying every pair of models finds it. None where even the cheapest model costs more.
    """
    best = None
    for cheap, (cheap_right, cheap_cost) in totals.items():
        for dear, (dear_right, dear_cost) in totals.items():
            if cheap_cost > cost or dear_cost < cheap_cost:
                continue
            share = 1.0 if dear_cost <= cost else (cost - cheap_cost) / (dear_cost - cheap_cost)
            right = cheap_right + share * (dear_right - cheap_right)
            if best is None or right > best.right:
                best = Split(cheap, dear, share, right, cheap_cost + share * (dear_cost - cheap_cost))
    return best


def gain_interval(played, per_model):
    """95 % interval of (right answers of the play - those of the best split at its cost), in points.

    Questions are drawn with replacement; the split is chosen anew in every draw, at what the play cost in that draw.
    Draws in which even the cheapest model costs more than the play have no such split and are left out.
    """
    rng, gains = random.Random(SEED), []
    columns = [("played", played)] + list(per_model.items())
    rights = {name: [result.right for result in results] for name, results in columns}
    costs = {name: [result.cost for result in results] for name, results in columns}
    everyone = range(len(played))
    for _ in range(RESAMPLES):
        drawn = rng.choices(everyone, k=len(played))
        sums = {
            name: (sum(map(rights[name].__getitem__, drawn)), sum(map(costs[name].__getitem__, drawn)))
            for name, _ in columns
        }
        right, cost = sums.pop("played")
        split = best_split(sums, cost)
        if split is not None:
            gains.append(100 * (right - split.right) / len(played))
    gains.sort()
    return (gains[int(0.025 * len(gains))], gains[int(0.975 * len(gains)) - 1]) if gains else None
