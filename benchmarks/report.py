"""What the benchmarks share: a table on the terminal, and the same figures in a file that names the machine."""

import json
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil
import torch
from rich.console import Console
from rich.table import Table

from action_recognition.utils.cpu import available_cores, cpu_name
from action_recognition.utils.files import replace_file

ROOT = Path(__file__).resolve().parents[1]
RESULTS_DIR = ROOT / "benchmarks" / "results"
LIBRARIES = ("torch", "numpy", "opencv-python-headless", "av", "lightning", "onnxruntime-gpu")


def machine() -> dict[str, Any]:
    """Processor, cores that this process may use, memory in GB, and GPU (None where there is none)."""
    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
    memory_gb = round(psutil.virtual_memory().total / 1e9, 1)
    return {
        "cpu": cpu_name(),
        "cores": available_cores(),
        "memory_gb": memory_gb,
        "gpu": gpu,
        "system": platform.platform(),
    }


def versions(libraries: Sequence[str] = LIBRARIES) -> dict[str, str]:
    """Versions of Python and of those libraries that are installed."""
    found = {"python": platform.python_version()}
    for name in libraries:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def report(
    script: str,
    *,
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    figures: Mapping[str, float],
    settings: Mapping[str, Any] | None = None,
    console: Console | None = None,
) -> Path:
    """Print the table and the figures, and write `benchmarks/results/<script>.json`.

    Args:
        script: the benchmark's file name; its stem names the result.
        rows: cells of the table, as text; the first column is a name.
        figures: what the benchmark is about, name to number.
        settings: what it was run with.
    """
    console = console or Console()
    table = Table(title=title, title_justify="left")
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right")
    for row in rows:
        table.add_row(*row)
    console.print(table)
    for name, value in figures.items():
        console.print(f"{name}: {value:.4g}", highlight=False)
    content = {
        "machine": machine(),
        "versions": versions(),
        "date": datetime.now(UTC).date().isoformat(),
        "settings": dict(settings or {}),
        "table": [dict(zip(columns, row, strict=True)) for row in rows],
        "figures": {name: float(f"{value:.6g}") for name, value in figures.items()},
    }
    path = RESULTS_DIR / f"{Path(script).stem}.json"
    replace_file(path, (json.dumps(content, indent=2) + "\n").encode())
    console.print(f"written to {path.relative_to(ROOT)}", highlight=False)
    return path
