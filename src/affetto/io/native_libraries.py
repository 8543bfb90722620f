"""The order in which two native libraries have to be loaded.

openSMILE 2.6 and TensorFlow 2.21 in one process: loaded after TensorFlow, openSMILE corrupts the heap
("malloc(): invalid size") with its first clip; loaded before it, both work. Affetto loads openSMILE's library
when it is imported (some 20 ms), so that neither the order of nodes nor the reuse of workers matters.
"""

from __future__ import annotations

import ctypes
import sys
from importlib.util import find_spec
from pathlib import Path

from affetto.errors import AffettoError

_PATTERN = "*SMILEapi.*"


def load_opensmile_first() -> bool:
    """Load openSMILE's library unless TensorFlow was loaded before it.

    Returns
    -------
    bool
        Whether openSMILE may be used in this process.
    """
    if "tensorflow" in sys.modules:
        return False
    package = find_spec("opensmile")
    folders = package.submodule_search_locations if package else None
    for library in sorted(Path(folders[0]).rglob(_PATTERN)) if folders else []:
        ctypes.CDLL(str(library))
    return True


OPENSMILE_IS_SAFE = load_opensmile_first()


def require_safe_opensmile() -> None:
    """Refuse to run openSMILE in a process that it would crash.

    Raises
    ------
    AffettoError
        When TensorFlow was imported before Affetto.
    """
    if not OPENSMILE_IS_SAFE:
        raise AffettoError(
            "openSMILE crashes when it is loaded after TensorFlow: import affetto before tensorflow."
        )
