"""TensorFlow's native code writes pages to the standard error that no logger can hold back."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from affetto.errors import AffettoError

_STDERR = 2


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Keep what native code writes to the standard error out of the terminal, unless something fails.

    A mistake of the user does not count as a failure of native code: its one sentence is said alone.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as kept:
        saved = os.dup(_STDERR)
        os.dup2(kept.fileno(), _STDERR)
        try:
            yield
        except Exception as error:
            kept.seek(0)
            if not isinstance(error, AffettoError):
                os.write(saved, kept.read())
            raise
        finally:
            os.dup2(saved, _STDERR)
            os.close(saved)
