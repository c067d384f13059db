# SPDX-License-Identifier: MIT
"""ctest's tests, in other ways than ctest runs them."""
import json
import os
import subprocess
import sys
import time


def with_environment(test):
    """The test's command, in the environment that ctest gives it."""
    variables = next((p["value"] for p in test["properties"] if p["name"] == "ENVIRONMENT"), [])
    return ["env", *variables, *test["command"]] if variables else test["command"]


def commands(build):
    """Of each test: its command."""
    result = subprocess.run(["ctest", "--test-dir", str(build), "--show-only=json-v1"], stdout=subprocess.PIPE, text=True,
                            check=False)
    if result.returncode:
        sys.exit(f"{sys.argv[0]}: {build} has no tests; run tests/run first")
    return {test["name"]: with_environment(test) for test in json.loads(result.stdout)["tests"] if "command" in test}


def patient(command, seconds):
    """The lab's own deadline is for the usual length."""
    command = list(command)
    if "--timeout" in command:
        command[command.index("--timeout") + 1] = str(seconds)
    return command


def run(name, command, log, limit, environment, how):
    """Whether it passed within `limit` seconds; prints a line. What it printed is in `log`."""
    command = patient(command, limit)
    log.parent.mkdir(exist_ok=True)
    begin = time.monotonic()
    with open(log, "w", encoding="utf-8") as out:
        try:
            status = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, timeout=limit + 120, check=False,
                                    cwd=log.parent, env={**os.environ, "CK_DEFAULT_TIMEOUT": str(limit), **environment}).returncode
        except subprocess.TimeoutExpired:
            status = "too long"
    verdict = "passed" if status == 0 else f"FAILED ({status}), see {log}"
    print(f"{name}  {how}  {time.monotonic() - begin:.0f} s  {verdict}", flush=True)
    return status == 0
