"""Few pictures, drawn without Ray Data: for them its start would take longer than the work."""

import uuid
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa

from .drawing import Crew, DrawPortion
from .recovery import Tried, add_rows
from .results import ids_in
from .space import stretches
from .store import Store, failed_items
from .study import Study

PER_WORKER, MOST = 10, 200
MOST_LISTED = 5000


def few_remaining(study: Study, versions: dict[str, str], store: Store, workers: int, remaining: int) -> list[dict] | None:
    """The items that are not in the table, where they are few and easy to tell: those that failed, or a small study's."""
    if remaining > min(PER_WORKER * workers, MOST):
        return None
    failed = failed_items(store.journal)
    there = ids_in(store, list(failed))
    items = [item for item_id, item in failed.items() if item_id not in there]
    if len(items) == remaining:
        return items
    if len(study.space) > MOST_LISTED:
        return None
    every = [study.item(position, versions) for position in range(len(study.space))]
    there = ids_in(store, [item["id"] for item in every])
    return [item for item in every if item["id"] not in there]


def draw_few(items: list[dict], study: Study, schema: pa.Schema, store: Store, crew: Crew, tried: Tried) -> None:
    """Draws these items once, shared out among the workers, and adds their rows to the table."""
    shares = [share for share in stretches(items, len(crew.names)) if share]

    def draw(share: list[dict]) -> list[dict]:
        return list(DrawPortion(crew, tried, study.attempts, study.time_limit, schema, str(store.journal)).drawn(share))

    with ThreadPoolExecutor(len(shares)) as pool:
        rows = [row for portion in pool.map(draw, shares) for row in portion]
    add_rows(store, rows, schema, f"few-{uuid.uuid4().hex}")
