"""A provider of language models that behaves as the name of the asked model says, and keeps books."""

import json
import re
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = "sk-of-the-provider"

# Nano-USD per token: (input, output). The manifests in world/ say the same per million tokens.
PRICES = {"large": (10_000, 30_000), "small": (500, 1_500)}

WORDS = "The cat sat on the mat and looked at the moon.".split()


class Provider(ThreadingHTTPServer):
    """Listens on a free loopback port; `journal` is called with one row per chat completion, before it is answered."""

    daemon_threads = True

    def __init__(self, journal):
        super().__init__(("127.0.0.1", 0), Handler)
        self.journal = journal


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        usage = count(body)
        self.server.journal({
            "case": case_of(body), "path": self.path, "authorization": self.headers["authorization"],
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "body": body, "usage": usage, "cost_nano": cost_nano(body["model"], usage),
        })
        if self.headers["authorization"] != f"Bearer {KEY}":
            self.refuse(401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided.")
            return
        BEHAVIOURS[body["model"]](self, body, usage)

    def answer(self, body, usage):
        if body.get("stream"):
            self.stream(body, usage)
        else:
            choice = {"index": 0, "message": {"role": "assistant"} | reply(body), "finish_reason": finish(body)}
            self.send_json(200, envelope(body, "chat.completion") | {"choices": [choice], "usage": usage})

    def stream(self, body, usage, cut_after=None):
        self.head(200, "text/event-stream", {"transfer-encoding": "chunked"})
        self.event(body, [delta({"role": "assistant", "content": ""})])
        for number, piece in enumerate(pieces(body)):
            if number == cut_after:
                self.close_connection = True
                return
            self.event(body, [delta(piece)])
        self.event(body, [delta({}, finish(body))])
        if body.get("stream_options", {}).get("include_usage"):
            self.event(body, [], {"usage": usage})
        self.chunk(b"data: [DONE]\n\n")
        self.chunk(b"")

    def overloaded(self, *_):
        self.refuse(503, "server_error", None, "The server is overloaded.")

    def throttled(self, *_):
        self.refuse(429, "rate_limit_error", "rate_limit_exceeded", "Rate limit reached.", {"retry-after": "90"})

    def too_long(self, *_):
        self.refuse(400, "invalid_request_error", "unsupported_value", "temperature must be at most 2.")

    def cut(self, body, usage):
        self.stream(body, usage, cut_after=4)

    def garbage(self, body, _):
        if body.get("stream"):
            self.head(200, "text/event-stream", {"transfer-encoding": "chunked"})
            self.chunk(b"data: <html>gateway</html>\n\n")
            self.chunk(b"")
        else:
            self.send(200, "application/json", b"<html>gateway</html>")

    def silent(self, *_):
        """Says nothing until the caller gives up."""
        self.connection.settimeout(30)
        try:
            self.connection.recv(1)
        except TimeoutError:
            pass
        self.close_connection = True

    def refuse(self, status, kind, code, message, headers=None):
        error = {"message": message, "type": kind, "param": None, "code": code}
        self.send_json(status, {"error": error}, headers)

    def send_json(self, status, value, headers=None):
        self.send(status, "application/json", json.dumps(value).encode(), headers)

    def send(self, status, kind, payload, headers=None):
        self.head(status, kind, {"content-length": str(len(payload))} | (headers or {}))
        self.wfile.write(payload)

    def head(self, status, kind, headers):
        self.send_response(status)
        self.send_header("content-type", kind)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def event(self, body, choices, more=None):
        event = envelope(body, "chat.completion.chunk") | {"choices": choices} | (more or {})
        self.chunk(f"data: {json.dumps(event)}\n\n".encode())

    def chunk(self, payload):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(payload), payload))
        self.wfile.flush()

    def log_message(self, *_):
        pass


BEHAVIOURS = {
    "large": Handler.answer, "small": Handler.answer, "overloaded": Handler.overloaded, "cut": Handler.cut,
    "throttled": Handler.throttled, "garbage": Handler.garbage, "silent": Handler.silent, "picky": Handler.too_long,
}


def case_of(body):
    """The tests write `[name]` into the last message."""
    found = re.search(r"\[([\w-]+)\]", json.dumps(body["messages"][-1]))
    return found and found[1]


def envelope(body, kind):
    return {"id": "chatcmpl-1", "object": kind, "created": int(time.time()), "model": f"{body['model']}-2026"}


def delta(piece, finish_reason=None):
    return {"index": 0, "delta": piece, "finish_reason": finish_reason}


def tool_call(body):
    return {"index": 0, "id": "call_1", "type": "function",
            "function": {"name": body["tools"][0]["function"]["name"], "arguments": '{"city":"Paris"}'}}


def reply(body):
    if body.get("tools"):
        call = tool_call(body)
        del call["index"]
        return {"content": None, "tool_calls": [call]}
    if body.get("response_format"):
        return {"content": '{"city":"Paris"}'}
    return {"content": " ".join(WORDS[:limit(body)])}


def pieces(body):
    if body.get("tools"):
        return [{"tool_calls": [tool_call(body)]}]
    return [{"content": word if number == 0 else f" {word}"} for number, word in enumerate(WORDS[:limit(body)])]


def finish(body):
    if body.get("tools"):
        return "tool_calls"
    return "stop" if limit(body) >= len(WORDS) else "length"


def limit(body):
    return body.get("max_completion_tokens") or body.get("max_tokens") or len(WORDS)


def count(body):
    """A word is a token, and so is every message."""
    texts = [json.dumps(message.get("content")) for message in body["messages"]]
    told = sum(len(text.split()) + 1 for text in texts)
    said = 5 if body.get("tools") or body.get("response_format") else min(limit(body), len(WORDS))
    return {"prompt_tokens": told, "completion_tokens": said, "total_tokens": told + said}


def cost_nano(model, usage):
    told, said = PRICES.get(model, (0, 0))
    return usage["prompt_tokens"] * told + usage["completion_tokens"] * said
