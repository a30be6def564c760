"""Starts `pointsman run`, asks it and its simulated providers, and stops it."""

import http.client
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

READY_WITHIN = 30
STOPPED_WITHIN = 10


class Gateway:
    """The process under demonstration; use it in a `with` statement."""

    def __init__(self, binary, folder):
        self.state = Path(tempfile.mkdtemp(prefix="pointsman-demo-"))
        self.log = self.state / "log.txt"
        ready = self.state / "ready.json"
        started = time.monotonic()
        with open(self.log, "wb") as log:
            # Its own session: Ctrl-C reaches this script alone, which then stops the process in order.
            self.process = subprocess.Popen(
                [binary, "run", folder, "--listen", "127.0.0.1:0", "--state-dir", str(self.state / "state"),
                 "--ready-file", str(ready)],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
            )
        try:
            self._learn(self._wait(ready))
        except BaseException:
            self.stop()
            raise
        self.start_seconds = time.monotonic() - started

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOPPED_WITHIN)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.state, ignore_errors=True)

    def get(self, path):
        return ask(self.address, "GET", path)

    def text(self, path):
        return fetch(self.address, "GET", path)

    def provider(self, name, method, path, body=None):
        """Asks a simulated provider at its control address, which answers while the provider is dark."""
        return ask(self.providers[name]["control"], method, path, body)

    def books(self):
        return {name: self.provider(name, "GET", "/_simulated/books") for name in self.providers}

    def set_availability(self, name, state):
        self.provider(name, "PUT", "/_simulated/availability", state)

    def _wait(self, ready):
        deadline = time.monotonic() + READY_WITHIN
        while time.monotonic() < deadline:
            if ready.exists():
                return json.loads(ready.read_text(encoding="utf-8"))
            if self.process.poll() is not None:
                break
            time.sleep(0.01)
        sys.stderr.write(self.log.read_text(encoding="utf-8", errors="replace"))
        sys.exit("pointsman run did not get ready; what it said stands above.")

    def _learn(self, ready):
        self.base_url = ready["api"]
        self.address = host(ready["data"][0])
        # Providers are named namespace/name; the demo has one namespace.
        self.providers = {
            name.rsplit("/", 1)[-1]: ask(host(where["data"]), "GET", "/_simulated")
            for name, where in ready["simulated"].items()
        }


def host(url):
    return urlsplit(url).netloc


def ask(address, method, path, body=None):
    """One HTTP request with a JSON answer."""
    return json.loads(fetch(address, method, path, body))


def fetch(address, method, path, body=None):
    """One HTTP request; anything but 200 is an error."""
    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        payload = None if body is None else json.dumps(body)
        connection.request(method, path, payload, {"content-type": "application/json"})
        answer = connection.getresponse()
        text = answer.read().decode()
        if answer.status != 200:
            raise RuntimeError(f"{method} http://{address}{path}: {answer.status} {text[:500]}")
        return text
    finally:
        connection.close()
