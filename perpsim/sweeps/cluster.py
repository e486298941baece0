"""Runs on a cluster: dask.distributed through its executor of `concurrent.futures`."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any
from uuid import uuid4

from perpsim.errors import UserError
from perpsim.sweeps.campaign import Pool
from perpsim.sweeps.job import program_key
from perpsim.sweeps.nursery import close_all, run_job

#: seconds in which a scheduler has to answer at the start, and workers have to be there
AT_THE_START = 5.0
#: seconds without an answer, or without any worker, after which nothing is to be expected any more
SILENCE = 30.0
# Seconds between two looks at how many workers there are; that an answer to that may take.
_LOOK, _ANSWER = 2.0, 2.0
# Seconds in which workers have to end what they are doing.
_AT_THE_END = 5.0

_LOGGERS = ("distributed", "tornado", "asyncio", "concurrent")


class DaskPool:
    """The workers of a cluster: as many runs at a time as they have threads."""

    def __init__(self, client: Any, address: str) -> None:
        self.executor: Executor = client.get_executor(pure=False)
        #: whose the nurseries on the workers are
        self.owner = uuid4().hex
        self.work = partial(run_job, owner=self.owner)
        self._client = client
        self._address = address
        self._threads = 1
        self._asked = self._heard = time.monotonic()

    @property
    def workers(self) -> int:
        """How many runs go on at a time; as last heard, but at least 1."""
        now = time.monotonic()
        if now - self._asked > _LOOK:
            self.look()
        return self._threads

    def look(self) -> None:
        """Ask the scheduler who works for it."""
        self._asked = time.monotonic()
        if self._client.status != "running":
            return
        # Whoever does not answer now is asked again.
        with suppress(Exception):
            threads = sum(self._client.nthreads(callback_timeout=_ANSWER).values())
            if threads:
                self._threads, self._heard = threads, time.monotonic()

    def lost(self) -> str:
        """Whether the scheduler is gone, or all workers are."""
        if self._client.status != "running":
            return f"the scheduler at {self._address} is gone"
        self.look()
        if time.monotonic() - self._heard > SILENCE:
            return f"the scheduler at {self._address} has had no workers for {SILENCE:.0f} s, or no answer"
        return ""

    def end(self) -> None:
        """End what the workers are doing for this pool."""
        if self._client.status == "running":
            with suppress(Exception):
                self.executor.shutdown(wait=False)
                self._client.run(close_all, self.owner, on_error="ignore", callback_timeout=_AT_THE_END)


@contextmanager
def dask_pool(address: str) -> Iterator[Pool]:
    """The workers of the cluster whose scheduler is at an address, such as tcp://10.0.0.1:8786.

    Raises `UserError` if it does not answer, has no workers, or these run another version of the program.
    """
    try:
        from distributed import Client
    except ImportError:
        raise UserError("--dask: dask.distributed is not installed: pip install 'perpsim[cluster]'") from None
    with _quiet():
        try:
            client = Client(address, timeout=AT_THE_START, set_as_default=False, name="perpsim-sweep")
        except Exception as error:
            words = (str(error).splitlines() or [type(error).__name__])[0]
            raise UserError(f"--dask {address}: no scheduler answers there ({words[:200]})") from None
        try:
            _check(client, address)
            pool = DaskPool(client, address)
            pool.look()
            try:
                yield pool
            finally:
                pool.end()
        finally:
            with suppress(Exception):
                client.close(timeout=_ANSWER)


def _check(client: Any, address: str) -> None:
    """Workers are there, and all of them would do the same runs as this program."""
    try:
        client.wait_for_workers(1, timeout=AT_THE_START)
    except TimeoutError:
        raise UserError(
            f"--dask {address}: the scheduler has no workers; start some: dask worker {address} --nthreads 1"
        ) from None
    found = client.run(program_key, on_error="return", callback_timeout=6 * AT_THE_START)
    for worker, key in sorted(found.items()):
        if isinstance(key, OSError):
            # It went away while it was asked.
            continue
        if isinstance(key, Exception):
            words = (str(key).splitlines() or [""])[0][:200]
            raise UserError(f"--dask {address}: worker {worker}: {type(key).__name__}: {words}")
        if key != program_key():
            raise UserError(
                f"--dask {address}: worker {worker} runs another version of perpsim, or of the "
                "contracts, than this machine: results could differ; install the same there"
            )


@contextmanager
def _quiet() -> Iterator[None]:
    """What goes wrong is told in our words, once, and not in theirs as well."""
    names = [name for name in logging.root.manager.loggerDict if name.partition(".")[0] in _LOGGERS]
    loggers = [logging.getLogger(name) for name in [*_LOGGERS, *names]]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in reversed(list(zip(loggers, levels))):
            logger.setLevel(level)
