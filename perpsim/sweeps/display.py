"""What a sweep shows in the terminal."""

from __future__ import annotations

from perpsim.simulation.display import ProgressDisplay
from perpsim.sweeps.command import Result


class SweepDisplay(ProgressDisplay):
    """Runs done, rate, failures and time left."""

    def _told(self, pace: float, failures: int, failures_pace: float) -> str:
        return f"{pace:,.2f} {self._what}/s  {failures:,} failed"


class SearchDisplay(SweepDisplay):
    """The same for an optimisation, and how far it has come."""

    _trials = ""

    def trial(self, number: int, planned: int, feasible: int) -> None:
        """So many of the planned trials are done, of which so many hold the constraints."""
        self._trials = f"trial {number:,} of {planned:,}, {feasible:,} feasible"

    def _told(self, pace: float, failures: int, failures_pace: float) -> str:
        return f"{super()._told(pace, failures, failures_pace)}  {self._trials}"


def told(result: Result) -> list[str]:
    """A sweep that is over, or was broken off, in a few lines."""
    tally, folder = result.tally, result.folder
    there = len(folder.done())
    lines = [
        f"sweep     {folder.sweep.name}, {there:,} of {result.total:,} runs, {tally.done:,} of them now",
        f"failed    {tally.failures:,}",
        f"folder    {folder.path}",
    ]
    if result.report is not None:
        lines.append(f"report    {result.report}")
    return lines
