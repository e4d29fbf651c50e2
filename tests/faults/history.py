"""What happened during a soak, one JSON object a line, in the order it happened."""

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Self


class History:
    """A file that every thread of the soak writes to, and what a report counts of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.faults: Counter[str] = Counter()
        self.actions: Counter[str] = Counter()
        self.rescues: list[float] = []
        self.broken: list[str] = []
        """Sentences about what should not have happened."""
        self._lock = Lock()
        self._file = path.open("w", encoding="utf-8")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._file.close()

    def write(self, event: str, **fields: Any) -> None:
        """One line: the time (UTC), what happened, and to whom."""
        line = json.dumps({"at": datetime.now(UTC).isoformat(), "event": event, **fields}, default=str)
        with self._lock:
            if not self._file.closed:
                self._file.write(line + "\n")
                self._file.flush()

    def fault(self, kind: str, **fields: Any) -> None:
        self.faults[kind] += 1
        self.write("fault", kind=kind, **fields)

    def action(self, kind: str, outcome: str, **fields: Any) -> None:
        """What a person asked for, and whether it was accepted, refused, or got no answer."""
        with self._lock:
            self.actions[outcome] += 1
        self.write("action", kind=kind, outcome=outcome, **fields)

    def rescue(self, scene_id: str, seconds: float) -> None:
        self.rescues.append(seconds)
        self.write("rescue", scene=scene_id, seconds=seconds)

    def broke(self, sentence: str) -> None:
        self.broken.append(sentence)
        self.write("broken", what=sentence)
