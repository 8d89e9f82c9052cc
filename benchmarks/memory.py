"""Run a command and measure its whole process tree from outside, through Linux's /proc."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

TICK = 0.05
PSS_EVERY = 4
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Run:
    """What one command took.

    Attributes:
        seconds: wall time from start to end.
        cpu: processor time of all processes, user and system; steadier on a busy machine.
        rss: highest sum of resident memory over all processes, in bytes; shared pages count once
            for every process that maps them.
        pss: the same with shared pages divided among their users, so that each counts once.
        anonymous: the part of `pss` that is no file's page: what cannot be dropped and read again.
        processes: the highest number of processes at one time.
        code: exit status.
        output: standard output.
        messages: standard error.
    """

    seconds: float
    cpu: float
    rss: int
    pss: int
    anonymous: int
    processes: int
    code: int
    output: str
    messages: str


def measured(command: list[str], *, folder: Path, environment: dict[str, str]) -> Run:
    """Run the command to its end and watch the memory of everything it starts.

    Resident memory is read every 50 ms; the proportional share, which costs the kernel a walk over
    the page tables, every 200 ms.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started, worked = time.perf_counter(), _cpu()
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **environment},
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
        rss = pss = anonymous = processes = 0
        tick = 0
        try:
            while process.poll() is None:
                tree = _tree(process.pid)
                rss = max(rss, sum(_resident(pid) for pid in tree))
                processes = max(processes, len(tree))
                if tick % PSS_EVERY == 0:
                    shares = [_proportional(pid) for pid in tree]
                    pss = max(pss, sum(share for share, _ in shares))
                    anonymous = max(anonymous, sum(share for _, share in shares))
                tick += 1
                time.sleep(TICK)
        except BaseException:
            os.killpg(process.pid, signal.SIGTERM)
            raise
        seconds, cpu = time.perf_counter() - started, _cpu() - worked
        output, messages = _text(out), _text(err)
    return Run(seconds, cpu, rss, pss, anonymous, processes, process.returncode, output, messages)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


def _tree(root: int) -> list[int]:
    """The process, its descendants and whatever else runs in its session."""
    parents: dict[int, int] = {}
    found = {root}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        # The name stands in parentheses and may hold anything; the numbers follow it.
        numbers = _read(entry / "stat").rpartition(")")[2].split()
        if len(numbers) > 3 and numbers[0] != "Z":
            parents[int(entry.name)] = int(numbers[1])
            if int(numbers[3]) == root:
                found.add(int(entry.name))
    while True:
        more = {pid for pid, parent in parents.items() if parent in found} - found
        if not more:
            return sorted(found)
        found |= more


def _resident(pid: int) -> int:
    numbers = _read(Path(f"/proc/{pid}/statm")).split()
    return int(numbers[1]) * PAGE if len(numbers) > 1 else 0


def _proportional(pid: int) -> tuple[int, int]:
    sizes = {"Pss": 0, "Pss_Anon": 0}
    for line in _read(Path(f"/proc/{pid}/smaps_rollup")).splitlines():
        name, _, rest = line.partition(":")
        if name in sizes:
            sizes[name] = int(rest.split()[0]) * 1024
    return sizes["Pss"], sizes["Pss_Anon"]


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        # The process ended between listing and reading; it uses no memory any more.
        return ""
