# SPDX-License-Identifier: MIT
"""What a guest prints of its rounds."""

import re

NUMBER = re.compile(r"(\w+)=([-\w.]+)")


def rounds(output, *names):
    """The lines "round=N NAME=VALUE ..." of a guest's output, as dictionaries. `names` tell those of
    a round apart: a guest that the lab started a second time has printed some of them twice."""
    lines = [dict(NUMBER.findall(line)) for line in output.splitlines() if line.startswith("round=")]
    return {(line["round"], *(line[name] for name in names)): line for line in lines}.values()
