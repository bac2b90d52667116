"""Triton kernels where there is no GPU."""

import sys
from importlib import import_module
from types import ModuleType

import pytest


def in_interpreter(monkeypatch: pytest.MonkeyPatch, name: str, block: int) -> ModuleType:
    """``esd_bench/scenes/NAME.py`` under Triton's interpreter, which takes a lane at a time, in blocks of so many points."""
    pytest.importorskip("triton")
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    full = f"esd_bench.scenes.{name}"
    monkeypatch.delitem(sys.modules, full, raising=False)
    found = import_module(full)
    monkeypatch.delitem(sys.modules, full)
    monkeypatch.setattr(found, "BLOCK", block)
    return found
