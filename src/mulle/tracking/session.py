"""`mulle.start_run()`: a run without a pipeline, for notebooks and plain scripts."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mulle.tracking.recording import Recorder, recording

if TYPE_CHECKING:
    from mulle.clock import Clock


@contextmanager
def start_run(
    experiment: str = "default",
    *,
    params: Mapping[str, Any] | None = None,
    path: str | os.PathLike[str] = ".",
    clock: Clock | None = None,
) -> Iterator[str]:
    """Track what the block logs as a run; yields the run's id.

    Args:
        experiment: the name under which runs that belong together are compared.
        params: parameters to record at once.
        path: where the project is: the folder of `mulle.toml` or one below it.
        clock: domain time; the machine's own by default.
    """
    # start-up time: steps import this module too, and must not load the database
    from mulle.access import principal  # noqa: PLC0415
    from mulle.catalog import Catalog  # noqa: PLC0415
    from mulle.clock import ClockIds, system_clock  # noqa: PLC0415
    from mulle.config import load  # noqa: PLC0415
    from mulle.spool import SpoolWriter  # noqa: PLC0415
    from mulle.store import LocalStore  # noqa: PLC0415
    from mulle.tracking import runs  # noqa: PLC0415
    from mulle.tracking.ingest import ingest  # noqa: PLC0415
    from mulle.verbs import acting  # noqa: PLC0415

    settings = load(Path(path))
    clock, workspace = clock or system_clock(settings.behind), settings.workspace
    spool_dir = workspace / "spool" / "metrics"
    with (
        acting(actor=principal(), verb="runs.start"),
        Catalog.open(workspace / "catalog.db", clock, ClockIds(clock)) as catalog,
    ):
        with catalog.write() as tx:
            run_id = runs.create(tx, kind="tracked", experiment=experiment, params=params or {})
        writer = SpoolWriter(spool_dir, f"run-{run_id}", clock)
        recorder = Recorder(run_id, lambda: writer, LocalStore(workspace), clock)
        status, error = "failed", ""
        try:
            with recording(recorder):
                yield run_id
            status = "succeeded"
        except KeyboardInterrupt:
            status = "cancelled"
            raise
        except BaseException as failure:
            error = f"{type(failure).__name__}: {failure}"
            raise
        finally:
            writer.close()
            ingest(catalog, spool_dir)
            with catalog.write() as tx:
                runs.finish(tx, run_id, status, error)  # type: ignore[arg-type]
