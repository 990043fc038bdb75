"""Where engines of tests have their data: in memory where there is much of it, since each module copies databases."""

import os
import shutil
from pathlib import Path

FOLDER = Path("/dev/shm")
ROOM = 8 << 30
"""Bytes that have to be free there: far more than the engines of two workers fill."""


def place() -> Path | None:
    """The folder in memory, None for the usual place of temporary files."""
    try:
        free = shutil.disk_usage(FOLDER).free
        available = int(Path("/proc/meminfo").read_text().partition("MemAvailable:")[2].split()[0]) << 10
    except (OSError, IndexError, ValueError):
        return None
    return FOLDER if os.access(FOLDER, os.W_OK) and min(free, available) > ROOM else None
