"""Mutation testing of the contracts: `make mutants SAMPLE=400 SEED=1 CONTRACT=OrderBook WORKERS=2`.

Draws mutants, drops those that do not compile or come out as the original or another, and runs the unit and
fuzz tests against each until one fails. Results are kept in .build/mutants: a run that was stopped goes on
where it was, and what was found stays found until the file changes. Exit code 1: fewer than 90 % of those
that are not excused in survivors.toml were found.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from mutants.board import Log, Verdict, excuses
from mutants.catalogue import catalogue, sample
from mutants.crew import Run

ROOT = Path(__file__).resolve().parents[2]
PLACE = ROOT / ".build" / "mutants"
EXCUSES = Path(__file__).with_name("survivors.toml")
WANTED = 0.9


def main() -> int:
    """Run, print, judge."""
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("--sample", type=int, default=400, help="how many to draw, 0 for all")
    parser.add_argument("--seed", type=int, default=1, help="which ones to draw")
    parser.add_argument("--contract", default="", help="only files whose path has one of these words")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--fresh", action="store_true", help="forget earlier results")
    parser.add_argument("--excused", action="store_true", help="try the excused ones too")
    parser.add_argument("--survivors", action="store_true", help="only those that survived so far")
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)

    everything = catalogue(ROOT / "contracts")
    known = excuses(EXCUSES)
    drawn = sample(catalogue(ROOT / "contracts", options.contract), options.sample, options.seed)
    if not drawn:
        print(f"no file below contracts/ has {options.contract!r} in its path", file=sys.stderr)
        return 2
    if options.survivors:
        log = Log(PLACE / "results.jsonl")
        drawn = [mutant for mutant in drawn if log.survived(mutant.key)]
    print(f"{len(drawn)} of {len(everything)} mutants, seed {options.seed}", flush=True)
    skipped = {} if options.excused else known
    run = Run(ROOT, PLACE, drawn, skipped, fresh=options.fresh)
    finished = run.go(options.workers)

    verdict = Verdict(drawn, run.results(), known)
    print(f"\n{verdict.table()}")
    for mutant in verdict.survivors():
        print(f"survived  contracts/{mutant.file}:{mutant.number}  {mutant.line}  [{mutant.edit.change}]")
    stale = set(known) - {mutant.key for mutant in everything}
    for key in sorted(stale):
        print(f"{EXCUSES.name}: no such mutant any more: {key}")
    for mutant in drawn:
        if mutant.key in known and verdict.status(mutant) in ("killed", "refused", "same"):
            print(f"{EXCUSES.name}: needs no excuse: {mutant.key}")
    report = PLACE / "report.md"
    report.write_text(verdict.report())
    print(f"{100 * verdict.rate:.1f} % found; report in {report.relative_to(ROOT)}")
    if not finished:
        return 130
    return 0 if verdict.rate >= WANTED and not stale else 1


if __name__ == "__main__":
    sys.exit(main())
