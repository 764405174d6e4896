"""The study as a Ray Data pipeline: items are made as they are needed, drawn in portions, and written to the table by their ids."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pyarrow.fs
import ray
from ray.data import ActorPoolStrategy, DataContext, Datasource, ReadTask
from ray.data.block import BlockMetadata
from ray.data.checkpoint import CheckpointConfig, IdColumnCheckpointManager

from .drawing import Crew, DrawPortion
from .recovery import Tried
from .space import portions_of
from .store import Store
from .study import Study
from .table import as_table, item_schema, row_schema

FILTER_MEMORY = 64 << 20


class StudyItems(Datasource):
    """All items of a study, a portion to each read task. The tasks hold numbers only; items are made where they are read."""

    def __init__(self, study: ray.ObjectRef, schema: pa.Schema, versions: Mapping[str, str], portions: Sequence[tuple[int, int]]):
        super().__init__()
        self.study, self.schema, self.versions, self.portions = study, schema, versions, portions

    def estimate_inmemory_data_size(self) -> int | None:
        return None

    def get_read_tasks(
        self, parallelism: int, per_task_row_limit: int | None = None, data_context: DataContext | None = None
    ) -> list[ReadTask]:
        return [self._task(first, last) for first, last in self.portions]

    def _task(self, first: int, last: int) -> ReadTask:
        study, versions, schema = self.study, self.versions, self.schema

        def read() -> Iterable[pa.Table]:
            yield as_table([ray.get(study).item(position, versions) for position in range(first, last)], schema)

        return ReadTask(read, BlockMetadata(num_rows=last - first, size_bytes=None, input_files=None, exec_stats=None))


class DoneIds(IdColumnCheckpointManager):
    """Reads the ids that are done in one go: the folder was mended before, and has few files."""

    def load_checkpoint(self, data_file_dir: str | None = None, data_file_filesystem: pa.fs.FileSystem | None = None) -> tuple:
        files = [entry.path for entry in self.filesystem.get_file_info(pa.fs.FileSelector(self.checkpoint_path_unwrapped)) if entry.is_file]
        if not files:
            return None, 0
        ids, size = _sorted_ids.remote(files, self.filesystem, self.id_column)
        return ids, ray.get(size)


@ray.remote(num_cpus=0, num_returns=2)
def _sorted_ids(files: list[str], filesystem: pa.fs.FileSystem, column: str) -> tuple[np.ndarray, int]:
    """In a process of its own: the driver need not hold them."""
    table = pa.dataset.dataset(files, format="parquet", filesystem=filesystem).to_table([column])
    return np.sort(table[column].to_numpy()), table.nbytes


def draw_remaining(study: Study, versions: Mapping[str, str], store: Store, crew: Crew, tried: Tried) -> None:
    """Draws every item that is not in the table yet, once. What fails is in the journal, or in the table after the last attempt."""
    context = DataContext.get_current()
    context.enable_progress_bars = False
    checkpoint = CheckpointConfig("id", str(store.done.resolve()), delete_checkpoint_on_success=False, checkpoint_manager_cls=DoneIds)
    checkpoint.checkpoint_actor_pool_max_size = 1
    checkpoint.checkpoint_actor_memory_bytes = FILTER_MEMORY
    context.checkpoint_config = checkpoint
    workers = len(crew.names)
    portions = portions_of(study.space, workers)
    schema = item_schema(study.space.axes)
    source = StudyItems(crew.study, schema, versions, portions)
    items = ray.data.read_datasource(source, concurrency=1, override_num_blocks=len(portions))
    rows = items.map_batches(
        DrawPortion,
        fn_constructor_args=[crew, tried, study.attempts, study.time_limit, row_schema(schema), str(store.journal.resolve())],
        batch_size=None,
        batch_format="pyarrow",
        compute=ActorPoolStrategy(size=workers, max_tasks_in_flight_per_actor=1),
        num_cpus=0,
    )
    rows.write_parquet(str(store.results.resolve()))
