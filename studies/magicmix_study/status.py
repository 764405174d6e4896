"""`magicmix-study status`: how far a study is, and what failed."""

from collections import Counter

from .problems import StoppedError
from .recovery import tried_in_vain
from .results import OWN, count, results
from .store import Store, journal_lines

SHOWN = 10


def status(store: Store) -> str:
    """Reads the folder only: it may be asked while a study runs."""
    manifest = store.read_manifest()
    if manifest is None:
        raise StoppedError(f"{store.folder} is not the folder of a study")
    ids, errors, examples = set(), Counter(), {}
    if (table := results(store)) is not None:
        for batch in table.to_batches(columns=["id", "error"], filter=OWN):
            for row in batch.to_pylist():
                ids.add(row["id"])
                if row["error"] is not None:
                    errors[row["error"]] += 1
                    examples.setdefault(row["error"], row["id"])
    fresh = {line["done"]["id"] for line in journal_lines(store.journal) if "done" in line} - ids
    waiting = tried_in_vain(store).keys() - ids - fresh
    failed, others = sum(errors.values()), count(store, ~OWN)
    done = len(ids) - failed + len(fresh)
    lines = [f"{done} of {manifest['total']} done, {failed} failed, {manifest['total'] - done - failed} remain"]
    if waiting:
        lines.append(f"{len(waiting)} of these failed and are tried again")
    if others:
        lines.append(f"{others} more are of what the study was before it was changed")
    for error, times in errors.most_common(SHOWN):
        lines.append(f"{times} x {error}   (such as {examples[error]})")
    if len(errors) > SHOWN:
        lines.append(f"and {len(errors) - SHOWN} other errors")
    return "\n".join(lines)
