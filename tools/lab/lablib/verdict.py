# SPDX-License-Identifier: GPL-2.0-or-later
"""What in a guest's kernel log fails a run."""

import re

# What an IOMMU stopped: DMA where nothing is mapped, or an interrupt message that nobody set up.
IOMMU_FAULT = re.compile(
    r"DMAR: \[(DMA|INTR-REMAP)|DMAR: DRHD: handling fault"
    r"|AMD-Vi: Event logged \["
    r"|viommu.*fault|virtio_iommu.*fault")

FAILURE = re.compile(
    r"\bWARNING: |\bBUG: |kernel BUG at |\bOops\b|\bint3: 0000 \[#|Kernel panic"
    r"|general protection fault, (probably|maybe)|unable to handle "
    r"|nobody cared"
    r"|INFO: task .* blocked for more than"
    r"|rcu: INFO: .* (stall|detected)|rcu_.* self-detected stall"
    r"|possible (circular|recursive) locking|inconsistent lock state|suspicious RCU usage"
    r"|lock inversion|irq lock-inversion|held lock freed|DEADLOCK|Invalid wait context"
    r"|KASAN: |UBSAN: |KCSAN: |KFENCE: |DMA-API: .*(error|leak|not |exceed|pending)|kmemleak: [1-9]"
    r"|\bBUG [\w-]+ \(|pagealloc: (memory|single bit)|ODEBUG: "
    r"|refcount_t: |list_(add|del) corruption|scheduling while atomic|sleeping function called")

# The kernel's first Oops, if it is a breakpoint: where, and its first line of bytes.
BREAKPOINT = re.compile(
    r"\bint3: 0000 \[#1\](?:.*\n)*?"
    r".*\bRIP: [0-9a-f]+:(\S+)(?:.*\n)*?"
    r".*\bCode:(.*)")

# Seen on the stock kernels in QEMU at every boot.
HARMLESS = re.compile(r"Spectre V2 : WARNING: |unchecked MSR access error: RDMSR")


def log_lines(text):
    """A log's lines without the <level> that `dmesg -r` puts in front."""
    return [re.sub(r"^<\d+>", "", line.rstrip()) for line in text.splitlines()]


def console_excerpt(text, count):
    """At most `count` lines of a dead guest's console: from its first failure on, else the last."""
    lines = [line for line in text.splitlines() if line.strip()]
    for number, line in enumerate(lines):
        if FAILURE.search(line) and not HARMLESS.search(line):
            return lines[number:number + count]
    return lines[-count:]


def stale_breakpoint(text):
    """Where the guest's kernel died of a breakpoint that it had set and taken away, or None.

    Linux puts one over an instruction while it replaces it, and interrupts every CPU before it
    forgets it. QEMU before 8.1 (deba78709ae8) does not lock a page that it translates: a CPU
    that translates the breakpoint while another one overwrites it keeps that translation, and
    runs it when nobody expects it any more. The memory, which the Oops shows, has the new
    instruction by then. A jump to where nothing is but 0xcc, a failure of the guest's own, still
    shows that byte."""
    found = BREAKPOINT.search(text)
    byte = re.search(r" ([0-9a-f]{2}) <", found[2]) if found else None
    return found[1] if byte and byte[1] != "cc" else None


def report(text, bad, count):
    """The first of the lines that fail a run, with what the kernel says about it."""
    lines = log_lines(text)
    start = next((number for number, line in enumerate(lines) if line in bad), len(lines))
    leaks = next((number for number, line in enumerate(lines)
                  if line.startswith("unreferenced object")), len(lines))
    return lines[start:start + count] + lines[max(leaks, start + count):][:count]


def offending(text, expect_dmar, tolerated=()):
    """The lines that fail a run: none that matches one of `tolerated`. With `expect_dmar` IOMMU
    faults do not, but there must be one."""
    lines = [line for line in log_lines(text) if not any(one.search(line) for one in tolerated)]
    faults = [line for line in lines if IOMMU_FAULT.search(line)]
    bad = [line for line in lines if FAILURE.search(line) and not HARMLESS.search(line)
           and line not in faults]
    if not expect_dmar:
        return [line for line in lines if line in bad or line in faults]
    return bad if faults else bad + ["(no DMAR fault in the log, but --expect-dmar asks for one)"]
