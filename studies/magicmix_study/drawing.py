"""A portion of items, drawn by a worker: an actor of Ray Data's `map_batches` takes one after the other and gives back their rows."""

import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import ray
from ray.exceptions import GetTimeoutError, RayActorError

from .comfy_process import START_SECONDS
from .problems import StoppedError
from .store import Journal, journal_lines
from .table import as_table
from .worker import INTERRUPT_SECONDS, Outcome

AHEAD = 2
"""Items that a worker has at a time, so that its server never waits for the next."""
COUNT_SECONDS = 0.5
MOST_COUNTS = 100
"""Messages a second that the board gets, from however many."""
MOST_LOST = 6
REVIVALS, REVIVAL_SECONDS = 6, 20


@dataclass(frozen=True)
class Crew:
    """The actors that a study runs on. Workers are found by their names: who needs one need not know them all.

    The study is kept here for workers that start again.
    """

    board: ray.actor.ActorHandle
    names: tuple[str, ...]
    study: ray.ObjectRef

    def worker(self, name: str) -> ray.actor.ActorHandle:
        return ray.get_actor(actor_name(name))


def actor_name(worker: str) -> str:
    """What Ray calls a worker, within the study's own namespace."""
    return f"study worker {worker}"


@dataclass(frozen=True)
class Flight:
    """An item on its way through a worker; `borrowed` where that is not the portion's own."""

    item: dict
    worker: str
    answer: ray.ObjectRef
    borrowed: bool


class DrawPortion:
    """`tried` holds, by id, the workers on which an item failed before. A failed item has no row until it was tried `attempts` times."""

    def __init__(self, crew: Crew, tried: Mapping[str, list[str]], attempts: int, time_limit: float, schema: pa.Schema, journal: str):
        self.crew, self.tried, self.attempts, self.schema = crew, tried, attempts, schema
        self.patience = START_SECONDS + AHEAD * (time_limit + INTERRUPT_SECONDS) + 60
        self.journal = Journal(Path(journal), "portion")
        self.home: str | None = None
        self.suspects: set[str] = set()
        self.known: dict[str, ray.actor.ActorHandle] = {}
        self.count_every = max(COUNT_SECONDS, len(crew.names) / MOST_COUNTS)
        self.counted: dict[str, int] = {}
        self.counted_at = time.monotonic()
        self.finished: dict[str, dict] = {}
        context = ray.get_runtime_context()
        if context.get_actor_id() and context.was_current_actor_reconstructed:  # it died in a portion, which begins again
            self.finished = {line["done"]["id"]: line["done"] for line in journal_lines(Path(journal)) if "done" in line}

    def __call__(self, portion: pa.Table) -> pa.Table:
        items = portion.to_pylist()
        rows = [self.finished[item["id"]] for item in items if item["id"] in self.finished]
        return as_table(rows + list(self.drawn([item for item in items if item["id"] not in self.finished])), self.schema)

    def drawn(self, items: list[dict]) -> Iterator[dict]:
        """The rows of the items that are done, or that have failed for the last time."""
        todo, flying, lost = deque(items), deque(), 0
        self.home = self.lease([], self.home) if todo else None
        try:
            while todo or flying:
                while todo and len(flying) < AHEAD:
                    flying.append(self.send(todo.popleft()))
                flight = flying.popleft()
                outcome = self.outcome(flight)
                if outcome is None:  # the worker died: what waited there behind this item has not begun
                    todo.extendleft(other.item for other in reversed(flying) if other.worker == flight.worker)
                    flying = deque(other for other in flying if other.worker != flight.worker)
                    outcome = self.after_death(flight)
                self.rest(flight, outcome)
                lost = lost + 1 if outcome.kind == "lost" else 0
                if outcome.kind == "full" or lost > MOST_LOST:
                    self.stop(outcome.error)
                if outcome.kind == "lost":
                    todo.appendleft(flight.item)
                elif (row := self.row(flight, outcome)) is not None:
                    yield row
        finally:
            if self.home is not None:
                self.crew.board.give_back.remote(self.home)
            self.count(last=True)

    def send(self, item: dict) -> Flight:
        tried = self.tried.get(item["id"], [])
        borrowed = self.home in tried
        worker = self.lease(tried, self.home) if borrowed else self.home
        return Flight(item, worker, self.worker(worker).draw.remote(item, len(tried)), borrowed)

    def worker(self, name: str) -> ray.actor.ActorHandle:
        if name not in self.known:
            self.known[name] = self.crew.worker(name)
        return self.known[name]

    def outcome(self, flight: Flight) -> Outcome | None:
        """None where the worker died of it."""
        try:
            return ray.get(flight.answer, timeout=self.patience)
        except GetTimeoutError:
            ray.kill(self.worker(flight.worker), no_restart=False)
            return None
        except RayActorError:
            return None

    def after_death(self, flight: Flight) -> Outcome:
        """Waits until Ray has put another worker in the place of one that died."""
        outcome = Outcome("failed", error="its worker died while it was drawn")
        self.journal.failed(flight.item, flight.worker, outcome.error)
        for _ in range(REVIVALS):
            try:
                ray.get(self.worker(flight.worker).process_id.remote(), timeout=REVIVAL_SECONDS)
                return outcome
            except (RayActorError, GetTimeoutError):
                time.sleep(1)
        return Outcome("failed", error=outcome.error, broken=True)

    def rest(self, flight: Flight, outcome: Outcome) -> None:
        """Gives back what was borrowed, and tells the board how the worker is; a portion whose own worker is broken takes another."""
        if flight.borrowed:
            self.crew.board.give_back.remote(flight.worker)
        if outcome.broken:
            self.suspects.add(flight.worker)
            self.crew.board.mark_broken.remote(flight.worker, outcome.error)
            if flight.worker == self.home:
                self.crew.board.give_back.remote(self.home)
                self.home = None
                self.home = self.lease([])
        elif flight.worker in self.suspects and outcome.kind != "lost":
            self.suspects.remove(flight.worker)
            self.crew.board.mark_well.remote(flight.worker)

    def row(self, flight: Flight, outcome: Outcome) -> dict | None:
        attempts = len(self.tried.get(flight.item["id"], [])) + 1
        last = attempts >= self.attempts
        self.count("done" if outcome.kind == "done" else "failed" if last else "put_off")
        if outcome.kind == "done":
            return outcome.row
        return flight.item | {"worker": flight.worker, "attempts": attempts, "error": outcome.error} if last else None

    def lease(self, avoid: list[str], last: str | None = None) -> str:
        deadline = time.monotonic() + self.patience
        while (name := ray.get(self.crew.board.lease.remote(avoid, last))) is None:
            if time.monotonic() > deadline:
                reasons = ray.get(self.crew.board.whats_broken.remote())
                self.stop("no worker can do anything: " + "; ".join(f"{name}: {why}" for name, why in reasons.items()))
            time.sleep(0.5)
        return name

    def count(self, what: str | None = None, last: bool = False) -> None:
        if what:
            self.counted[what] = self.counted.get(what, 0) + 1
        if last or time.monotonic() - self.counted_at > self.count_every:
            reason = ray.get(self.crew.board.count.remote(self.counted))
            self.counted, self.counted_at = {}, time.monotonic()
            if reason and not last:
                raise StoppedError(reason)

    def stop(self, reason: str) -> None:
        ray.get(self.crew.board.stop.remote(reason))
        raise StoppedError(reason)
