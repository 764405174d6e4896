"""A study's folder: files whole or not at all, and brought in order whatever was cut off."""

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from magicmix_study.axes import Axis, Column
from magicmix_study.recovery import forget_failures, recover, renumber
from magicmix_study.results import OWN, PENDING, count, ids_in
from magicmix_study.status import status
from magicmix_study.store import BrokenPictureError, Journal, Store
from magicmix_study.table import as_table, item_schema, row_schema
from PIL import Image
from study_runs import rows_of

AXES = [Axis((Column("nu", ()),), ((0.5,), (1.0,)), 1)]
SCHEMA = row_schema(item_schema(AXES))
COUNT = 6


def picture(shade: int) -> bytes:
    output = io.BytesIO()
    Image.new("RGB", (8, 8), (shade, 0, 0)).save(output, "PNG")
    return output.getvalue()


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "out")
    made.make()
    made.write_manifest({"total": COUNT})
    return made


def row(store: Store, number: int, error: str | None = None) -> dict:
    """Of a picture that is there, or of a failure."""
    name = f"{number:032x}"
    files = [{"node": "1"} | store.keep_file(name, 0, "x.png", picture(number))] if error is None else None
    return {"id": name, "number": number, "nu": 0.5, "attempts": 1, "error": error, "files": files, "started": 1000, "worker": "w"}


def write(store: Store, name: str, rows: list[dict]) -> None:
    pq.write_table(as_table(rows, SCHEMA), store.results / f"{name}.parquet")


def done_ids(store: Store) -> list[str]:
    return [key for file in store.done.glob("*.parquet") for key in pq.read_table(file)["id"].to_pylist()]


def in_order(store: Store) -> bool:
    """Each id once, each with its pictures, and `done/` says the same."""
    rows = rows_of(store.folder) if ids_in(store) else {}
    whole = all(row["error"] is not None or store.intact(row["files"]) for row in rows.values())
    return whole and sorted(done_ids(store)) == sorted(rows)


def test_files_go_under_their_ids_whatever_the_server_calls_them(store):
    kept = store.keep_file("ab" * 16, 1, "../../etc/passwd.p/ng", b"text")
    assert kept["path"] == f"pictures/ab/{'ab' * 16}-1.bin" and (store.folder / kept["path"]).read_bytes() == b"text"


def test_a_truncated_picture_is_not_kept(store):
    with pytest.raises(BrokenPictureError, match="cannot be read to its end"):
        store.keep_file("a" * 32, 0, "x.png", picture(1)[:-30])
    assert not list(store.folder.glob("pictures/*/*"))


FAULTS = ("whole", "twice", "cut", "gone", "unreadable", "journal", "pending", "failed", "tried")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)
@given(st.lists(st.sampled_from(FAULTS), min_size=COUNT, max_size=COUNT))
def test_any_damage_leaves_each_id_at_most_once_and_nothing_whole_is_lost(tmp_path_factory, faults):
    store = Store(tmp_path_factory.mktemp("folder"))
    store.make()
    journal = Journal(store.journal, "worker-0")
    for number, fault in enumerate(faults):
        one = row(store, number, "it failed" if fault == "failed" else None)
        file = store.folder / one["files"][0]["path"] if one["files"] else None
        name = f"part-{number}"
        if fault == "journal":
            journal.done(one)
        elif fault == "tried":
            journal.failed(one, "w", "it failed")
        else:
            write(store, name, [one])
        if fault == "twice":
            write(store, f"{name}-again", [one])
            journal.done(one)
        elif fault == "cut":
            file.write_bytes(file.read_bytes()[:-1])
        elif fault == "gone":
            file.unlink()
        elif fault == "unreadable":
            (store.results / f"{name}.parquet").write_bytes(b"PAR1 cut off")
        elif fault == "pending":
            pq.write_table(pa.table({"id": [one["id"]]}), store.done / f"{name}.pending.parquet")
    found = recover(store, SCHEMA)
    assert in_order(store)
    kept = {number for number, fault in enumerate(faults) if fault in ("whole", "twice", "journal", "failed")}
    assert {row["number"] for row in (rows_of(store.folder).values() if found.rows else ())} == kept
    assert found.tried == {f"{number:032x}": ["w"] for number, fault in enumerate(faults) if fault == "tried"}
    again = recover(store, SCHEMA)
    assert (again.rows, again.tried, again.damaged, again.rescued) == (found.rows, found.tried, 0, 0), "once is enough"


def test_a_line_that_was_cut_off_is_left_out(store):
    journal = Journal(store.journal, "worker-0")
    for number in (1, 2):
        journal.done(row(store, number))
    journal.file.write_text(journal.file.read_text()[:-20])
    assert recover(store, SCHEMA).rows == 1


def test_failures_can_be_forgotten(store):
    write(store, "a", [row(store, 1), row(store, 2, "it failed")])
    Journal(store.journal, "w").failed({"id": "3" * 32}, "w", "it failed")
    forget_failures(store, SCHEMA)
    assert recover(store, SCHEMA).tried == {} and [one["number"] for one in rows_of(store.folder).values()] == [1]


def test_status_counts_what_is_done_and_says_what_failed(store):
    write(store, "a", [row(store, 1), row(store, 2, "a < b")])
    journal = Journal(store.journal, "w")
    journal.done(row(store, 3))
    journal.failed({"id": "4".zfill(32)}, "w", "later")
    assert status(store).splitlines() == [
        "2 of 6 done, 1 failed, 3 remain",
        "1 of these failed and are tried again",
        f"1 x a < b   (such as {2:032x})",
    ]


def test_what_is_being_written_is_not_read(store):
    write(store, "a", [row(store, 1)])
    (store.results / "b-0.parquet").write_bytes(b"PAR1 and not yet more")
    (store.done / f"b{PENDING}").touch()
    assert status(store).startswith("1 of 6 done") and ids_in(store) == {f"{1:032x}"}
    assert ids_in(store, []) == set() and ids_in(store, [f"{1:032x}", "b"]) == {f"{1:032x}"}


def test_rows_follow_a_study_that_was_changed(store):
    """Rows of what it still has get their new numbers and values; others stay, without a number."""
    write(store, "a", [row(store, 1), row(store, 2), row(store, 3, "it failed")])
    journal = Journal(store.journal, "w")
    for number in (4, 5):
        journal.failed({"id": f"{number:032x}"}, "w", "it failed")
    axes = [Axis((Column("nu", ()),), (("low",), ("high",)), 1), Axis((Column("prompt", ()),), (("a fox",), ("a cat",)), 1)]
    items = [{"id": f"{key:032x}", "number": number, "nu": "low", "prompt": "a fox"} for number, key in enumerate((5, 2, 6))]
    renumber(store, row_schema(item_schema(axes)), items)
    rows = rows_of(store.folder)
    values = {row["id"][-1]: (row["number"], row["nu"], row["prompt"], row["error"]) for row in rows.values()}
    assert values == {"1": (None, None, None, None), "2": (1, "low", "a fox", None), "3": (None, None, None, "it failed")}
    assert count(store, OWN) == 1 and all(store.intact(row["files"] or []) for row in rows.values())
    assert recover(store, SCHEMA).tried == {f"{5:032x}": ["w"]}
    assert status(store).splitlines()[-1] == "2 more are of what the study was before it was changed"


def test_large_seeds_have_room_in_the_table():
    kind = item_schema([Axis((Column("seed", ()),), ((1,), (2**64 - 1,)), 1)])
    assert kind.field("seed").type == pa.uint64() and row_schema(kind).names.count("seed") == 1
