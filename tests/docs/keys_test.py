#!/usr/bin/env python3
"""Holds the table of docs/studies.md against the program's own: `onemask keys --markdown`.

    keys_test.py SOURCE_DIR
"""

import os
import subprocess
import sys
from pathlib import Path

page = Path(sys.argv[1]) / "docs" / "studies.md"
table = subprocess.run([os.environ["ONEMASK_PROGRAM"], "keys", "--markdown"], capture_output=True, text=True, check=True).stdout
if table not in page.read_text():
    sys.exit(f"The table of keys in {page} is not that of the program. Replace it by the output of 'onemask keys --markdown'.")
print(f"{table.count(chr(10)) - 2} keys")
