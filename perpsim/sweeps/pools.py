"""Where runs are done: on this machine, or on a cluster. Both are executors of `concurrent.futures`."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from perpsim.sweeps.campaign import Pool
from perpsim.sweeps.job import Job
from perpsim.sweeps.nursery import close_all, run_job
from perpsim.sweeps.trial import Outcome


class LocalPool:
    """Workers on this machine: a thread each that waits for its nursery."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.executor = ThreadPoolExecutor(workers, thread_name_prefix="sweep")

    def work(self, job: Job) -> Outcome:
        """The run, in the nursery of the thread that does it."""
        return run_job(job)

    def lost(self) -> str:
        """Never: a nursery that dies is replaced."""
        return ""


@contextmanager
def local_pool(workers: int) -> Iterator[Pool]:
    """So many workers on this machine, ended at the end whatever they are doing."""
    pool = LocalPool(workers)
    try:
        yield pool
    finally:
        pool.executor.shutdown(wait=False, cancel_futures=True)
        close_all()
        pool.executor.shutdown(wait=True)
