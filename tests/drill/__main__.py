"""`make drill`: a plant under load is destroyed and restored, and every acknowledged command is looked for.

    python -m tests.drill              all parts, under four minutes
    python -m tests.drill --keep       leaves the folders for a look

Real processes, real backups, kill -9. Prints what each failure cost (RPO), how long the plant was away (RTO),
sizes and rates; build/drill/drill.json holds the same and every command that is to be entered again. The exit
code is 1 when anything does not hold.
"""

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.drill.drill import Drill
from tests.drill.plant import DrillFailed

ROOT = Path(__file__).parents[2]


def main() -> int:
    """Run the drill; 0 when everything holds."""
    parser = argparse.ArgumentParser(prog="python -m tests.drill", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the folders")
    options = parser.parse_args()
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="plantops-drill-"))
    folder.chmod(0o711)  # the servers' account passes through
    drill = Drill(folder)
    try:
        asyncio.run(drill.run())
    except DrillFailed as error:
        drill.fail(str(error))
    finally:
        drill.close(keep=options.keep)
        if options.keep:
            print(f"folders: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    drill.report(time.monotonic() - began)
    target = ROOT / "build" / "drill"
    target.mkdir(parents=True, exist_ok=True)
    (target / "drill.json").write_text(json.dumps(drill.figures, indent=2, default=str))
    return 1 if drill.failures else 0


if __name__ == "__main__":
    sys.exit(main())
