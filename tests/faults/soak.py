"""An hour (or `SOAK_MINUTES`) of load, people and faults at random, with a recorded history and the same check.

`python -m tests.faults.soak`. `SOAK_SEED` repeats the choices of an earlier run, though not its timing. Ends with 1
where a scene was lost, stored twice or left something behind, held other bytes, or waited over 90 s for its rescue.
"""

import os
import random
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from threading import Event, Thread, Timer

from app.core.database import DatabaseError
from app.demo.origin import Origin
from app.demo.samples import make_samples
from tests.faults.book import Book
from tests.faults.figures import Figures
from tests.faults.history import History
from tests.faults.injector import Injector
from tests.faults.invariant import Checker
from tests.faults.people import Author, Links, Surroundings, Visitor
from tests.faults.report import write_soak
from tests.faults.sources import make_sources
from tests.stack import RunningStack

SECONDS_A_SCENE = 1.4
SECONDS_AN_ACT = 3.0
RESCUE_SECONDS = 90.0
END_SECONDS = 1200.0
SETTLE_SECONDS = 420.0
PROGRESS_SECONDS = 30.0
ENVIRONMENT = {"TAKEUP_ALLOW_NETWORKS": "127.0.0.1/32", "TAKEUP_CONCURRENCY": "6"}
"""Production's times: only what lets it fetch from the origin of this machine, and more downloads at once."""


@dataclass(frozen=True)
class Soak:
    """One run on one stack."""

    stack: RunningStack
    origin: Origin
    history: History
    minutes: float
    seed: int

    def run(self) -> Figures:
        """Load, hurt, calm down, and check."""
        stop, book = Event(), Book()
        surroundings = Surroundings(self.stack.url, book, self.history, stop)
        author = Author(surroundings, Links(self.origin, random.Random(self.seed)), SECONDS_A_SCENE)
        visitor = Visitor(surroundings, author, Links(self.origin, random.Random(self.seed + 1)), SECONDS_AN_ACT)
        injector = Injector(self.stack, self.history, random.Random(self.seed + 2), stop)
        Thread(target=self._tell, args=(book,), name="progress", daemon=True).start()
        timer = Timer(self.minutes * 60, stop.set)
        timer.daemon = True
        timer.start()
        checker = Checker(self.stack, self.origin)
        for thread in (author, visitor):
            thread.start()
        injector.run()
        for thread in (author, visitor):
            thread.join()
        _say("the load has ended; waiting for every scene to end")
        figures = checker.check(book.accepted(), end_seconds=END_SECONDS, settle_seconds=SETTLE_SECONDS)
        self._write_ends()
        return figures

    def _tell(self, book: Book) -> None:
        began = time.monotonic()
        while True:
            time.sleep(PROGRESS_SECONDS)
            waiting = "?"
            with suppress(DatabaseError):
                ended = {"media.status": {"$nin": ["ready", "failed", "canceled"]}}
                waiting = str(self.stack.database["scenes"].count_documents(ended))
            slowest = max(self.history.rescues, default=0)
            _say(
                f"{(time.monotonic() - began) / 60:.1f} min: {len(book.entries)} scenes, {waiting} on their way, "
                f"{self.history.faults.total()} faults, slowest rescue {slowest:g} s, {len(self.history.broken)} broken"
            )

    def _write_ends(self) -> None:
        for scene in self.stack.database["scenes"].find({}):
            media = scene["media"] or {}
            self.history.write(
                "end",
                scene=scene["_id"],
                status=media.get("status"),
                error=media.get("error"),
                attempts=media.get("attempts"),
            )


def _say(line: str) -> None:
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {line}\n")
    sys.stdout.flush()


def main() -> int:
    minutes = float(os.environ.get("SOAK_MINUTES") or "60")
    seed = int(os.environ.get("SOAK_SEED") or random.randrange(1 << 32))
    folder = Path(tempfile.mkdtemp(prefix="takeup-soak-"))
    _say(f"{minutes:g} minutes, SOAK_SEED={seed}, history in {folder / 'history.jsonl'}")
    sources = make_sources(make_samples(folder / "samples"), folder / "sources")
    with Origin(sources) as origin, History(folder / "history.jsonl") as history:
        history.write("begin", minutes=minutes, seed=seed)
        stack = RunningStack(folder / "data", ENVIRONMENT)
        try:
            figures = Soak(stack, origin, history, minutes, seed).run()
        finally:
            stack.stop()
    slowest = max(history.rescues, default=0.0)
    broken = [*figures.wrong, *history.broken]
    if slowest > RESCUE_SECONDS:
        broken.append(f"a rescue took {slowest:g} s")
    write_soak(history, figures, seed=seed, minutes=minutes)
    _say(f"{figures.counts()}, {history.faults.total()} faults, slowest rescue {slowest:g} s")
    for sentence in broken:
        _say(f"BROKEN {sentence}")
    if not broken:
        rmtree(folder / "data", ignore_errors=True)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
