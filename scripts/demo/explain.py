"""Why did a call go where it went? Sentences from the recorded decision, nothing else."""


def pick_three(facts):
    """One call for the dearest model, one for the cheapest, one that fell back: the first of each kind."""
    by_cost = sorted(facts.totals, key=lambda name: facts.totals[name][1])
    recorded = [call for call in facts.calls if not call.error and call.request_id in facts.records]
    plain = [call for call in recorded if len(facts.records[call.request_id].attempts) == 1]
    fallen = [call for call in recorded if len(facts.records[call.request_id].attempts) > 1]
    kinds = [[call for call in plain if call.model == model] for model in (by_cost[-1], by_cost[0])] + [fallen]
    chosen = [kind[0] for kind in kinds if kind]
    spare = [call for call in plain if call not in chosen]
    return (chosen + spare)[:3]


def lines(call, record):
    """One line per candidate: (model, chance, expected cost in nano-USD, what became of it)."""
    picked = next((each for each in record.candidates if each.picked), None)
    order = sorted(record.candidates, key=lambda each: (each is not picked, each.expected_cost or 0))
    for each in order:
        yield each.model, each.chance, each.expected_cost, fate(call, record, each, picked)


def fate(call, record, each, picked):
    tried = [attempt for attempt in record.attempts if attempt.model == each.model]
    if each.model == call.model:
        verb = "PICKED" if len(record.attempts) == 1 and each is picked else "FELL BACK"
        grade = "right" if call.right else "wrong"
        return f"{verb:<10} {grade}, ${record.cost_nano / 1e9:.6f}" + (", billed once" if verb != "PICKED" else "")
    if tried:
        return f"{'picked' if each is picked else 'tried'}, {tried[0].outcome}"
    if each.left_out:
        return f"left out: {each.left_out}"
    return "stands by" if picked is None else against(each, picked, record.shadow_price)


def against(each, picked, shadow_price):
    """The candidate beside the picked one, at the price of quality in force (quality per USD)."""
    points = 100 * (each.chance - picked.chance)
    dearer = ((each.expected_cost or 0) - (picked.expected_cost or 0)) / 1e6
    if points <= 0 and dearer >= 0:
        return "worse and dearer"
    if points >= 0 and dearer <= 0:
        return "better and cheaper by these figures alone"
    worth = f"worth ${abs(points) / 100 / shadow_price * 1000:.2f}" if shadow_price else "whatever they cost"
    if points > 0:
        return f"{points:.0f} points more, {worth}, cost ${dearer:.2f}"
    return f"saves ${-dearer:.2f}, loses {-points:.0f} points, {worth}"


def clip(prompt, width):
    """The beginning of a prompt, on one line."""
    line = " ".join(prompt.split())
    return line if len(line) <= width else line[: width - 2].rstrip(" .…") + " …"
