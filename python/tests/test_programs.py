"""Programs as users write them."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
import pytest
from conftest import compile_engine

import backbuf

ENGINE = r"""
#include <backbuf.h>
#include <pthread.h>
static bb_manager *state;
static pthread_t thread;
static void *run(void *m) {
    bb_back b;
    for (uint64_t step = 1; bb_manager_reserve_back(m, BB_BACK_DISCARD, BB_FOREVER, &b) == BB_OK; step++) {
        float *next = b.data;
        for (uint64_t i = 0; i < b.bytes / sizeof *next; i++) next[i] = (float)step;
        bb_manager_commit_back(m, &b, step);
        bb_manager_synchronize(m, BB_FOREVER);
    }
    return NULL;
}
bb_manager *engine_start(void) {
    bb_manager_config c;
    bb_manager_config_init(&c);
    c.label = "flood";
    if (bb_manager_create(BB_F32, 3, (const uint64_t[]){3, 256, 256}, &c, &state) != BB_OK) return NULL;
    pthread_create(&thread, NULL, run, state);
    return state;
}
int engine_stop(void) {
    int status = bb_manager_close(state, BB_SEC(10));
    pthread_join(thread, NULL);
    return status;
}
int engine_end(void) { return bb_manager_destroy(state); }
"""


def test_read_a_live_state(tmp_path: Path) -> None:
    engine = compile_engine(ENGINE, tmp_path)
    engine.engine_start.restype = ctypes.c_void_p

    m = backbuf.attach(engine.engine_start())
    seen = []
    for f in m.fronts(timeout=10.0):
        with f:
            assert (f.array == f.tag).all()
            seen.append(f.tag)
        if len(seen) == 20:
            assert engine.engine_stop() == 0
    assert seen == sorted(set(seen))
    assert len(seen) in (20, 21)
    assert repr(m).startswith("<CBufferManager 'flood' (3, 256, 256) float32, attached, epoch ")
    assert repr(m).endswith("closed>")
    last = m.front()
    assert engine.engine_end() == 0
    assert (last.array == last.tag).all(), "a front outlives its engine"


def test_writes_batches_clear_refusals() -> None:
    with backbuf.CBufferManager.from_array(np.zeros((100, 100), "f4"), label="grid") as m:
        m[2:5, :] = np.arange(100)
        m[::2, 1:-1] = 0.5
        m.put([7, 8, 9], [1, 2, 3])
        with m.batch() as b:
            b[0, :] = 1
            b[:, 0] = 2
        epoch = m.synchronize(timeout=1)
        with m.front() as f:
            assert f.epoch >= epoch
            assert not f.array.flags.writeable
        with pytest.raises(
            TypeError, match=r"cannot be read by index \(writes are queued\): use m.front\(\) or m.snapshot\(\)"
        ):
            m[0, 0] += 1
    expected = np.zeros((100, 100), "f4")
    expected[2:5, :] = np.arange(100)
    expected[::2, 1:-1] = 0.5
    expected.put([7, 8, 9], [1, 2, 3])
    expected[0, :] = 1
    expected[:, 0] = 2
    assert (m.snapshot() == expected).all()
