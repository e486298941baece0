"""A sweep on a cluster: a scheduler and two workers of dask.distributed in processes of their own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import polars as pl
import psutil
import pytest
from support.sweeps import alive, children, eventually, small_sweep

import perpsim
from perpsim.errors import UserError
from perpsim.sweeps import cluster
from perpsim.sweeps.campaign import Pool, Tally, campaign
from perpsim.sweeps.cluster import dask_pool
from perpsim.sweeps.command import Request, pool_for
from perpsim.sweeps.design import Design
from perpsim.sweeps.job import jobs
from perpsim.sweeps.pools import local_pool
from perpsim.sweeps.store import SweepFolder

pytest.importorskip("distributed")


Environment = dict[str, str] | None


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def answers(port: int) -> bool:
    with socket.socket() as found:
        return found.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def program(
    *arguments: str, folder: Path, environment: Environment = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A process of dask's while the test runs."""
    command = [sys.executable, "-m", "dask", *arguments, "--no-dashboard"]
    with (folder / "log.txt").open("ab") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=environment)
    with process:
        try:
            yield process
        finally:
            process.kill()


class Cluster:
    """A scheduler, and workers that come and go."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        port = free_port()
        self.address = f"tcp://127.0.0.1:{port}"
        self.workers: list[subprocess.Popen[bytes]] = []
        arguments = ("scheduler", "--host", "127.0.0.1", "--port", str(port))
        self.scheduler = stack.enter_context(program(*arguments, folder=folder))
        eventually(lambda: answers(port))

    def worker(self, environment: Environment = None) -> subprocess.Popen[bytes]:
        """One more worker, of one thread."""
        arguments = ("worker", self.address, "--nthreads", "1", "--no-nanny")
        found = self._stack.enter_context(program(*arguments, folder=self._folder, environment=environment))
        self.workers.append(found)
        return found


SWEEP = small_sweep(seeds=3)


def do(path: Path, pool: Pool, progress: Callable[[int, int], None] = lambda done, failures: None) -> Tally:
    design = Design(SWEEP)
    folder = SweepFolder.take(path, design)
    return campaign(jobs(design, folder.done()), pool, folder, 2, progress, lambda: False)


def rows(path: Path) -> pl.DataFrame:
    return SweepFolder.open(path).frame().drop("seconds", "attempts")


@pytest.fixture(scope="module")
def locally(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    """The rows of the sweep on this machine."""
    path = tmp_path_factory.mktemp("locally")
    with local_pool(2) as pool:
        assert do(path, pool).complete
    return rows(path)


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster that has no workers at first."""
    with ExitStack() as stack:
        yield Cluster(tmp_path_factory.mktemp("cluster"), stack)


@pytest.fixture(scope="module")
def running(scheduler: Cluster) -> Cluster:
    """One of two workers."""
    for _ in range(2):
        scheduler.worker()
    return scheduler


def wait_for_workers(address: str, count: int) -> None:
    with dask_pool(address) as pool:
        eventually(lambda: pool.look() or pool.workers == count)


class TestTheStart:
    def test_a_scheduler_without_workers_is_noticed(
        self, scheduler: Cluster, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(cluster, "AT_THE_START", 2.0)
        with pytest.raises(UserError, match=r"^--dask tcp://.* has no workers; start some: dask worker"):
            enter(scheduler.address)

    @pytest.mark.parametrize(
        "address", ["tcp://127.0.0.1:1", "127.0.0.1:1", "nonsense://x", "no such host:1"]
    )
    def test_an_address_where_nobody_answers_is_one_line(
        self, address: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(cluster, "AT_THE_START", 0.5)
        with pytest.raises(UserError, match=r"^--dask .*: no scheduler answers there") as found:
            enter(address)
        assert "\n" not in str(found.value)
        assert capfd.readouterr().err == ""

    def test_dask_that_is_not_installed_is_one_line(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "distributed", None)
        with pytest.raises(UserError, match=r"not installed: pip install '.*\[cluster\]'$"):
            enter("tcp://127.0.0.1:1")

    def test_how_many_workers_a_cluster_has_is_its_own_affair(self) -> None:
        with pytest.raises(UserError, match="--workers is for this machine"):
            pool_for(Request("fund-size-smoke", workers=2, dask="tcp://127.0.0.1:1"))


def enter(address: str) -> None:
    with dask_pool(address):
        pass


class TestRuns:
    def test_two_workers_of_a_cluster_come_to_the_rows_of_local_ones(
        self, running: Cluster, locally: pl.DataFrame, tmp_path: Path
    ) -> None:
        wait_for_workers(running.address, 2)
        seen: set[int] = set()

        def look(done: int, failures: int) -> None:
            seen.update(worker.pid for worker in running.workers if children(worker.pid))

        with dask_pool(running.address) as pool:
            assert pool.workers == 2
            assert do(tmp_path, pool, look) == Tally(6, 0, complete=True)
        assert rows(tmp_path).equals(locally)
        # Both had runs, and nothing of it stays.
        assert seen == {worker.pid for worker in running.workers}
        assert not [child for worker in running.workers for child in children(worker.pid)]

    def test_a_worker_of_another_version_is_noticed(self, running: Cluster, tmp_path: Path) -> None:
        package = Path(perpsim.__file__).parent
        for part in ("perpsim", "contracts"):
            shutil.copytree(package.parent / part, tmp_path / part)
        with (tmp_path / "perpsim" / "simulation" / "runner.py").open("a") as file:
            file.write("# changed\n")
        other = running.worker(os.environ | {"PYTHONPATH": str(tmp_path)})

        def noticed() -> str:
            try:
                enter(running.address)
            except UserError as error:
                return str(error)
            return ""

        assert "runs another version of perpsim" in eventually(noticed)
        running.workers.remove(other)
        other.kill()
        wait_for_workers(running.address, 2)

    def test_a_worker_that_is_killed_costs_nothing_but_time(
        self, running: Cluster, locally: pl.DataFrame, tmp_path: Path
    ) -> None:
        killed = running.workers[0]
        left: list[psutil.Process] = []

        def kill(done: int, failures: int) -> None:
            if done == 1:
                left.extend(children(killed.pid))
                killed.kill()

        with dask_pool(running.address) as pool:
            assert do(tmp_path, pool, kill) == Tally(6, 0, complete=True)
        assert rows(tmp_path).equals(locally)
        eventually(lambda: not any(map(alive, left)))

    def test_a_scheduler_that_is_killed_ends_the_sweep_and_the_same_command_goes_on(
        self, running: Cluster, locally: pl.DataFrame, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        killed: list[float] = []

        def kill(done: int, failures: int) -> None:
            if done == 2:
                running.scheduler.kill()
                killed.append(time.monotonic())

        words = r"is gone; [2-5] runs are done and kept in"
        with pytest.raises(UserError, match=words), dask_pool(running.address) as pool:
            do(tmp_path, pool, kill)
        # Some seconds, on a machine that has other things to do.
        assert time.monotonic() - killed[0] < 15
        # One line, and it is ours.
        assert capfd.readouterr().err == ""
        assert 2 <= len(rows(tmp_path)) < 6
        with local_pool(2) as pool:
            assert do(tmp_path, pool).complete
        assert rows(tmp_path).equals(locally)
