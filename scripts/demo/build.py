"""Builds the binary and shows how far it is.

    python3 scripts/demo/build.py        prints the path of the binary into the file that DEMO_BINARY_FILE names
"""

import json
import os
import signal
import subprocess
import sys
import time

from terminal import Bar, say, seconds

BUILD = ["cargo", "build", "--release", "-p", "pointsman-cli", "--bin", "pointsman"]
TREE = ["cargo", "tree", "-p", "pointsman-cli", "-e", "normal,build", "--prefix", "none", "--format", "{p}"]


def main():
    started = time.monotonic()
    bar = Bar("build ", crates())
    process = subprocess.Popen(
        BUILD + ["--message-format=json-render-diagnostics", "--quiet"], stdout=subprocess.PIPE, text=True
    )
    interrupted = []

    def stop(*_):
        interrupted.append(True)
        process.terminate()

    signal.signal(signal.SIGTERM, stop)
    seen, built, binary = set(), 0, None
    for line in process.stdout:
        message = json.loads(line)
        if message.get("reason") != "compiler-artifact":
            continue
        seen.add(message["package_id"])
        built += not message["fresh"]
        binary = message.get("executable") or binary
        bar.show(min(len(seen), bar.total), "first time only" if built else "")
    failed = process.wait() != 0 or binary is None
    if interrupted:
        # The script that interrupted this one says so.
        say()
        sys.exit(130)
    if failed:
        say()
        sys.exit("The build did not finish; what cargo said stands above.")
    bar.finish(bar.total, ("built in " if built else "nothing to build, ") + seconds(time.monotonic() - started))
    with open(os.environ["DEMO_BINARY_FILE"], "w", encoding="utf-8") as out:
        out.write(binary)


def crates():
    listed = subprocess.run(TREE, check=True, stdout=subprocess.PIPE, text=True).stdout
    return len({line.replace(" (*)", "") for line in listed.splitlines() if line})


if __name__ == "__main__":
    main()
