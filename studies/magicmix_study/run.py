"""`magicmix-study run`: from a study to a full table."""

import sys
from typing import TextIO

import pyarrow.compute as pc
from filelock import FileLock, Timeout

from .cluster import Joined, join, start_crew
from .estimate import estimated_seconds
from .options import Options, again, servers_of
from .problems import Problem, StoppedError, StudyError
from .progress import Progress, duration
from .recovery import Tried, forget_failures, recover, renumber, tried_in_vain
from .results import FAILED, OWN, count, results
from .schema_check import check_against
from .space import portions_of
from .store import Store, says_full
from .study import Study
from .table import item_schema, row_schema

FIRST = 10
CLOSE_SECONDS = 30
NOT_ALL = 3
"""The exit status of a study that is complete, with pictures that could not be drawn."""


def run_study(study: Study, options: Options, terminal: TextIO) -> int:
    """Returns the exit status. Raises StudyError, StoppedError, OSError."""
    store = Store(options.out.resolve())
    print(summary(study), file=terminal, flush=True)
    store.make()
    try:
        with FileLock(store.lock, timeout=0):
            joined = join(options.address)
            try:
                return _Session(study, options, store, joined, terminal).run()
            finally:
                import ray

                ray.shutdown()
    except Timeout:
        raise StoppedError(f"another run works on {options.out}") from None


def summary(study: Study) -> str:
    space = study.space
    factors = " x ".join(f"{len(axis)} {'/'.join(column.name for column in axis.columns)}" for axis in space.axes if len(axis) > 1)
    sampled = f" of {space.product}" if space.sample else ""
    return f"{study.file}: {len(space)} picture{'s' if len(space) != 1 else ''}{sampled}{f' ({factors})' if factors else ''}"


class _Session:
    """One run, with Ray at hand."""

    def __init__(self, study: Study, options: Options, store: Store, joined: Joined, terminal: TextIO):
        self.study, self.options, self.store, self.joined, self.terminal = study, options, store, joined, terminal
        self.schema = row_schema(item_schema(study.space.axes))
        self.versions: dict[str, str] = {}

    def say(self, text: str) -> None:
        print(text, file=self.terminal, flush=True)

    def run(self) -> int:
        if self.joined.dashboard:
            self.say(f"Ray's dashboard: http://{self.joined.dashboard}")
        servers, names, gpus = servers_of(self.options, self.joined)
        self.again = again(self.study.file, self.options, servers[0])
        self.crew, self.workers = start_crew(self.study, str(self.store.folder), servers, names, gpus)
        import ray

        try:
            return self.work()
        finally:
            closing = [worker.close.remote() for worker in self.workers]
            ray.wait(closing, num_returns=len(closing), timeout=CLOSE_SECONDS)

    def work(self) -> int:
        self.prepare()
        if self.options.only:
            return self.draw_one(self.options.only)
        self.take_stock()
        known, total = count(self.store, OWN), len(self.study.space)
        if known:
            self.say(f"{known} of {total} were drawn earlier" + self.remaining_time(total - known))
        elif total > FIRST:
            if not self.first_ones():
                self.say("stopped; the same command goes on from here")
                return 1
        elif self.options.estimate_only:
            self.say(f"so few are not estimated: at most {FIRST}")
        if self.options.estimate_only:
            return 0
        self.draw_all(total)
        return self.conclude(total)

    def remaining_time(self, remaining: int) -> str:
        """How long the rest takes, if a picture takes as long as those in the table."""
        taken = results(self.store).to_table(["seconds"], filter=OWN & ~FAILED)["seconds"]
        if not remaining or not len(taken):
            return ""
        return f"; {remaining} remain, about {duration(pc.mean(taken).as_py() * remaining / len(self.workers))}"

    def prepare(self) -> None:
        """Asks the first server what it is, and checks the study against it."""
        import ray

        described = [worker.describe.remote() for worker in self.workers]  # all start meanwhile
        try:
            server = ray.get(described[0])
        except ray.exceptions.RayTaskError as error:
            raise StoppedError(str(error.cause)) from error
        if problems := check_against(self.study, server["schemas"]):
            raise StudyError(str(self.study.file), sorted(problems, key=lambda problem: problem.line))
        self.versions = {"comfyui": server["comfyui"]} | dict(self.study.versions)
        for worker in self.workers:
            worker.require.remote(server["comfyui"])
        count = len(self.workers)
        self.say(f"{count} worker{'s' if count > 1 else ''}, ComfyUI {server['comfyui']}")

    def take_stock(self) -> None:
        """Mends the folder, and brings it in line with the study where that was changed."""
        before, now = self.store.read_manifest(), self.manifest()
        found = recover(self.store, self.schema)
        if before and before["versions"] != self.versions and found.rows and not self.options.new_versions:
            text = (
                f"made with {before['versions']}, now it is {self.versions}: all would be drawn again; say --new-versions, or another --out"
            )
            raise StudyError(str(self.options.out), [Problem(None, text)])
        for number, text in ((found.damaged, "damaged: to be drawn again"), (found.rescued, "finished before the last run was cut off")):
            if number:
                self.say(f"{number} {text}")
        if self.options.retry_failed:
            forget_failures(self.store, self.schema)
        if before is None or before["fingerprint"] != now["fingerprint"]:
            renumber(self.store, self.schema, self.study.items(self.versions))
        self.store.write_manifest(now)

    def manifest(self) -> dict:
        return {
            "study": str(self.study.file.resolve()),
            "text": self.study.text,
            "graph": self.study.graph,
            "versions": self.versions,
            "fingerprint": self.study.fingerprint(self.versions),
            "columns": [column.name for column in self.study.columns],
            "total": len(self.study.space),
            "again": self.again,
        }

    def draw_one(self, item_id: str) -> int:
        item = next((item for item in self.study.items(self.versions) if item["id"] == item_id), None)
        if item is None:
            raise StoppedError(f"the study has no picture {item_id} (with {self.versions})")
        outcome = _outcome(self.workers[0].draw.remote(item, 0))
        if outcome.kind != "done":
            raise StoppedError(outcome.error)
        for file in outcome.row["files"]:
            self.say(str(self.store.folder / file["path"]))
        return 0

    def first_ones(self) -> bool:
        """Draws ten, spread over the study, and says how long the rest will take; whether to go on."""
        total, workers = len(self.study.space), self.workers
        positions = [place * total // FIRST for place in range(FIRST)]
        share = min(len(workers), FIRST)
        drawn = [
            workers[place * share // FIRST].draw.remote(self.study.item(position, self.versions), 0)
            for place, position in enumerate(positions)
        ]
        outcomes = [_outcome(answer) for answer in drawn]
        if full := [outcome for outcome in outcomes if outcome.kind == "full"]:
            raise StoppedError(full[0].error)
        done = [outcome for outcome in outcomes if outcome.kind == "done"]
        recover(self.store, self.schema)
        if not done:
            raise StoppedError(f"none of the first {FIRST} could be drawn: {outcomes[0].error}")
        timings = [outcome.node_seconds for outcome in done]
        remaining, portions = total - len(done), len(portions_of(self.study.space, len(workers)))
        seconds = estimated_seconds(self.study.graph, self.study.space, timings, remaining, len(workers), portions)
        failed = f" ({len(outcomes) - len(done)} failed)" if len(done) < len(outcomes) else ""
        self.say(f"the first {FIRST} are drawn{failed}; {remaining} remain, about {duration(seconds)}")
        if self.options.yes or self.options.estimate_only or not sys.stdin.isatty():
            return True
        print("go on? [Y/n] ", end="", file=self.terminal, flush=True)
        return sys.stdin.readline().strip().lower() in ("", "y", "yes")

    def draw_all(self, total: int) -> None:
        """Passes over what remains, until every item is in the table: drawn, or tried as often as it may be."""
        import ray

        rows, failed = count(self.store, OWN), count(self.store, OWN & FAILED)
        with Progress(self.terminal, total, rows - failed, failed, lambda: ray.get(self.crew.board.state.remote())):
            while rows < total:
                tried = tried_in_vain(self.store)
                attempts = sum(map(len, tried.values()))
                try:
                    self.draw_once(total - rows, tried)
                except Exception as error:
                    raise StoppedError(self.why(error)) from error
                was, rows = rows, count(self.store, OWN)
                if rows == was and sum(map(len, tried_in_vain(self.store).values())) == attempts:
                    raise StoppedError("nothing was drawn and nothing failed")
                self.crew.board.next_pass.remote()

    def draw_once(self, remaining: int, tried: Tried) -> None:
        """Every item that is not in the table, once: by Ray Data, unless they are few."""
        from .few import draw_few, few_remaining

        items = few_remaining(self.study, self.versions, self.store, len(self.workers), remaining)
        if items is not None:
            draw_few(items, self.study, self.schema, self.store, self.crew, tried)
        else:
            from .pipeline import draw_remaining

            draw_remaining(self.study, self.versions, self.store, self.crew, tried)

    def why(self, error: Exception) -> str:
        import ray

        if reason := ray.get(self.crew.board.state.remote())["reason"]:
            return reason
        said = str(getattr(error, "cause", None) or error).strip()
        return "no space left for the table" if says_full(said) else said.splitlines()[-1]

    def conclude(self, total: int) -> int:
        failed = count(self.store, OWN & FAILED)
        for file in self.store.journal.glob("*.jsonl"):
            file.unlink()  # all of it is in the table
        self.say(
            f"complete: {total - failed} pictures in {self.options.out}"
            + (f", {failed} could not be drawn (magicmix-study status)" if failed else "")
        )
        return NOT_ALL if failed else 0


def _outcome(answer):
    import ray

    from .worker import Outcome

    try:
        return ray.get(answer)
    except ray.exceptions.RayActorError:
        return Outcome("failed", error="the worker died")
