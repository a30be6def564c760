"""Starts provider, `pointsman run` and tap, runs a command that calls through them, and stops everything.

    stage.py BINARY RESULTS COMMAND...

The command finds in POINTSMAN_STAGE a JSON file with `base_url`, and with the journals that tap and provider write.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from provider import KEY, Provider
from tap import Tap

HERE = Path(__file__).parent
READY_WITHIN = 60
STOPPED_WITHIN = 60


def main(binary, results, command):
    with tempfile.TemporaryDirectory(prefix="pointsman-sdk-") as folder:
        folder = Path(folder)
        provider = Provider(journal(folder / "provider.jsonl"))
        threading.Thread(target=provider.serve_forever, daemon=True).start()
        write_world(folder / "world", "127.0.0.1:%d" % provider.server_address[1])
        with open(folder / "log.txt", "wb") as log:
            gateway = start(binary, folder, log)
            try:
                address = wait_until_ready(gateway, folder)
                tap = Tap(address, journal(folder / "tap.jsonl"))
                status = run(command, folder, tap, results)
            finally:
                stop(gateway)
        if status != 0 or gateway.returncode != 0:
            sys.stderr.write((folder / "log.txt").read_text(errors="replace"))
        if gateway.returncode != 0:
            sys.exit(f"pointsman ended with {gateway.returncode}; what it said stands above")
        return status


def journal(path):
    """Appends rows to a file; a row is there before its request goes on."""
    path.touch()
    lock = threading.Lock()

    def write(row):
        with lock, open(path, "a", encoding="utf-8") as lines:
            lines.write(json.dumps(row) + "\n")

    return write


def write_world(folder, provider):
    folder.mkdir()
    for manifest in (HERE / "world").glob("*.yaml"):
        text = manifest.read_text(encoding="utf-8").replace("PROVIDER_ADDRESS", provider).replace("PROVIDER_KEY", KEY)
        (folder / manifest.name).write_text(text, encoding="utf-8")


def start(binary, folder, log):
    # No key and no address of the developer's own may leak in.
    clean = {"PATH": os.environ["PATH"], "HOME": str(folder), "RUST_BACKTRACE": "1"}
    return subprocess.Popen(
        [binary, "run", folder / "world", "--listen", "127.0.0.1:0", "--state-dir", folder / "state",
         "--ready-file", folder / "ready.json"],
        stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=clean,
    )


def wait_until_ready(gateway, folder):
    deadline = time.monotonic() + READY_WITHIN
    while not (folder / "ready.json").exists():
        if gateway.poll() is not None or time.monotonic() > deadline:
            sys.stderr.write((folder / "log.txt").read_text(errors="replace"))
            sys.exit("pointsman did not get ready; what it said stands above")
        time.sleep(0.02)
    host, _, port = json.loads((folder / "ready.json").read_text())["data"][0].removeprefix("http://").rpartition(":")
    return host, int(port)


def run(command, folder, tap, results):
    stage = {
        "base_url": f"http://{tap.address}/v1", "requests": str(folder / "tap.jsonl"),
        "received": str(folder / "provider.jsonl"), "results": str(results), "key": KEY,
    }
    (folder / "stage.json").write_text(json.dumps(stage))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
    return subprocess.run(command, env=environment | {"POINTSMAN_STAGE": str(folder / "stage.json")}).returncode


def stop(gateway):
    if gateway.poll() is None:
        gateway.terminate()
    try:
        gateway.wait(STOPPED_WITHIN)
    except subprocess.TimeoutExpired:
        gateway.kill()
        gateway.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]).absolute(), sys.argv[3:]))
