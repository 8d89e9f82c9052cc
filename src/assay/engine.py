"""Run one function over many tasks: in this process, in this machine's processes, or on Ray.

The function and its tasks are the same for all three, and so is the order of the results, so an
engine can change how long a build takes and nothing else.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any, Literal, TypeVar

from assay.errors import EngineError, MissingExtra

Engine = Literal["processes", "ray"]
Task = TypeVar("Task")
Result = TypeVar("Result")

# A worker gets one core; libraries that thread inside it would only fight the other workers. What
# libraries warn of there concerns assay's own code, and nobody could tell which task it came from.
_WORKER_ENVIRONMENT = {
    "PYTHONWARNINGS": "ignore",
    "POLARS_MAX_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    # Memory that a finished shard leaves goes back soon: a third less at the peak. At once would
    # cost a quarter more time in page faults.
    "_RJEM_MALLOC_CONF": "dirty_decay_ms:300,muzzy_decay_ms:300",
}


def default_workers() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run(
    function: Callable[[Task], Result],
    tasks: Sequence[Task],
    *,
    workers: int | None = None,
    engine: Engine = "processes",
) -> Generator[Result, None, None]:
    """Yield `function(task)` for every task, in the order of the tasks.

    Who stops early closes the generator, so that no task goes on in the background.

    Args:
        function: a function that can be pickled: one at the top of a module, or a partial of it.
        tasks: what it is called with.
        workers: how many at once; the number of cores when not given.
        engine: `processes` of this machine, or `ray` (the extra `assay[ray]`).

    Raises:
        EngineError: a worker died.
        MissingExtra: the engine is not installed.

    >>> list(run(abs, [-1, 2, -3], workers=1))
    [1, 2, 3]
    """
    if engine == "ray":
        return _on_ray(function, tasks, workers)
    count = min(workers or default_workers(), len(tasks))
    if count <= 1:
        return (function(task) for task in tasks)
    return _in_processes(function, tasks, count)


def ready(
    function: Callable[[], Any], *, workers: int | None = None, engine: Engine = "processes"
) -> None:
    """Start the workers, each with a function to call, while the caller finds out what to do.

    >>> ready(dict, workers=1)
    """
    count = workers or default_workers()
    if engine == "processes" and count > 1:
        executor = _executor(count)
        for _ in range(count):
            executor.submit(function)


def ahead(
    function: Callable[[Task], Result], tasks: Iterable[Task], *, threads: int = 2
) -> Iterator[Result]:
    """`function(task)` for every task in order, worked out by threads a little ahead of the caller.

    For functions that spend their time in libraries which let other threads run meanwhile.

    >>> list(ahead(abs, [-1, 2, -3]))
    [1, 2, 3]
    """
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[Result]] = deque()
        for task in tasks:
            # The user's functions are switched on by a context variable.
            waiting.append(pool.submit(copy_context().run, function, task))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


@contextmanager
def aside(function: Callable[[], Any], *, workers: int | None = None) -> Iterator[Executor | None]:
    """A process beside the workers that calls a function at once, such as an import.

    What it is given to do later runs beside what the caller does. It is gone at the end, whatever
    it is at. With one worker, which is this process, there is none.

    >>> with aside(dict, workers=1) as other:
    ...     print(other)
    None
    """
    if (workers or default_workers()) <= 1:
        yield None
        return
    from loky import ProcessPoolExecutor
    from loky.process_executor import TerminatedWorkerError

    executor = ProcessPoolExecutor(1, initializer=_begin_aside, env=_WORKER_ENVIRONMENT)
    try:
        executor.submit(function)
        yield executor
    except TerminatedWorkerError as error:
        raise _died() from error
    finally:
        executor.shutdown(wait=True, kill_workers=True)


def _executor(workers: int) -> Any:
    # loky's workers, unlike the standard library's, do not run the caller's script again, and they
    # stay for the next stage.
    from loky import get_reusable_executor

    return get_reusable_executor(
        max_workers=workers, timeout=60, initializer=_ignore_interrupt, env=_WORKER_ENVIRONMENT
    )


def _in_processes(
    function: Callable[[Task], Result], tasks: Sequence[Task], workers: int
) -> Generator[Result, None, None]:
    from loky.process_executor import TerminatedWorkerError

    executor = _executor(workers)
    try:
        # Not `executor.map`: it cancels what is waiting when it ends early, and loky, told to stop
        # at the same time, stumbles over cancelled tasks and says so on standard error.
        waiting = deque(executor.submit(function, task) for task in tasks)
        while waiting:
            yield waiting.popleft().result()
    except TerminatedWorkerError as error:
        # One that still writes would put back what is now cleared away.
        executor.shutdown(wait=True, kill_workers=True)
        raise _died() from error
    except BaseException:
        # On an interrupt or an error the rest must not go on in the background.
        executor.shutdown(wait=True, kill_workers=True)
        raise


def _on_ray(
    function: Callable[[Task], Result], tasks: Iterable[Task], workers: int | None
) -> Generator[Result, None, None]:
    try:
        import ray
    except ImportError:
        raise MissingExtra("ray", "the engine ray") from None
    ours = not ray.is_initialized()
    if ours:
        ray.init(
            num_cpus=workers or default_workers(),
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    remote: Any = ray.remote(function_call).options(runtime_env={"env_vars": _WORKER_ENVIRONMENT})
    try:
        shared = ray.put(function)
        pending = [remote.remote(shared, task) for task in tasks]
        for reference in pending:
            try:
                yield ray.get(reference)
            except ray.exceptions.RayError as error:
                cause = getattr(error, "cause", None)
                if cause is not None and not isinstance(cause, ray.exceptions.RayError):
                    raise cause from None
                raise EngineError(
                    f"Ray lost a task: {type(cause or error).__name__}.",
                    hint="run again: finished shards are not done twice; the cluster's machines "
                    "need this assay and the same folders",
                ) from error
    finally:
        if ours:
            ray.shutdown()


def function_call(function: Callable[[Any], Any], task: Any) -> Any:
    """Call a function; the one Ray task there is, whatever it is given."""
    return function(task)


def _died() -> EngineError:
    return EngineError(
        "A worker process died, most likely because the machine ran out of memory.",
        hint="run again with fewer `--workers`: finished shards are not done twice",
    )


def _ignore_interrupt() -> None:
    # Ctrl-C reaches the whole process group; the parent alone decides what to do about it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _begin_aside() -> None:
    _ignore_interrupt()
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        # Whoever is killed cannot end this process, which would wait for work for ever.
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
