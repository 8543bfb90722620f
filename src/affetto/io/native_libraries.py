"""Native libraries: the order in which two of them have to be loaded, and calls that a signal must not cut.

openSMILE 2.6 and TensorFlow 2.21 in one process: loaded after TensorFlow, openSMILE corrupts the heap
("malloc(): invalid size") with its first clip; loaded before it, both work. Affetto loads openSMILE's library
when it is imported (some 20 ms), so that neither the order of nodes nor the reuse of workers matters.

Python runs the handler of a signal as soon as it runs again, be it in a callback of a C library: ctypes and
cffi print the `KeyboardInterrupt` that is raised there and go on, the library takes the call for a failed
one, and whoever called it goes on with half a result.
"""

from __future__ import annotations

import ctypes
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import FrameType

from affetto.errors import AffettoError

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def _load_opensmile_first() -> bool:
    """Load openSMILE's library unless TensorFlow was loaded before it; tell whether it may be used."""
    if "tensorflow" in sys.modules:
        return False
    package = find_spec("opensmile")
    folders = package.submodule_search_locations if package else None
    for library in sorted(Path(folders[0]).rglob("*SMILEapi.*")) if folders else []:
        ctypes.CDLL(str(library))
    return True


_OPENSMILE_IS_SAFE = _load_opensmile_first()


def require_safe_opensmile() -> None:
    """Refuse to run openSMILE in a process that it would crash.

    Raises
    ------
    AffettoError
        When TensorFlow was imported before Affetto.
    """
    if not _OPENSMILE_IS_SAFE:
        raise AffettoError(
            "openSMILE crashes when it is loaded after TensorFlow: import affetto before tensorflow."
        )


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
