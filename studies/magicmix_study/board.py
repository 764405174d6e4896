"""Who may use which worker, how far the study is, and whether it must stop: one small actor that everybody asks."""

import time
from collections import Counter

BACKOFF_SECONDS, MOST_BACKOFF = 5.0, 60.0


class Board:
    """Runs as a Ray actor. Workers are known by their names."""

    def __init__(self, names: list[str]):
        self.users = dict.fromkeys(names, 0)
        self.broken: dict[str, tuple[float, int, str]] = {}
        """When a worker may be tried again, how often in a row it could do nothing, and why."""
        self.counts: Counter[str] = Counter()
        self.reason: str | None = None

    def lease(self, avoid: list[str], last: str | None = None) -> str | None:
        """A worker for a while: not one to avoid unless there is no other, the `last` one if it is free; None while all are broken."""
        now = time.monotonic()
        well = [name for name in self.users if name not in self.broken or self.broken[name][0] <= now]
        choice = [name for name in well if name not in avoid] or well
        if not choice:
            return None
        name = min(choice, key=lambda each: (self.users[each], each != last))
        self.users[name] += 1
        return name

    def give_back(self, name: str) -> None:
        self.users[name] -= 1

    def mark_broken(self, name: str, why: str) -> None:
        """It is left alone for a while, longer each time."""
        times = self.broken[name][1] + 1 if name in self.broken else 1
        self.broken[name] = (time.monotonic() + min(BACKOFF_SECONDS * 2 ** (times - 1), MOST_BACKOFF), times, why)

    def mark_well(self, name: str) -> None:
        self.broken.pop(name, None)

    def whats_broken(self) -> dict[str, str]:
        return {name: why for name, (_, _, why) in self.broken.items()}

    def count(self, what: dict[str, int]) -> str | None:
        """Adds to the counts (done, failed, put_off); returns why the study must stop, if it must."""
        self.counts.update(what)
        return self.reason

    def next_pass(self) -> None:
        """What was put off is tried again from here."""
        self.counts["put_off"] = 0

    def stop(self, reason: str) -> None:
        self.reason = self.reason or reason

    def state(self) -> dict:
        return {"counts": dict(self.counts), "broken": self.whats_broken(), "reason": self.reason}
