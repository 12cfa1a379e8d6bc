"""The processor: its name, its instruction sets, and the cores that this process may use."""

import os
import platform
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")  # on Linux only


def available_cores() -> int:
    """Cores this process may use, which in a container can be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpu_name() -> str:
    """Such as `AMD EPYC 7B13`; the architecture if the system reports nothing more."""
    return _field("model name") or platform.processor() or platform.machine()


def cpu_flags() -> frozenset[str]:
    """Instruction sets by their Linux names, such as `avx2` and `amx_bf16`; empty on other systems."""
    return frozenset(_field("flags").split())


def _field(name: str) -> str:
    """The first value of a field of `/proc/cpuinfo`; all cores have the same."""
    lines = CPUINFO.read_text().splitlines() if CPUINFO.exists() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(name)), "")
