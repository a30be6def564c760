"""The demo itself: start, play, report, stop."""

import argparse
import json
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path

import html_report
import text_report
from compare import read_questions
from facts import Facts
from gateway import Gateway
from play import Player
from records import read_budget, read_deciding_ms, read_records
from settings import CALLERS, STREAMED_ONE_IN
from terminal import Bar, say, seconds, usd


def main():
    arguments = parse_arguments()
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.default_int_handler)
    began = time.monotonic()
    questions = read_questions(Path(arguments.folder) / "questions.jsonl")
    try:
        with Gateway(arguments.binary, arguments.folder) as gateway:
            facts = play(gateway, questions, arguments)
    except KeyboardInterrupt:
        say("\nInterrupted. Stopped everything that was started.")
        return 130
    text_report.report(facts)
    write(facts, Path(arguments.out))
    text_report.now_you(arguments.binary)
    took = seconds(time.monotonic() - began)
    say(f"Stopped everything that was started. This took {took} without building. Report: {arguments.out}/report.html")
    return 0 if all(check.holds for check in facts.checks) else 1


def play(gateway, questions, arguments):
    announce(gateway, arguments)
    clocks = sorted({about["clockFactor"] for about in gateway.providers.values()})
    factor = " or ".join(f"{clock:g}" for clock in clocks)
    say(f"  play    {len(questions)} exam questions, {CALLERS} callers, one in {STREAMED_ONE_IN} streaming, clock {factor} times fast")
    bar = Bar("      ", len(questions))
    played = Player(gateway, questions, bar).run()
    records, budget = read_records(gateway, played.calls), read_budget(gateway, arguments.folder)
    facts = Facts(gateway, questions, played, records, gateway.books(), budget, read_deciding_ms(gateway))
    bar.finish(len(played.calls), f"{seconds(played.seconds)}   {usd(facts.cost)}   {len(facts.failed)} failed")
    text_report.outage(facts)
    return facts


def announce(gateway, arguments):
    say(f"  start   pointsman run {arguments.folder}    {gateway.base_url}    {seconds(gateway.start_seconds)}")
    for name, about in gateway.providers.items():
        say(f"            {name:<10} {', '.join(each['name'] for each in about['models']):<34} simulated")


def write(facts, out):
    out.mkdir(exist_ok=True)
    (out / "report.html").write_text(html_report.page(facts), encoding="utf-8")
    with open(out / "calls.jsonl", "w", encoding="utf-8") as lines:
        for call in facts.calls:
            row = asdict(call) | {"question": call.question["id"], "cost_nano": facts.cost_of(call)}
            lines.write(json.dumps(row, ensure_ascii=False) + "\n")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", required=True, help="the pointsman to demonstrate")
    parser.add_argument("--folder", required=True, help="manifests and questions.jsonl")
    parser.add_argument("--out", required=True, help="where the report goes")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
