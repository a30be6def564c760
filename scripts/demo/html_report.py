"""The report as one self-contained page: two plots as inline SVG, the same tables, every check."""

from html import escape

import explain
from settings import DARK_PROVIDER
from terminal import usd
from text_report import choice, honest_words

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 330, 64, 24, 20, 46

STYLE = """
:root{--ink:#1b1f24;--soft:#5b6570;--line:#d7dce1;--paper:#fff;--mark:#0b6e99;--accent:#b3471d;--band:#f3e3da;--ok:#1c7c3c;--bad:#b3261e}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ec;--soft:#9aa4ae;--line:#39424b;--paper:#14181c;--mark:#5bb8e0;--accent:#ef8b5f;--band:#3a2a22;--ok:#6fce8c;--bad:#f28b82}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:760px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem}p{margin:.5rem 0}small,.soft{color:var(--soft)}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}td,th{padding:.25rem .5rem;border-bottom:1px solid var(--line);text-align:left}
td.n,th.n{text-align:right}.us{font-weight:600}.ok{color:var(--ok)}.bad{color:var(--bad);font-weight:600}
svg{width:100%;height:auto}svg text{font:12px system-ui,sans-serif;fill:var(--ink)}svg .soft{fill:var(--soft)}
.axis{stroke:var(--line)}.hull{stroke:var(--soft);stroke-dasharray:4 4;fill:none}.model{fill:var(--mark)}.play{fill:var(--accent)}
.error{stroke:var(--accent);stroke-width:2}.spend{stroke:var(--accent);stroke-width:2;fill:none}.limit{stroke:var(--bad);stroke-dasharray:4 4}.band{fill:var(--band)}
"""


class Scale:
    """From figures to pixels; room is left around the figures."""

    def __init__(self, values, start, end, room=0.12, floor=None):
        low, high = min(values), max(values)
        margin = (high - low or abs(high) or 1) * room
        self.low, self.high = (low - margin if floor is None else floor), high + margin
        self.start, self.end = start, end

    def __call__(self, value):
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self, count=4):
        return [self.low + (self.high - self.low) * at / count for at in range(count + 1)]


def page(facts):
    body = [
        "<h1>Pointsman demo</h1>",
        f"<p class=soft>{len(facts.calls)} exam questions through model <code>auto</code>, under a Strict budget of "
        f"{usd(facts.budget.limit, 2)}. Every figure was measured in this run.</p>",
        "<h2>Quality against cost</h2>", quality_plot(facts), comparison(facts),
        f"<p>{escape(choice(facts))}</p>", *[f"<p>{escape(words)}</p>" for words in honest_words(facts)],
        "<h2>Spend, call by call</h2>", spend_plot(facts), shares(facts),
        "<h2>Three calls explained</h2>", explained(facts),
        "<h2>Checks</h2>", checks(facts),
    ]
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>Pointsman demo</title><style>{STYLE}</style><body>" + "\n".join(body) + "</body></html>\n"
    )


def quality_plot(facts):
    count = len(facts.calls)
    points = {name: (cost / 1e9, 100 * right / count) for name, (right, cost) in facts.totals.items()}
    ours = (facts.cost / 1e9, 100 * facts.right / count)
    spread = [ours[1] - facts.gain + bound for bound in facts.interval] if facts.interval and facts.split else [ours[1]] * 2
    xs = Scale([cost for cost, _ in points.values()] + [ours[0]], LEFT, WIDTH - RIGHT, floor=0)
    ys = Scale([right for _, right in points.values()] + [ours[1], *spread], HEIGHT - BOTTOM, TOP)
    parts = axes(xs, ys, "cost of all calls, USD", "right answers, %", "{:.2f}", "{:.1f}")
    if facts.split:
        ends = [points[facts.split.cheap], points[facts.split.dear]]
        parts.append('<polyline class=hull points="' + " ".join(f"{xs(x):.1f},{ys(y):.1f}" for x, y in ends) + '"/>')
    for name, (x, y) in points.items():
        parts.append(f"<circle class=model cx={xs(x):.1f} cy={ys(y):.1f} r=5 /><text x={xs(x):.1f} y={ys(y) - 10:.1f} text-anchor=middle>{escape(name)}</text>")
    x, y = xs(ours[0]), ys(ours[1])
    parts.append(f"<line class=error x1={x:.1f} x2={x:.1f} y1={ys(spread[0]):.1f} y2={ys(spread[1]):.1f} />")
    parts.append(f"<circle class=play cx={x:.1f} cy={y:.1f} r=6 /><text x={x + 12:.1f} y={y + 4:.1f}>Pointsman</text>")
    return svg(parts, "right answers against cost") + (
        "<p><small>Dashed: fixed splits between two models. Bar: 95 % interval of the gain over the best fixed split, "
        "drawn around Pointsman's point.</small></p>"
    )


def spend_plot(facts):
    spent, total = [(0, 0.0)], 0
    for call in facts.calls:
        total += facts.cost_of(call)
        spent.append((call.number + 1, total / 1e9))
    limit = facts.budget.limit / 1e9
    xs = Scale([0, len(facts.calls)], LEFT, WIDTH - RIGHT, room=0, floor=0)
    ys = Scale([0, limit, total / 1e9], HEIGHT - BOTTOM, TOP, floor=0)
    dark = [call.number for call in facts.play.while_dark()]
    parts = []
    if dark:
        left, right = xs(min(dark)), xs(max(dark))
        parts.append(f"<rect class=band x={left:.1f} y={TOP} width={right - left:.1f} height={HEIGHT - BOTTOM - TOP} />")
        parts.append(f"<text class=soft x={(left + right) / 2:.1f} y={TOP + 14} text-anchor=middle>{DARK_PROVIDER} dark</text>")
    parts += axes(xs, ys, "call", "spent, USD", "{:.0f}", "{:.2f}")
    parts.append(f"<line class=limit x1={LEFT} x2={WIDTH - RIGHT} y1={ys(limit):.1f} y2={ys(limit):.1f} />")
    parts.append('<polyline class=spend points="' + " ".join(f"{xs(x):.1f},{ys(y):.1f}" for x, y in spent) + '"/>')
    return svg(parts, "spend over the calls of this run") + "<p><small>Dashed: the budget's limit.</small></p>"


def axes(xs, ys, x_title, y_title, x_format, y_format):
    foot = HEIGHT - BOTTOM
    parts = [f"<line class=axis x1={LEFT} x2={WIDTH - RIGHT} y1={foot} y2={foot} />"]
    for tick in xs.ticks():
        parts.append(f"<text class=soft x={xs(tick):.1f} y={foot + 18} text-anchor=middle>{x_format.format(tick)}</text>")
    for tick in ys.ticks():
        y = ys(tick)
        parts.append(f"<line class=axis x1={LEFT} x2={WIDTH - RIGHT} y1={y:.1f} y2={y:.1f} />")
        parts.append(f"<text class=soft x={LEFT - 8} y={y + 4:.1f} text-anchor=end>{y_format.format(tick)}</text>")
    parts.append(f"<text class=soft x={(LEFT + WIDTH - RIGHT) / 2} y={HEIGHT - 8} text-anchor=middle>{x_title}</text>")
    parts.append(f"<text class=soft x=4 y=12>{y_title}</text>")
    return parts


def svg(parts, label):
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role=img aria-label="{label}">' + "".join(parts) + "</svg>"


def comparison(facts):
    rows = list(facts.rows())
    cells = []
    for row in rows:
        mark = " class=us" if row.name == "Pointsman" else ""
        note = f" <small>({row.note})</small>" if row.note else ""
        cells.append(
            f"<tr{mark}><td>{escape(row.name)}{note}<td class=n>{100 * row.right / len(facts.calls):.1f} %"
            f"<td class=n>{usd(row.cost)}<td class=n>{100 * row.right / rows[0].right:.0f} %<td class=n>{100 * row.cost / rows[0].cost:.0f} %"
        )
    return table("<th>1000 calls<th class=n>right<th class=n>cost<th class=n>as good<th class=n>of the money", cells)


def shares(facts):
    cells = [
        f"<tr><td>{escape(share.model)}<td class=n>{100 * share.calls / len(facts.calls):.0f} %<td class=n>{usd(share.cost)}"
        f"<td class=n>{share.p50:.1f} s<td class=n>{100 * share.right:.1f} %"
        for share in facts.shares()
    ]
    return table("<th>model<th class=n>share<th class=n>cost<th class=n>p50<th class=n>right", cells)


def explained(facts):
    parts = []
    for call in explain.pick_three(facts):
        parts.append(f"<p>#{call.number} <small>{escape(explain.clip(call.question['prompt'], 160))}</small></p>")
        cells = [
            f"<tr><td>{escape(model)}<td class=n>{chance:.2f}<td class=n>{'?' if cost is None else f'${cost / 1e6:.2f}'}<td>{escape(fate)}"
            for model, chance, cost, fate in explain.lines(call, facts.records[call.request_id])
        ]
        parts.append(table("<th>candidate<th class=n>chance<th class=n>per 1000<th>what became of it", cells))
    return "\n".join(parts)


def checks(facts):
    cells = [
        f"<tr><td class={'ok' if check.holds else 'bad'}>{'holds' if check.holds else 'FAILED'}<td>{escape(check.name)}<td><small>{escape(check.detail)}</small>"
        for check in facts.checks
    ]
    return table("<th><th>what must hold<th>figures", cells)


def table(head, rows):
    return f"<table><tr>{head}</tr>" + "</tr>".join(rows) + "</tr></table>"
