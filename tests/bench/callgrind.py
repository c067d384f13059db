# SPDX-License-Identifier: MIT
"""What callgrind counted."""
import re
import subprocess
import sys
import tempfile
from pathlib import Path


def self_costs(path):
    """By function, without what it calls."""
    costs, names, current, is_call = {}, {}, None, False
    for line in path.read_text().splitlines():
        match = re.match(r"(c?)fn=(\(\d+\))(?: (.*))?$", line)
        if match:
            called, number, name = match.groups()
            if name:
                names[number] = name
            if not called:
                current = names[number]
        elif line.startswith("calls="):
            is_call = True  # the next line is what the callee cost
        elif current and re.match(r"[+*\-\d]", line):
            if not is_call:
                costs[current] = costs.get(current, 0) + int(line.split()[1])
            is_call = False
    return costs


def count(command, timeout=900):
    """Run a program; its functions' own instructions."""
    with tempfile.TemporaryDirectory() as out:
        # Fair: without it a thread that spins can keep the others from running for minutes.
        command = ["valgrind", "--fair-sched=yes", "--tool=callgrind", f"--callgrind-out-file={out}/cg", *command]
        result = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
        if result.returncode:
            sys.exit(f"{' '.join(command)}\n{result.stderr}")
        return self_costs(Path(out) / "cg")
