"""Device, precision, and batches that shrink when memory runs out."""

from __future__ import annotations

import logging
import subprocess
import sys

import numpy as np
import pytest
import torch

from voxplain import device
from voxplain.device import batched, choose_device, choose_precision, take_place
from voxplain.errors import ConfigError, VoxplainError


class Memory:
    """A function that runs out of memory above `limit` items, and notes the batches that it did."""

    def __init__(self, limit: int, error: Exception) -> None:
        self.limit, self.error, self.done = limit, error, []

    def __call__(self, items):
        if len(items) > self.limit:
            raise self.error
        self.done.append(len(items))
        return items * 2


ERRORS = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: 12 bytes"),
    RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"),
    MemoryError(),
]


@pytest.mark.parametrize("error", ERRORS, ids=["cuda", "cpu", "mps", "python"])
@pytest.mark.parametrize("items", [torch.arange(21), np.arange(21)], ids=["tensor", "array"])
def test_batches_are_halved_until_they_fit(error, items, caplog):
    function = Memory(3, error)
    with caplog.at_level(logging.WARNING):
        result = batched(function, items, 16)
    assert type(result) is type(items)
    assert result.tolist() == list(range(0, 42, 2))
    assert function.done == [2] * 10 + [1]
    # Of the 16 that were asked for there would be 11 and 10.
    assert [record.args for record in caplog.records] == [(5,), (2,)]


def test_memory_may_run_out_later():
    class Later(Memory):
        def __call__(self, items):
            self.limit = 8 if len(self.done) < 2 else 4
            return super().__call__(items)

    function = Later(8, MemoryError())
    assert batched(function, torch.arange(30), 8).tolist() == list(range(0, 60, 2))
    assert function.done == [8, 8, 3, 3, 3, 3, 2]


def test_batches_are_of_about_equal_size():
    function = Memory(99, MemoryError())
    for items, size in ((33, 32), (9, 8), (8, 8), (2, 1), (1, 4)):
        assert batched(function, np.arange(items), size).tolist() == list(range(0, 2 * items, 2))
    assert function.done == [17, 16, 5, 4, 8, 1, 1, 1]


def test_one_item_that_does_not_fit():
    with pytest.raises(VoxplainError, match="one item at a time"):
        batched(Memory(0, MemoryError()), torch.arange(3), 4)


def test_other_errors_pass():
    with pytest.raises(RuntimeError, match="shapes"):
        batched(Memory(0, RuntimeError("shapes differ")), torch.arange(3), 4)


def test_dicts_and_tuples_are_joined():
    result = batched(lambda x: {"a": x, "b": (x + 1, x.numpy())}, torch.arange(5), 2)
    assert result["a"].tolist() == [0, 1, 2, 3, 4]
    assert result["b"][0].tolist() == [1, 2, 3, 4, 5]
    assert isinstance(result["b"][1], np.ndarray) and result["b"][1].tolist() == [0, 1, 2, 3, 4]


def test_device_is_the_best_that_is_visible(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert choose_device().type == choose_device("cpu").type == "cpu"
    for name in ("cuda", "cuda:1", "mps"):
        with pytest.raises(ConfigError, match=f"'{name}' is not on this machine"):
            choose_device(name)
    with pytest.raises(ConfigError, match="no device 'gpu'"):
        choose_device("gpu")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose_device().type == "mps"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert choose_device() == choose_device("cuda:0") == torch.device("cuda", 0)
    with pytest.raises(ConfigError, match="1 CUDA GPUs"):
        choose_device("cuda:1")


def test_precision_falls_back_and_says_so(caplog, monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    with caplog.at_level(logging.WARNING), choose_precision(torch.device("cpu"), "bfloat16"):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32
    assert "float32 is used" in caplog.text
    caplog.clear()
    with choose_precision(torch.device("cpu")):
        assert not caplog.text


LEASE = """
import sys, time
from pathlib import Path
from voxplain.device import take_place
number, lock = take_place(["GPU-a", "GPU-b"], 2, folder=Path(sys.argv[1]))
print(number, flush=True)
time.sleep(60)
"""


def test_processes_get_different_devices_and_a_killed_ones_is_free_again(tmp_path):
    processes = []

    def start():
        process = subprocess.Popen([sys.executable, "-c", LEASE, tmp_path], stdout=subprocess.PIPE, text=True)
        processes.append(process)
        return process, int(process.stdout.readline())

    try:
        first, second = start(), start()
        assert (first[1], second[1]) == (0, 1)
        # The second places of the devices, here, by locks of this process.
        locks = [take_place(["GPU-a", "GPU-b"], 2, folder=tmp_path) for _ in range(2)]
        assert [number for number, _ in locks] == [0, 1]
        with pytest.raises(VoxplainError, match="All 2 devices are taken"):
            take_place(["GPU-a", "GPU-b"], 2, folder=tmp_path, wait=0)
        second[0].kill()
        second[0].wait()
        number, _held = take_place(["GPU-a", "GPU-b"], 2, folder=tmp_path, wait=5, poll=0.05)
        assert number == 1
        # Another process may see the devices in another order: names count, not numbers.
        locks[0][1].close()
        assert take_place(["GPU-b", "GPU-a"], 2, folder=tmp_path, wait=0)[0] == 1
    finally:
        for process in processes:
            process.kill()
            process.wait()


def test_a_leased_device_is_the_processs(monkeypatch, tmp_path):
    monkeypatch.setattr(device, "_leased", None)
    monkeypatch.setattr(device, "_locks", [])
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "set_device", lambda place: None)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda place: 5 * 2**20 + 1)
    monkeypatch.setattr(device, "_gpu_names", lambda: ["GPU-a", "GPU-b"])
    assert device.lease_device() == torch.device("cuda", 0)
    assert device.lease_device() == choose_device() == torch.device("cuda", 1)
    assert device.measured() == {"peak_memory_mb": 6}
    # After a failed attempt: the CPU, though there are GPUs.
    assert device.lease_device("cpu") == choose_device() == torch.device("cpu")
    assert device.measured() == {}


def test_links_among_the_locks_are_not_followed_and_nothing_is_emptied(tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("the user's own")
    folder = tmp_path / "locks"
    _, lock = take_place(["GPU-a"], folder=folder)
    lock.close()
    assert folder.stat().st_mode & 0o777 == 0o700
    (place,) = folder.iterdir()
    place.write_text("kept")
    take_place(["GPU-a"], folder=folder)[1].close()
    assert place.read_text() == "kept"
    place.unlink()
    place.symlink_to(precious)
    with pytest.raises(VoxplainError, match="is not a file to lock.*remove it"):
        take_place(["GPU-a"], folder=folder)
    assert precious.read_text() == "the user's own"


def test_a_folder_of_locks_that_others_can_write_to_is_not_used(tmp_path, monkeypatch):
    real = tmp_path / "real"
    real.mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(real)
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "file").touch()
    for name in ("link", "open", "file"):
        with pytest.raises(VoxplainError, match=f"{name}, where processes agree on GPUs.*TMPDIR"):
            take_place(["GPU-a"], folder=tmp_path / name)
    monkeypatch.setattr("os.getuid", lambda: 12345)  # made by somebody else
    with pytest.raises(VoxplainError, match="you alone"):
        take_place(["GPU-a"], folder=real)
    assert not list(real.iterdir())
