"""A whole one-node Kubernetes: process 1 of namespaces of its own.

Started by up.sh under `unshare`. When this process ends, the kernel ends every part, shims and pods included, and drops
every mount; so nothing is undone here. All that is written lies in memory, but for the parts' logs.
"""

import argparse
import json
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import parts

PATIENCE_S = 180
started = time.monotonic()


def main() -> None:
    options = arguments()
    layout = parts.Layout(
        pki=options.state / "pki",
        log=options.state / "log",
        work=options.state / "work",
        kubernetes=options.kubernetes,
        containerd=options.containerd,
        coredns=options.coredns,
        cni_plugins=options.cni_plugins,
        cgroup=options.cgroup,
    )
    own_mounts(layout)
    own_network()
    for path, text in parts.files(layout).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    node = Node(layout)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    try:
        node.start(options.images)
    except Failed as failure:
        say(str(failure))
        os._exit(1)
    (options.state / "ready").touch()
    say("ready")
    node.watch()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("state", "kubernetes", "containerd", "coredns", "cni-plugins"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--cgroup", required=True)
    parser.add_argument("images", nargs="*", type=Path)
    return parser.parse_args()


def say(text: str) -> None:
    print(f"node: {time.monotonic() - started:5.1f} s  {text}", file=sys.stderr, flush=True)


def own_mounts(layout: parts.Layout) -> None:
    """Memory where the parts insist on the host's folders, and for everything that a node keeps."""
    run("mount", "--make-rprivate", "/")
    layout.work.mkdir(parents=True, exist_ok=True)
    # Before the others: the cache may lie under one of them.
    run("mount", "-t", "tmpfs", "-o", "mode=755", "pointsman", str(layout.work))
    for folder in ("/run", "/var/log", "/var/lib/cni"):
        if folder == "/var/lib/cni" and not os.path.isdir(folder):
            # Nothing is made on the host, not even an empty folder.
            run("mount", "-t", "tmpfs", "-o", "mode=755", "pointsman", "/var/lib")
        elif not str(layout.work).startswith(f"{folder}/"):
            run("mount", "-t", "tmpfs", "-o", "mode=755", "pointsman", folder)


def own_network() -> None:
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", "pods", "type", "bridge")
    run("ip", "address", "add", f"{parts.ADDRESS}/24", "dev", "pods")
    run("ip", "link", "set", "pods", "up")
    # The API server insists on a default route to know itself by; nothing is behind it.
    run("ip", "route", "add", "default", "dev", "pods")
    for switch in ("net/ipv4/ip_forward", "net/bridge/bridge-nf-call-iptables"):
        place = Path("/proc/sys") / switch
        if place.exists():
            place.write_text("1")


def run(*command: str) -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        say(f"`{' '.join(command)}` failed: {done.stdout.strip()}")
        os._exit(1)


class Failed(Exception):
    """The node cannot start, and the text says why."""


class Node:
    def __init__(self, layout: parts.Layout) -> None:
        self.layout = layout
        self.parts: dict[int, str] = {}
        self.ended: str | None = None
        self.api = Api(layout)
        path = f"{layout.containerd}:{layout.kubernetes}:{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin:/sbin:/bin"
        self.environment = {"PATH": path, "HOME": "/run", "TMPDIR": "/run"}

    def start(self, images: list[Path]) -> None:
        self.spawn("containerd", parts.containerd(self.layout))
        self.spawn("etcd", parts.etcd(self.layout))
        self.spawn("kube-apiserver", parts.apiserver(self.layout))
        # Orphans come to process 1: whoever waits for a part must also bury the shims.
        threading.Thread(target=self.reap, daemon=True).start()
        self.wait_for("containerd", Path("/run/containerd/containerd.sock").exists)
        importing = [self.spawn_importer(image) for image in images]
        self.wait_for("the API server", lambda: self.api.get("/readyz") == b"ok")
        self.spawn("kube-controller-manager", parts.controller_manager(self.layout))
        self.spawn("kubelet", parts.kubelet(self.layout))
        self.spawn("kube-scheduler", parts.scheduler(self.layout))
        self.spawn("kube-proxy", parts.proxy(self.layout))
        self.spawn("coredns", parts.coredns(self.layout))
        for image, imported in importing:
            self.wait_for(f"the image {image.name}", imported.is_set)
        self.wait_for("the node", self.node_ready)
        account = "/api/v1/namespaces/default/serviceaccounts/default"
        self.wait_for("the default service account", lambda: self.api.get(account))
        self.wait_for("names", lambda: fetch("http://127.0.0.1:8181/ready"))

    def spawn(self, name: str, command: list[str]) -> None:
        log = open(self.layout.log / f"{name}.log", "ab")  # noqa: SIM115: it lives as long as the part
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment, start_new_session=True
        )
        self.parts[process.pid] = name

    def spawn_importer(self, image: Path) -> tuple[Path, threading.Event]:
        """Imports an image while the rest starts. A failed import ends the start: its log says why."""
        done = threading.Event()
        name = f"import-{image.stem}"
        self.importers = getattr(self, "importers", {})
        self.importers[name] = done
        ctr = [f"{self.layout.containerd}/ctr", "-a", "/run/containerd/containerd.sock", "-n", "k8s.io"]
        self.spawn(name, [*ctr, "images", "import", "--local", str(image)])
        return image, done

    def reap(self) -> None:
        while True:
            try:
                process, status = os.waitpid(-1, 0)
            except ChildProcessError:
                time.sleep(0.1)
                continue
            name = self.parts.pop(process, None)
            if name is None:
                continue
            done = getattr(self, "importers", {}).get(name)
            if done is not None and status == 0:
                done.set()
            else:
                self.ended = f"{name} ended with {os.waitstatus_to_exitcode(status)}; see {self.layout.log}/{name}.log"

    def wait_for(self, what: str, ready) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            if self.ended:
                raise Failed(self.ended)
            try:
                if ready():
                    say(f"{what} is there")
                    return
            except OSError:
                pass
            if time.monotonic() > deadline:
                raise Failed(f"{what} was not there after {PATIENCE_S} s; see {self.layout.log}")
            time.sleep(0.05)

    def node_ready(self) -> bool:
        node = json.loads(self.api.get("/api/v1/nodes/node"))
        return any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"].get("conditions", []))

    def watch(self) -> None:
        """A node that lost a part is no node: it ends, and all of it."""
        while not self.ended:
            time.sleep(0.2)
        say(self.ended)
        os._exit(1)


class Api:
    """The API server, asked as the administrator."""

    def __init__(self, layout: parts.Layout) -> None:
        self.context = ssl.create_default_context(cafile=str(layout.pki / "ca.crt"))
        self.context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
        self.context.load_cert_chain(layout.pki / "admin.crt", layout.pki / "admin.key")

    def get(self, path: str) -> bytes:
        return fetch(f"https://127.0.0.1:6443{path}", self.context)


def fetch(url: str, context: ssl.SSLContext | None = None) -> bytes:
    # A proxy of the host's environment has no business here.
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    with opener.open(url, timeout=5) as answer:
        return answer.read()


if __name__ == "__main__":
    main()
