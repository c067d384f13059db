# SPDX-License-Identifier: GPL-2.0-or-later
"""The sanitizer kernel, built from Debian's source package.

The result is a cache outside the tree, so that all worktrees and clones of a user share it. Its
name has a hash of the configuration. A newer source package does not make it stale.
"""

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

from .common import CACHE, EXIT_NO_KERNEL, ROOT, LabError, check_output, locked, need_program, say, \
    scratch
from .kernel import RELEASES, Kernel, download, get_kernel, update_lists

SOURCE = "linux-source-6.12"
CONFIGS = ("base.config", "kasan.config")  # in tools/lab/kernel; later ones win
DISK = 5 << 30  # bytes that a build takes at most
# 60 MB of register descriptions.
UNWANTED = "*/drivers/gpu/drm/amd/include"


def configuration():
    """The wanted options, as the text of a configuration file."""
    return "".join((ROOT / "tools" / "lab" / "kernel" / name).read_text(encoding="ascii")
                   for name in CONFIGS)


def digest():
    """Names a configuration, whatever its comments."""
    return hashlib.sha256(repr(options(configuration())).encode()).hexdigest()[:8]


def shared_cache():
    """Where built kernels are kept, of all trees of this user."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "udrv" / "lab"


def kasan_kernel():
    """The sanitizer kernel as `run --kernel kasan` takes it, built or not."""
    return Kernel("kasan", shared_cache() / f"kernel-kasan-{digest()}")


def need_kasan():
    """The sanitizer kernel, which must have been built."""
    kernel = kasan_kernel()
    if not kernel.present:
        raise LabError("the sanitizer kernel is not built: tools/lab/build-kernel does that "
                       "(about 18 CPU-minutes)", EXIT_NO_KERNEL)
    return kernel


# What `run --kernel` takes.
SERIES = (*RELEASES, "kasan")


def find_kernel(series):
    """The kernel of that name: Debian's, fetched if need be, or the one that was built here."""
    return need_kasan() if series == "kasan" else get_kernel(series)


def build(jobs):
    """The sanitizer kernel, built if it is not in the cache yet."""
    kernel = kasan_kernel()
    with locked("kernel-kasan", shared_cache()):
        if not kernel.present:
            check_needs()
            with scratch(kernel.tree) as tree:
                make_kernel(tree, jobs)
                shutil.rmtree(kernel.tree, ignore_errors=True)
                tree.rename(kernel.tree)
    return kernel


def check_needs():
    """Refuse at once what would fail after minutes."""
    for name in ("gcc-12", "make", "flex", "bison", "bc", "xz", "strip"):
        need_program(name, {"xz": "xz-utils", "strip": "binutils"}.get(name, name))
    if not Path("/usr/include/libelf.h").exists():
        raise LabError("libelf.h is missing: run tools/setup --kernel, or install libelf-dev")
    free = shutil.disk_usage(shared_cache()).free
    if free < DISK:
        raise LabError(f"{shared_cache()} has {free >> 20} MB free, a build takes {DISK >> 20}")


def make_kernel(tree, jobs):
    """Fetch, configure, build and collect into the empty directory `tree`."""
    log = CACHE / "kernel-build.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    source = unpack_source(tree)
    say(f"building the sanitizer kernel with {jobs} jobs, once; the log is in {log}")
    configure(source)
    with open(log, "wb") as stream:
        for step in (["vmlinux", "modules"],
                     ["modules_install", f"INSTALL_MOD_PATH={tree}", "DEPMOD=true"],
                     # What building a module against it takes.
                     ["run-command", "KBUILD_RUN_COMMAND=$(srctree)/scripts/package/"
                                     f"install-extmod-build {tree}/headers"]):
            result = subprocess.run([*make_command(source), f"-j{jobs}", *step], stdout=stream,
                                    stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, check=False)
            if result.returncode:
                raise LabError(f"the sanitizer kernel does not build: see {log}")
    collect(source, tree)
    shutil.rmtree(source.parent)


def unpack_source(tree):
    """Debian's source package; returns the folder of the kernel's source."""
    work = tree / "work"
    work.mkdir(parents=True)
    say(f"downloading and unpacking {SOURCE}, once")
    try:
        download([SOURCE], work)
    except LabError:
        update_lists()
        download([SOURCE], work)
    deb = next(work.glob("*.deb"))
    check_output(["dpkg-deb", "-x", deb, work / "package"])
    archive = work / "package" / "usr" / "src" / f"{SOURCE}.tar.xz"
    check_output(["tar", "-xf", archive, "-C", work, f"--exclude={UNWANTED}"])
    deb.unlink()
    archive.unlink()
    return work / SOURCE


def make_command(source):
    return ["make", "-C", str(source), "ARCH=x86", "CC=gcc-12", "HOSTCC=gcc-12",
            # The same build from the same source, whoever makes it.
            "KBUILD_BUILD_USER=udrv", "KBUILD_BUILD_HOST=lab"]


def configure(source):
    """allnoconfig and the wanted options, all of which must have come through."""
    wanted = f'{configuration()}CONFIG_LOCALVERSION="-kasan-{digest()}"\n'
    fragment = source / "wanted.config"
    fragment.write_text(wanted, encoding="ascii")
    check_output([*make_command(source), "-s", f"KCONFIG_ALLCONFIG={fragment}", "allnoconfig"])
    have = dict(options((source / ".config").read_text(encoding="ascii")))
    lost = [name for name, value in dict(options(wanted)).items() if have.get(name, "n") != value]
    if lost:
        raise LabError(f"the kernel's configuration lost {', '.join(lost)}")


def options(text):
    return re.findall(r"^(CONFIG_\w+)=(.*)$", text, re.MULTILINE)


def collect(source, tree):
    """What stays: the image, the release, modules, and headers where the lab looks for them."""
    release = (source / "include" / "config" / "kernel.release").read_text(encoding="ascii").strip()
    for link in (tree / "lib" / "modules" / release).glob("build"):
        link.unlink()
    headers = tree / "usr" / "src" / f"linux-headers-{release}"
    headers.parent.mkdir(parents=True)
    (tree / "headers").rename(headers)
    shutil.copy(source / ".config", tree / "config")
    (tree / "release").write_text(release + "\n", encoding="ascii")
    check_output(["strip", "-o", tree / "vmlinux", source / "vmlinux"])
