"""What people see while a study runs: one line, in place on a terminal."""

import threading
import time
from collections.abc import Callable, Mapping
from typing import TextIO

SECONDS, LOG_SECONDS = 0.5, 15.0
WINDOW = 60.0


def duration(seconds: float) -> str:
    """As people say it: 8 s, 3 min 10 s, 5 h 20 min, 2 days 3 h."""
    seconds = round(seconds)
    for size, unit, smaller, small_unit in ((86400, "days", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if seconds >= size:
            rest = seconds % size // smaller
            unit = "day" if unit == "days" and seconds // size == 1 else unit
            return f"{seconds // size} {unit}" + (f" {rest} {small_unit}" if rest else "")
    return f"{seconds} s"


def rate_text(per_second: float) -> str:
    return f"{per_second:.1f} pictures/s" if per_second >= 1 else f"{per_second * 60:.1f} pictures/min"


def line(total: int, done: int, failed: int, put_off: int, per_second: float) -> str:
    """`failed` for good, `put_off` for another try."""
    remaining = max(0, total - done - failed)
    parts = [f"{done} of {total} done", f"{failed} failed"]
    if put_off:
        parts.append(f"{put_off} to be tried again")
    if per_second > 0:
        parts += [rate_text(per_second), f"{duration(remaining / per_second)} left" if remaining else "complete"]
    return ", ".join(parts)


class Progress:
    """Shows the counts that `state` gives, until it is left. `done` and `failed` are those of earlier."""

    def __init__(self, terminal: TextIO, total: int, done: int, failed: int, state: Callable[[], Mapping]):
        self.terminal, self.total, self.before, self.state = terminal, total, (done, failed), state
        self.ended = threading.Event()
        self.seen: list[tuple[float, int]] = [(time.monotonic(), 0)]
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.live = terminal.isatty()
        self.complaints: set[str] = set()

    def __enter__(self) -> "Progress":
        self.thread.start()
        return self

    def __exit__(self, *_) -> None:
        self.ended.set()
        self.thread.join()
        self.show()
        if self.live:
            print(file=self.terminal)

    def _run(self) -> None:
        while not self.ended.wait(SECONDS if self.live else LOG_SECONDS):
            self.show()

    def show(self) -> None:
        try:
            state = self.state()
        except Exception:  # the actors are gone: what stopped them is said elsewhere
            return
        counts = state["counts"]
        done, failed = counts.get("done", 0), counts.get("failed", 0)
        now = time.monotonic()
        self.seen.append((now, done + failed))
        while len(self.seen) > 2 and now - self.seen[1][0] > WINDOW:
            self.seen.pop(0)
        first, count = self.seen[0]
        per_second = (done + failed - count) / (now - first) if now > first else 0.0
        for name, why in state["broken"].items():
            if (said := f"{name} rests: {why}".splitlines()[0]) not in self.complaints:
                self.complaints.add(said)
                print(("\r\033[K" if self.live else "") + said, file=self.terminal, flush=True)
        text = line(self.total, self.before[0] + done, self.before[1] + failed, counts.get("put_off", 0), per_second)
        print(f"\r\033[K{text}" if self.live else text, end="" if self.live else "\n", file=self.terminal, flush=True)
