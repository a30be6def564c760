"""The host's end of a cluster: one loopback port that leads to its API server, and whoever cleans up behind it.

Listens on the host, then enters the node's network for what it connects to. When the node ends, however it ends, this
process removes what the kernel leaves: the node's empty cgroups and its folder.
"""

import argparse
import ctypes
import os
import select
import shutil
import socket
import sys
import threading
import time
from pathlib import Path

import cgroups

CLONE_NEWNET = 0x40000000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--node", type=int, required=True, help="the process whose end is the node's end")
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--cgroup", required=True)
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    node = os.pidfd_open(options.node)
    try:
        listener = socket.create_server(("127.0.0.1", options.port), backlog=128)
        enter_network(options.node)
        write_whole(options.state / "port", str(listener.getsockname()[1]))
        serve_until_end(listener, node)
    finally:
        wait_for_end(node)
        cgroups.remove(options.cgroup)
        shutil.rmtree(options.state, ignore_errors=True)


def enter_network(node: int) -> None:
    """The network of the process that `node` forked: threads started from here on are in it, and so are their sockets."""
    deadline = time.monotonic() + 10
    while True:
        child = Path(f"/proc/{node}/task/{node}/children").read_text().split()
        if child and os.readlink(f"/proc/{child[0]}/ns/net") != os.readlink("/proc/self/ns/net"):
            break
        if time.monotonic() > deadline:
            sys.exit("relay: the node has no network of its own")
        time.sleep(0.01)
    with open(f"/proc/{child[0]}/ns/net", "rb") as network:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(network.fileno(), CLONE_NEWNET) != 0:
            sys.exit(f"relay: cannot enter the node's network: {os.strerror(ctypes.get_errno())}")


def write_whole(path: Path, text: str) -> None:
    """Whoever sees the file sees all of it."""
    unfinished = path.with_suffix(".new")
    unfinished.write_text(text)
    unfinished.rename(path)


def serve_until_end(listener: socket.socket, node: int) -> None:
    while True:
        readable, _, _ = select.select([listener, node], [], [])
        if node in readable:
            return
        client, _ = listener.accept()
        threading.Thread(target=relay, args=(client,), daemon=True).start()


def relay(client: socket.socket) -> None:
    try:
        server = socket.create_connection(("127.0.0.1", 6443), timeout=10)
    except OSError:
        client.close()
        return
    for end in (client, server):
        end.settimeout(None)
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    back = threading.Thread(target=copy, args=(server, client), daemon=True)
    back.start()
    copy(client, server)
    back.join()
    client.close()
    server.close()


def copy(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        # One side is gone: so must be the other.
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def wait_for_end(node: int) -> None:
    select.select([node], [], [])


if __name__ == "__main__":
    main()
