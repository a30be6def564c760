"""Lines and bars for people; plain lines where nobody watches."""

import sys
import threading

WIDTH = 30


class Bar:
    """A progress bar on one line. Where stdout is no terminal only the last state is printed."""

    def __init__(self, label, total):
        self.label, self.total, self.at = label, max(total, 1), -1
        self.live = sys.stdout.isatty()
        self.lock = threading.Lock()

    def show(self, done, note=""):
        with self.lock:
            filled = WIDTH * min(done, self.total) // self.total
            if self.live and (filled, note) != self.at:
                self.at = (filled, note)
                self._write("\r" + self._line(done, note) + "\x1b[K")

    def finish(self, done, note=""):
        with self.lock:
            self._write(("\r" if self.live else "") + self._line(done, note) + ("\x1b[K" if self.live else "") + "\n")

    def _line(self, done, note):
        filled = WIDTH * min(done, self.total) // self.total
        bar = "█" * filled + "░" * (WIDTH - filled)
        return f"  {self.label}  {bar}  {done}/{self.total}  {note}".rstrip()

    @staticmethod
    def _write(text):
        sys.stdout.write(text)
        sys.stdout.flush()


def say(text=""):
    print(text, flush=True)


def seconds(value):
    if value >= 60:
        return f"{int(value // 60)}m {int(value % 60):02d}s"
    return f"{value:.1f}s" if value < 10 else f"{value:.0f}s"


def usd(nano, places=4):
    return f"${nano / 1e9:.{places}f}"
