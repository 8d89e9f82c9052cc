"""Run the command `assay` and do something at one moment of a build; for tests of bad luck.

    python held.py STAGE DONE ACTION assay-arguments...

When STAGE has DONE of its shards done, `wait` makes the file `held` and sleeps, `interrupt` sends
this process what Ctrl-C sends, and `kill-worker` kills one worker process.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import assay.progress
from assay.cli import main


def act(action: str) -> None:
    if action == "wait":
        Path("held").touch()
        time.sleep(60)
    elif action == "interrupt":
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)
    else:
        from loky import get_reusable_executor

        workers = list(get_reusable_executor(reuse=True)._processes)
        os.kill(workers[0], signal.SIGKILL)


@contextmanager
def watched(stage: str, done: int, action: str) -> Iterator[Callable[[str, int, int], None]]:
    acted = False

    def see(now: str, so_far: int, total: int) -> None:
        nonlocal acted
        if (now, so_far) == (stage, done) and not acted:
            acted = True
            act(action)

    yield see


if __name__ == "__main__":
    _, stage, done, action, *arguments = sys.argv
    assay.progress.shown = partial(watched, stage, int(done), action)
    sys.argv = ["assay", *arguments]
    main()
