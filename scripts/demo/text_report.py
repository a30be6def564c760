"""The report as people read it in the terminal."""

import textwrap
from pathlib import Path

import explain
from settings import DARK_FROM, DARK_PROVIDER, DARK_UNTIL
from terminal import say, seconds, usd

CALLS_SHOWN = 200


def outage(facts):
    """Two lines under the progress bar."""
    dark = facts.play.while_dark()
    answered = sorted({call.model for call in dark if not call.error and call.provider != DARK_PROVIDER})
    say(f"             call {DARK_FROM}   {DARK_PROVIDER} goes dark    its calls are answered by {', '.join(answered) or 'nobody'}")
    back = facts.play.back_after()
    used = "not used again in this run" if back is None else f"in use again after {seconds(back)}"
    say(f"             call {DARK_UNTIL}   {DARK_PROVIDER} comes back   {used}")


def report(facts):
    say()
    comparison(facts)
    shares(facts)
    verdicts(facts)
    explained(facts)


def comparison(facts):
    count = len(facts.calls)
    rows = list(facts.rows())
    base = rows[0]
    say(f"{count} CALLS UNDER A BUDGET OF ${facts.budget.limit / 1e9:.2f}".ljust(47) + "right      cost   compared with the strongest")
    for row in rows:
        name = f"{row.name:<27}" + (f"({row.note})" if row.note else "")
        good, money = 100 * row.right / base.right, 100 * row.cost / base.cost
        note = "100 % as good for 100 % of the money" if row is base else f"{good:3.0f} % as good for {money:3.0f} %"
        say(f"  {name:<42}{100 * row.right / count:5.1f} %   {usd(row.cost)}   {note}")
    say()


def shares(facts):
    say("  model              share      cost   p50     right")
    for share in facts.shares():
        part = 100 * share.calls / len(facts.calls)
        say(f"  {share.model:<18}{part:4.0f} %   {usd(share.cost)}  {share.p50:4.1f} s   {100 * share.right:4.1f} %")
    say()


def verdicts(facts):
    say("  Choice   " + choice(facts))
    books = "agree to the nano-dollar" if holds(facts, "books") and holds(facts, "budget") else "DO NOT AGREE"
    say(f"  Budget   {usd(facts.budget.spent)} of {usd(facts.budget.limit)}. The providers' own books {books}.")
    if facts.uncertain:
        say(f"           {usd(facts.uncertain)} of it is the worst case of calls whose connection broke before anyone could know what they used.")
    dark = facts.play.while_dark()
    failed, twice = sum(bool(call.error) for call in dark), len(facts.billed_twice(dark))
    say(f"  Outage   {len(dark)} calls while {DARK_PROVIDER} was dark: {failed} failed, {twice} billed twice.")
    for paragraph in honest_words(facts):
        say(textwrap.fill(paragraph, 118, initial_indent="  ", subsequent_indent="  "))
    for check in facts.checks:
        if not check.holds:
            say(f"  FAILED   {check.name}: {check.detail}")
    for error in sorted({call.error for call in facts.failed})[:3]:
        say(f"           {error[:CALLS_SHOWN]}")
    say()


def choice(facts):
    if facts.gain is None:
        return f"spent less than the cheapest model alone would have; decided in {facts.deciding_ms:.2f} ms per call."
    low, high = facts.interval
    return (
        f"{facts.gain:+.1f} points over the best fixed split (95 % interval {low:.1f} to {high:.1f}); "
        f"decided in {facts.deciding_ms:.2f} ms per call."
    )


def honest_words(facts):
    """What the figures do and do not show."""
    if facts.interval is not None and facts.interval[0] > 0:
        earned = "The choice earned more than chance explains in this run."
    elif facts.interval is not None and facts.interval[1] < 0:
        earned = "The choice earned less than a fixed split does in this run."
    else:
        earned = "That is within chance of a fixed split: in this run the choice of model by question earned nothing that can be told from luck."
    yield (
        f"{earned} The scorer was trained on other questions of the same kinds and has never seen these; a thousand calls "
        "show a gain of a point or two only now and then. The budget that holds and the outage that nobody noticed are "
        "there in every run."
    )
    yield (
        "Right or wrong and answer lengths are those of the real models (MMLU-Pro), prices their approximate 2024 list "
        "prices; answer texts and speeds are simulated (p50 on the models' own clock). The compared rows are computed from "
        "the same outcomes without an outage; the fixed split is chosen with hindsight."
    )


def explained(facts):
    say("WHY? THREE CALLS EXPLAINED        (chance = predicted probability of a right answer)")
    for call in explain.pick_three(facts):
        record = facts.records[call.request_id]
        say(f'  #{call.number:<4} "{explain.clip(call.question["prompt"], 80)}"')
        for at, (model, chance, expected, fate) in enumerate(explain.lines(call, record)):
            per_thousand = "   ?" if expected is None else f"${expected / 1e6:.2f}"
            say(f"        {model:<18} chance {chance:.2f}   {per_thousand}{' per 1000' if at == 0 else '         '}   {fate}")
    say()


def now_you(binary):
    binary = binary.replace(str(Path.home()), "~", 1)
    say("NOW YOU")
    for command, what in [
        ("make run", "the same, left running; then"),
        ("""curl -i 127.0.0.1:7171/v1/chat/completions -d '{"model":"auto",""", ""),
        ("""     "messages":[{"role":"user","content":"Name three rivers"}]}'""", ""),
        (f'{binary} explain -f examples/quickstart "Which has the lowest melting point, NaCl or CCl4?"', ""),
        (f"OPENAI_API_KEY=… {binary} run", 'your own key, no YAML: every model it opens, as "auto"'),
        ("examples/quickstart/README.md", "what is real here, and what is simulated"),
        ("docs/kubernetes.md", "a cluster: a chart, a Secret, a label"),
    ]:
        say(f"  {command:<42}  {what}".rstrip())
    say()


def holds(facts, word):
    return all(check.holds for check in facts.checks if word in check.name)
