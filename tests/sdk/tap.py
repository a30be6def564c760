"""Stands between a client and Pointsman: passes every byte on as it comes, and counts the requests that go by."""

import socket
import threading
import time


class Tap:
    """Listens on a free loopback port; `journal` is called with one row per request, before it is passed on."""

    def __init__(self, target, journal):
        self.target = target
        self.journal = journal
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "%s:%d" % self.listener.getsockname()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            far = socket.create_connection(self.target)
            for end in (near, far):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            requests = Requests(self.journal)
            threading.Thread(target=pump, args=(near, far, requests.feed), daemon=True).start()
            threading.Thread(target=pump, args=(far, near, lambda data: None), daemon=True).start()

    def close(self):
        self.listener.close()


def pump(source, sink, look):
    """Copies until either side ends, and hands the end on."""
    try:
        while data := source.recv(65536):
            look(data)
            sink.sendall(data)
    except OSError:
        pass
    for end, how in ((sink, socket.SHUT_WR), (source, socket.SHUT_RD)):
        try:
            end.shutdown(how)
        except OSError:
            pass


class Requests:
    """Finds the heads of requests in what one connection sends."""

    def __init__(self, journal):
        self.journal = journal
        self.head = b""
        self.body_left = 0

    def feed(self, data):
        while data:
            skipped = min(self.body_left, len(data))
            self.body_left -= skipped
            data = data[skipped:]
            if not data:
                return
            self.head += data
            head, found, data = self.head.partition(b"\r\n\r\n")
            if not found:
                return
            self.head = b""
            self._request(head.decode("latin-1"))

    def _request(self, head):
        line, *fields = head.split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
        if "chunked" in headers.get("transfer-encoding", ""):
            raise ValueError("no client here sends chunked bodies")
        self.body_left = int(headers.get("content-length", 0))
        self.journal({
            "case": headers.get("x-case"), "line": line, "at": time.monotonic(),
            "retry": int(headers.get("x-stainless-retry-count", 0)),
        })
