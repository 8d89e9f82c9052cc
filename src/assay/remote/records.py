"""Two records of runs made one, where two machines have written into theirs at once."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

RUNS = "runs.sqlite"
# Runs are only ever added, and of those that both have the one stays that has ended.
_MERGE = (
    "delete from main.runs where status = 'running' "
    "and id in (select id from other.runs where status != 'running')",
    "insert into scores select * from other.scores where run not in (select id from main.runs)",
    "insert into runs select * from other.runs where id not in (select id from main.runs)",
)


def merged(mine: Path, theirs: Path) -> bool:
    """Add to a record the runs of another that it has not; say whether that could be done."""
    try:
        with closing(sqlite3.connect(mine)) as database:
            database.execute("attach ? as other", [str(theirs)])
            both = ("main", "other")
            formats = {database.execute(f"pragma {one}.user_version").fetchone() for one in both}
            if len(formats) == 1:
                for statement in _MERGE:
                    database.execute(statement)
                database.commit()
    except sqlite3.Error:
        return False
    return len(formats) == 1
