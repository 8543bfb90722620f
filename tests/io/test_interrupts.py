import os
import signal
import threading

import numpy as np
import pytest

from affetto.features.opensmile import run_opensmile
from affetto.io.native_libraries import uninterrupted

pytestmark = pytest.mark.usefixtures("ctrl_c")


def test_what_is_under_way_is_ended_before_the_interrupt_is_raised():
    done = []
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        os.kill(os.getpid(), signal.SIGINT)
        done.append(sum(range(100)))
    assert done
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interrupt_goes_before_an_error_of_what_was_under_way():
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        os.kill(os.getpid(), signal.SIGINT)
        raise ValueError


def test_without_a_signal_nothing_happens_whatever_the_thread():
    def work():
        with uninterrupted():
            done.append(signal.getsignal(signal.SIGINT))

    done = []
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    with uninterrupted():
        pass
    assert done == [signal.default_int_handler]


def test_signals_that_are_ignored_stay_so():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with uninterrupted():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_opensmile_never_goes_on_with_half_a_result():
    """Python sees the signal in openSMILE's callback, where a KeyboardInterrupt would be printed and lost."""
    samples = np.random.default_rng(0).normal(0, 0.1, 16_000 * 40).astype(np.float32)
    run_opensmile(samples[:16_000], 16_000, "ComParE_2016")  # reads the configuration
    timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        timer.start()
        run_opensmile(samples, 16_000, "ComParE_2016")
        timer.join()
