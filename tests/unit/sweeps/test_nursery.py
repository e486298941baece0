"""A nursery gives every run a process of its own, outlives those that die, and leaves nothing behind."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import pytest
from support.sweeps import Scripted, alive, children, eventually, job_of, long_job, open_files, small_sweep

from perpsim.chain.artifacts import Compiler
from perpsim.sweeps import nursery as nursery_module
from perpsim.sweeps.job import Job
from perpsim.sweeps.nursery import Died, NotStarted, Nursery, OtherProgram, close_all, run_job
from perpsim.sweeps.nursery_process import RUNS_WITHOUT_FORK
from perpsim.sweeps.trial import Outcome, measure

MB = 1_000_000
REPOSITORY = Path(__file__).resolve().parents[3]

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    """A nursery that is used by several tests. What it would have to compile is compiled."""
    Compiler().load_all()
    with closing(Nursery()) as found:
        yield found


@contextmanager
def asked(nursery: Nursery, job: Job) -> Iterator[Future[Outcome]]:
    """A run that goes on in the meantime."""
    with ThreadPoolExecutor(1) as pool:
        try:
            yield pool.submit(nursery.run, job)
        except BaseException:
            # Or its end would be waited for.
            nursery.close()
            raise


def run_of(nursery: Nursery, future: Future[Outcome]) -> psutil.Process:
    """The process of a run that goes on."""
    found = eventually(lambda: children(nursery.pid) or future.done())
    assert not future.done(), future.exception() or future.result()
    return found[0]


def told(script: str, **options: object) -> Scripted:
    """A nursery whose runs have the outcome of an expression."""
    return Scripted(f"def measure(scenario, protocol):\n    return {script}", **options)


class TestRuns:
    def test_runs_have_the_digests_of_runs_on_exchanges_of_their_own(self, nursery: Nursery) -> None:
        sweep = small_sweep()
        for point, run in ((0, 0), (1, 0), (0, 1)):
            job = job_of(sweep, point, run)
            assert nursery.run(job)["digest"] == measure(job.model())["digest"]

    def test_without_forks_they_have_the_same_digests(self, nursery: Nursery) -> None:
        jobs = [job_of(small_sweep(), 0, run) for run in (0, 1)]
        with closing(Nursery(fork=False)) as plain:
            digests = [plain.run(job)["digest"] for job in jobs]
            assert not children(plain.pid)
        assert digests == [nursery.run(job)["digest"] for job in jobs]
        assert digests[0] != digests[1]

    def test_without_forks_it_is_replaced_after_some_runs(self) -> None:
        job = job_of(small_sweep())
        with closing(told("{'pid': os.getpid()}", fork=False)) as plain:
            pids = [plain.run(job)["pid"] for _ in range(RUNS_WITHOUT_FORK + 1)]
        assert len(set(pids[:RUNS_WITHOUT_FORK])) == 1
        assert pids[-1] != pids[0]

    def test_every_run_has_a_process_of_its_own_and_none_stays(self) -> None:
        job, before = job_of(small_sweep()), open_files()
        with closing(told("{'pid': os.getpid()}")) as nursery:
            pids = {nursery.run(job)["pid"] for _ in range(20)}
            assert len(pids) == 20
            assert nursery.pid not in pids
            # Not even as a zombie.
            assert not children(nursery.pid)
            assert len(psutil.Process(nursery.pid).open_files()) < 5
        assert open_files() == before

    def test_a_run_holds_none_of_the_ends_of_its_nursery(self) -> None:
        with closing(
            told(
                "{'open': sorted(os.readlink(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd')"
                " if n not in '12' and os.path.exists(f'/proc/self/fd/{n}'))}"
            )
        ) as nursery:
            pipes = [name for name in nursery.run(job_of(small_sweep()))["open"] if name.startswith("pipe")]
        # The one through which it tells its outcome.
        assert len(pipes) == 1

    def test_jobs_and_outcomes_may_be_larger_than_pipes(self) -> None:
        job = dataclasses.replace(job_of(small_sweep()), fault="x" * (3 * MB))
        with closing(told("{'digest': 'y' * 20_000_000}")) as nursery:
            assert len(nursery.run(job)["digest"]) == 20_000_000

    def test_what_a_run_prints_stays_out_of_the_way(self) -> None:
        with closing(told("print('x' * 100_000) or {'digest': 'd'}")) as nursery:
            assert [nursery.run(job_of(small_sweep()))["digest"] for _ in range(3)] == ["d"] * 3

    def test_what_runs_print_does_not_pile_up(self) -> None:
        with closing(
            told("{'digest': str(os.fstat(2).st_size), 'p': sys.stderr.write('x' * 5000)}")
        ) as nursery:
            sizes = {nursery.run(job_of(small_sweep()))["digest"] for _ in range(3)}
        assert sizes == {"0"}

    def test_an_exception_is_the_outcome_of_its_own_run(self) -> None:
        with closing(told("{}['no such key']")) as nursery:
            outcome = nursery.run(job_of(small_sweep()))
        assert (outcome["status"], outcome["reason"]) == ("failed", "KeyError: 'no such key'")

    def test_a_run_of_another_version_of_the_program_is_not_done(self, nursery: Nursery) -> None:
        job = job_of(small_sweep())
        other = dataclasses.replace(job, key="0" * len(job.key))
        with pytest.raises(OtherProgram):
            nursery.run(other)
        assert nursery.run(job)["status"] == "ok"

    def test_a_job_that_is_no_scenario_costs_itself_alone(self, nursery: Nursery) -> None:
        job = job_of(small_sweep())
        with pytest.raises(Died):
            nursery.run(dataclasses.replace(job, scenario=b"nonsense"))
        assert nursery.run(job)["status"] == "ok"


class TestDeath:
    def test_a_run_that_is_killed_does_not_end_its_nursery(self, nursery: Nursery) -> None:
        nursery.run(job_of(small_sweep()))
        pid, long = nursery.pid, long_job()
        with asked(nursery, long) as future:
            run_of(nursery, future).kill()
            with pytest.raises(Died, match=r"killed by signal 9 \(SIGKILL"):
                future.result(20)
        assert nursery.run(job_of(small_sweep()))["status"] == "ok"
        assert nursery.pid == pid

    def test_a_nursery_that_is_killed_takes_its_run_along_and_is_replaced(self) -> None:
        with closing(Nursery()) as nursery, asked(nursery, long_job()) as future:
            run = run_of(nursery, future)
            pid = nursery.pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            with pytest.raises(Died, match=r"the worker ended \(killed by signal 9"):
                future.result(10)
            eventually(lambda: not alive(run), 5)
            assert nursery.run(job_of(small_sweep()))["status"] == "ok"
            assert nursery.pid != pid

    @pytest.mark.parametrize(
        ("greed", "words"),
        [
            ("[bytes(1000) for _ in range(10**9)]", "^out of memory"),
            ("__import__('numpy').ones(10**10)", "^out of memory"),
            (
                "__import__('polars').zeros(10**9, eager=True)",
                r"killed by signal 6 \(SIGABRT\): memory allocation of \d+ bytes failed",
            ),
        ],
        ids=["Python", "numpy", "native code"],
    )
    def test_a_run_that_takes_too_much_memory_dies_and_says_why(self, greed: str, words: str) -> None:
        poor = f"{{'digest': 'd' if scenario.fund.initial > 10_000 else str({greed})}}"
        with closing(told(poor)) as nursery:
            greedy, modest = (
                dataclasses.replace(job_of(small_sweep(), point), memory=60 * MB) for point in (0, 1)
            )
            with pytest.raises(Died, match=words):
                nursery.run(greedy)
            pid = nursery.pid
            assert nursery.run(modest)["digest"] == "d"
            assert nursery.pid == pid

    def test_a_run_that_goes_round_in_circles_without_memory_is_ended(self) -> None:
        # As the interpreter itself does now and then where it gets no memory for a frame.
        script = """
def measure(scenario, protocol):
    held = []
    while True:
        try:
            held.append(bytes(1000))
        except MemoryError:
            pass
"""
        job = dataclasses.replace(job_of(small_sweep()), memory=20 * MB)
        with closing(Scripted(script)) as nursery, pytest.raises(Died, match=r"^out of memory$"):
            nursery.run(job)

    def test_a_real_run_is_held_to_its_memory(self, nursery: Nursery) -> None:
        job, long = job_of(small_sweep()), long_job()
        assert nursery.run(dataclasses.replace(job, memory=400 * MB))["status"] == "ok"
        with pytest.raises(Died):
            nursery.run(dataclasses.replace(long, memory=5 * MB))
        assert nursery.run(job)["status"] == "ok"

    def test_an_outcome_that_cannot_be_told_is_a_death(self) -> None:
        words = r"exit code 1 and no result: .*pickle"
        with closing(told("{'digest': lambda: 0}")) as nursery, pytest.raises(Died, match=words):
            nursery.run(job_of(small_sweep()))

    def test_half_an_answer_is_a_death(self) -> None:
        half = r"(pipe.write(b'\x80\x05\x95half'), pipe.flush(), os._exit(3))"
        script = (
            "def measure(scenario, protocol):\n    return {}\n"
            "tell = nursery._tell\n"
            f"nursery._tell = lambda pipe, what: tell(pipe, what) if what == nursery.READY else {half}"
        )
        with (
            closing(Scripted(script)) as nursery,
            pytest.raises(Died, match=r"the worker ended \(exit code 3\)"),
        ):
            nursery.run(job_of(small_sweep()))

    def test_a_nursery_that_cannot_even_begin_says_so(self) -> None:
        words = r"exit code 1.*no_such_module"
        with closing(Scripted("import no_such_module")) as nursery, pytest.raises(NotStarted, match=words):
            nursery.run(job_of(small_sweep()))

    def test_deaths_leave_no_files_open(self) -> None:
        before = open_files()
        with closing(told("os.kill(os.getppid(), signal.SIGKILL)")) as nursery:
            for _ in range(3):
                with pytest.raises(Died):
                    nursery.run(job_of(small_sweep()))
        assert open_files() == before


class TestEnd:
    def test_closed_in_the_middle_of_a_run_both_end_at_once(self) -> None:
        nursery = Nursery()
        with asked(nursery, long_job()) as future:
            run = run_of(nursery, future)
            parent = psutil.Process(nursery.pid)
            nursery.close()
            with pytest.raises(Died):
                future.result(5)
        eventually(lambda: not alive(run) and not alive(parent), 5)
        with pytest.raises(Died, match="closed"):
            nursery.run(job_of(small_sweep()))

    @pytest.mark.parametrize("job", ["job_of(small_sweep())", "long_job()"], ids=["idle", "in a run"])
    def test_it_ends_when_its_owner_is_killed(self, job: str) -> None:
        script = (
            "import time\nfrom support.sweeps import job_of, long_job, small_sweep\n"
            "from perpsim.sweeps.nursery import run_job\n"
            f"run_job({job})\nprint('done', flush=True)\ntime.sleep(600)"
        )
        path = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "tests")])
        environment = os.environ | {"PYTHONPATH": path}
        command = [sys.executable, "-c", script]
        owner = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)
        with owner:
            if job == "long_job()":
                descendants = eventually(lambda: len(found := children(owner.pid)) == 2 and found)
            else:
                assert owner.stdout is not None
                assert owner.stdout.readline() == b"done\n"
                descendants = children(owner.pid)
                assert len(descendants) == 1
            owner.kill()
        eventually(lambda: not any(map(alive, descendants)), 5)

    def test_nurseries_are_ended_for_the_sweep_that_they_worked_for(self) -> None:
        # A thread each, as in a worker of a cluster that two sweeps share.
        job, results = job_of(small_sweep()), {}
        begun, go_on = threading.Barrier(3), threading.Event()

        def work(owner: str) -> None:
            run_job(job, owner)
            begun.wait()
            go_on.wait()
            try:
                results[owner] = run_job(job, owner)["status"]
            except Died as error:
                results[owner] = str(error)

        threads = [threading.Thread(target=work, args=(owner,)) for owner in ("one sweep", "another")]
        for thread in threads:
            thread.start()
        begun.wait()
        assert {found.owner for found in nursery_module._all} == {"one sweep", "another"}
        processes = [psutil.Process(found.pid) for found in nursery_module._all]
        close_all("one sweep")
        assert [found.owner for found in nursery_module._all] == ["another"]
        go_on.set()
        for thread in threads:
            thread.join()
        assert results == {"one sweep": "its sweep is over", "another": "ok"}
        close_all()
        assert not any(map(alive, processes))

    def test_a_thread_whose_nursery_was_closed_gets_another(self) -> None:
        job = job_of(small_sweep())
        assert run_job(job)["status"] == "ok"
        close_all()
        assert run_job(job)["status"] == "ok"
        assert len(nursery_module._all) == 1
        close_all()
