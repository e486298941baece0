"""A campaign does all runs whatever happens to some, keeps what is done, and says in a line why it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest
from support.sweeps import alive, children, eventually, program, small_sweep

from perpsim.errors import UserError
from perpsim.sweeps.campaign import Pool, Tally, campaign
from perpsim.sweeps.design import Design
from perpsim.sweeps.job import Job, jobs
from perpsim.sweeps.model import Sweep
from perpsim.sweeps.nursery import Died, NotStarted, Nursery, OtherProgram
from perpsim.sweeps.pools import local_pool
from perpsim.sweeps.store import SweepFolder
from perpsim.sweeps.trial import Outcome, failed

Work = Callable[[Job], Outcome]


def well(job: Job) -> Outcome:
    """What a run comes to that does nothing."""
    return failed("", "ok") | {"digest": f"{job.point}-{job.seed}"}


class Workers:
    """So many threads that do what a test wants."""

    def __init__(self, work: Work, workers: int = 2, executor: Executor | None = None) -> None:
        self.work, self.workers, self.words = work, workers, ""
        self.executor = executor or ThreadPoolExecutor(workers)

    def lost(self) -> str:
        return self.words


def never() -> bool:
    return False


def do(
    path: Path,
    pool: Pool,
    sweep: Sweep | None = None,
    stop: Callable[[], bool] = never,
    found: Callable[[Iterator[Job]], Iterator[Job]] = lambda found: found,
) -> Tally:
    """The runs of a sweep that are missing in a folder."""
    design = Design(sweep or small_sweep())
    folder = SweepFolder.take(path, design)
    left = found(jobs(design, folder.done()))
    attempts = design.sweep.limits.attempts
    return campaign(left, pool, folder, attempts, lambda done, failures: None, stop)


def rows(path: Path) -> list[tuple[str, int, str, str]]:
    """Digest, attempts, status and reason of every row."""
    return SweepFolder.open(path).frame().select("digest", "attempts", "status", "reason").rows()


ALL = ["0-14", "0-15", "1-14", "1-15"]


class TestAttempts:
    def test_all_runs_are_done(self, tmp_path: Path) -> None:
        assert do(tmp_path, Workers(well)) == Tally(done=4, failures=0, complete=True)
        assert rows(tmp_path) == [(digest, 1, "ok", "") for digest in ALL]

    @pytest.mark.parametrize("error", [Died("killed"), CancelledError(), OSError("no space"), KeyError("x")])
    def test_a_run_that_died_is_tried_again(self, tmp_path: Path, error: Exception) -> None:
        died = []

        def work(job: Job) -> Outcome:
            if (job.point, job.seed) == (1, 14) and not died:
                died.append(job)
                raise error
            return well(job)

        assert do(tmp_path, Workers(work)) == Tally(done=4, failures=0, complete=True)
        assert [(digest, attempts) for digest, attempts, _, _ in rows(tmp_path)] == [
            ("0-14", 1),
            ("0-15", 1),
            ("1-14", 2),
            ("1-15", 1),
        ]

    @pytest.mark.parametrize(
        ("error", "reason"),
        [
            (Died("killed by signal 9\nand more"), "killed by signal 9 (3 attempts)"),
            (CancelledError(), "CancelledError (3 attempts)"),
        ],
    )
    def test_one_that_dies_each_time_has_failed_and_says_why(
        self, tmp_path: Path, error: Exception, reason: str
    ) -> None:
        def work(job: Job) -> Outcome:
            if (job.point, job.seed) == (1, 14):
                raise error
            return well(job)

        sweep = small_sweep(limits={"attempts": 3})
        assert do(tmp_path, Workers(work), sweep) == Tally(done=4, failures=1, complete=True)
        expected = [(digest, 1, "ok", "") for digest in ALL]
        expected[2] = ("", 3, "failed", reason)
        assert rows(tmp_path) == expected

    def test_points_that_are_no_scenario_cost_no_worker(self, tmp_path: Path) -> None:
        vary = [
            {"key": "clock.blocks", "values": [60, 120]},
            {"key": "clock.seconds_per_block", "values": [12, 0.5], "label": "pace"},
        ]
        sweep = small_sweep(vary=vary)
        design = Design(sweep)
        faults = sum(bool(job.fault) for job in jobs(design, ()))
        worked: list[Job] = []
        tally = do(tmp_path, Workers(lambda job: worked.append(job) or well(job)), sweep)
        assert tally.failures == faults
        assert len(worked) == tally.done - faults


class TestWhatIsHeld:
    def test_only_two_runs_a_worker_are_out(self, tmp_path: Path) -> None:
        begun, done, most = [], [], 0

        def count(found: Iterator[Job]) -> Iterator[Job]:
            nonlocal most
            for job in found:
                begun.append(job)
                most = max(most, len(begun) - len(done))
                yield job

        def work(job: Job) -> Outcome:
            done.append(job)
            return well(job)

        tally = do(tmp_path, Workers(work), small_sweep(seeds=40), found=count)
        assert tally.done == 80
        # Those that are back, but not yet looked at, are not out any more.
        assert most <= 2 * 2

    def test_what_is_done_already_is_not_done_again(self, tmp_path: Path) -> None:
        do(tmp_path, Workers(well), stop=lambda: len(rows(tmp_path)) >= 1)
        first = len(rows(tmp_path))
        assert 1 <= first < 4
        assert do(tmp_path, Workers(well)).done == 4 - first
        assert rows(tmp_path) == [(digest, 1, "ok", "") for digest in ALL]


class TestTheEnd:
    def test_workers_that_are_lost_end_it(self, tmp_path: Path) -> None:
        begun = threading.Event()

        class Silent(Executor):
            def submit(self, *arguments: object, **options: object) -> Future:
                begun.set()
                return Future()

        pool = Workers(well, executor=Silent())
        pool.words = "the scheduler is gone"
        with pytest.raises(UserError, match=r"^the scheduler is gone; 0 runs are done and kept in "):
            do(tmp_path, pool)
        assert begun.is_set()

    def test_workers_that_do_not_take_jobs_any_more_end_it(self, tmp_path: Path) -> None:
        pool = Workers(well)
        pool.executor.shutdown()
        with pytest.raises(RuntimeError, match="after shutdown"):
            do(tmp_path, pool)
        pool.words = "the workers are gone"
        with pytest.raises(UserError, match="the workers are gone"):
            do(tmp_path, pool)

    def test_workers_that_cannot_start_end_it_and_fail_no_run(self, tmp_path: Path) -> None:
        def work(job: Job) -> Outcome:
            if job.seed == 14:
                return well(job)
            raise NotStarted("no module named numpy")

        with pytest.raises(
            UserError, match="workers cannot be started: no module named numpy; 2 runs are done"
        ):
            do(tmp_path, Workers(work, workers=1))
        assert rows(tmp_path) == [("0-14", 1, "ok", ""), ("1-14", 1, "ok", "")]

    def test_workers_of_another_version_end_it(self, tmp_path: Path) -> None:
        def work(job: Job) -> Outcome:
            raise OtherProgram("the program of a worker is not the one that began the sweep")

        with pytest.raises(UserError, match="not the one that began the sweep; 0 runs are done"):
            do(tmp_path, Workers(work))
        assert rows(tmp_path) == []

    def test_rows_that_cannot_be_written_end_it_and_the_others_stay(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        add = SweepFolder.add

        def full(self: SweepFolder, job: Job, outcome: Outcome, attempts: int) -> None:
            if job.seed == 15:
                raise UserError("cannot be written (No space left on device)")
            add(self, job, outcome, attempts)

        with monkeypatch.context() as patch:
            patch.setattr(SweepFolder, "add", full)
            with pytest.raises(UserError, match="No space left on device"):
                do(tmp_path, Workers(well, workers=1))
        assert len(rows(tmp_path)) == 2
        assert do(tmp_path, Workers(well)).done == 2

    def test_stopping_does_not_wait_for_runs(self, tmp_path: Path) -> None:
        begun, go_on = threading.Event(), threading.Event()

        def work(job: Job) -> Outcome:
            begun.set()
            go_on.wait(60)
            return well(job)

        assert do(tmp_path, Workers(work), stop=begun.is_set) == Tally(0, 0, complete=False)
        go_on.set()


class TestRealProcesses:
    """Runs of a real sweep, some of which die."""

    SWEEP = small_sweep(
        vary=[{"key": "fund.initial", "values": [5_000, 50_000, 200_000]}], limits={"memory_mb": 500}
    )

    @pytest.fixture(scope="class")
    def undisturbed(self, tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
        path = tmp_path_factory.mktemp("undisturbed")
        with local_pool(2) as pool:
            assert do(path, pool, self.SWEEP).complete
        return SweepFolder.open(path).frame().drop("seconds")

    def test_runs_that_die_cost_their_own_and_all_others_are_those_of_a_sweep_without_deaths(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undisturbed: pl.DataFrame
    ) -> None:
        """On one seed the poorest kills itself once, the next one its nursery, and the richest always takes
        more memory than it may."""
        script = f"""
def measure(scenario, protocol):
    fund = int(scenario.fund.initial)
    if scenario.seed == 15:
        if fund == 200_000:
            __import__("numpy").ones(10**9)
        try:
            os.mkdir(f"{tmp_path}/{{fund}}")
        except FileExistsError:
            return real(scenario, protocol)
        os.kill(os.getpid() if fund == 5_000 else os.getppid(), signal.SIGKILL)
        time.sleep(60)
    return real(scenario, protocol)
"""
        monkeypatch.setattr(Nursery, "program", program(script, exchanges=True))
        with local_pool(2) as pool:
            assert do(tmp_path / "sweep", pool, self.SWEEP) == Tally(6, 1, complete=True)
        frame = SweepFolder.open(tmp_path / "sweep").frame().drop("seconds")
        disturbed = pl.col("seed") == 15
        assert frame.filter(~disturbed).equals(undisturbed.filter(~disturbed))
        tried = (disturbed & (pl.col("point") < 2), pl.col("attempts"))
        assert frame.filter(tried[0])["attempts"].to_list() == [2, 2]
        both = [found.filter(tried[0]).drop("attempts") for found in (frame, undisturbed)]
        assert both[0].equals(both[1])
        greedy = frame.row(-1, named=True)
        assert (greedy["status"], greedy["attempts"]) == ("failed", 2)
        assert greedy["reason"].startswith("out of memory")
        assert not children(os.getpid())


class TestInterrupts:
    def test_ctrl_c_ends_a_sweep_at_once_and_the_same_command_goes_on(self, tmp_path: Path) -> None:
        file = tmp_path / "some.toml"
        file.write_text(
            'name = "some"\ntitle = "Some"\nscenario = "smoke"\nset = ["clock.blocks=200"]\nseeds = 8\n'
        )
        call = [sys.executable, "-c", "from perpsim.cli import main; main()"]
        command = [*call, "sweep", str(file), "--workers", "2", "--out", str(tmp_path / "out")]
        found = subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE, text=True)
        with found:
            folder = tmp_path / "out" / "rows"
            eventually(lambda: found.poll() is not None or list(folder.glob("*/*.parquet")))
            processes = children(found.pid)
            assert len(processes) >= 2
            began = time.monotonic()
            os.killpg(found.pid, signal.SIGINT)
            _, words = found.communicate(timeout=30)
            took = time.monotonic() - began
        assert found.returncode == 130
        assert "the same command goes on" in words
        assert not any(map(alive, processes))
        # Two seconds on a machine that has nothing else to do.
        assert took < 10
        done = len(rows(tmp_path / "out"))
        assert 1 <= done < 8
        again = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert again.returncode == 0, again.stderr
        assert f"{done} of 8 runs are there already" in again.stderr + again.stdout
        assert [status for _, _, status, _ in rows(tmp_path / "out")] == ["ok"] * 8
