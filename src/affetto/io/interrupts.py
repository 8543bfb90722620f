"""Native code that calls back into Python, kept whole when a run is stopped in the middle of it.

Python runs the handler of a signal as soon as it runs again, be it in a callback of a C library: ctypes and
cffi print the `KeyboardInterrupt` that is raised there and go on, the library takes the call for a failed
one, and whoever called it goes on with half a result.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold back signals with a handler in Python; those that arrive meanwhile are handled at the end.

    Signals that end the process at once, or are ignored, stay as they are. Python handles signals in its main
    thread only: in any other thread there is nothing to hold back.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[tuple[int, FrameType | None]] = []
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}
    held = {number: handler for number, handler in handlers.items() if callable(handler)}
    for number in held:
        signal.signal(number, lambda which, frame: arrived.append((which, frame)))
    try:
        yield
    finally:
        for number, handler in held.items():
            signal.signal(number, handler)
        for which, frame in arrived[:1]:
            held[signal.Signals(which)](which, frame)
