# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian kernels, unpacked from their packages into build/lab/kernel, never installed."""

import lzma
import os
import re
import shutil
import struct
import subprocess
import zlib
from pathlib import Path

from .common import CACHE, LabError, check_output, locked, need_program, say, scratch

RELEASES = {
    "6.1": r"linux-image-(6\.1\.[0-9]+-[0-9]+-amd64)",
    "6.12": r"linux-image-(6\.12\.[0-9]+\+deb12-amd64)",
}
# Two thirds of the image package, for hardware that QEMU does not have.
UNWANTED = ("drivers/gpu", "drivers/media", "drivers/net/wireless", "drivers/infiniband", "sound")


class Kernel:
    """One unpacked kernel: its image for QEMU, its modules and its header tree."""

    def __init__(self, series, tree=None):
        self.series = series
        self.tree = tree or CACHE / "kernel" / series

    @property
    def present(self):
        return (self.tree / "vmlinux").exists()

    @property
    def release(self):
        return (self.tree / "release").read_text(encoding="ascii").strip()

    @property
    def vmlinux(self):
        return self.tree / "vmlinux"

    @property
    def modules(self):
        return self.tree / "lib" / "modules" / self.release

    @property
    def headers(self):
        return self.tree / "usr" / "src" / f"linux-headers-{self.release}"


def get_kernel(series):
    """The kernel of a series, fetched if it is not in the cache yet."""
    kernel = Kernel(series)
    if not kernel.present:
        with locked("kernel"):
            if not kernel.present:
                fetch(kernel)
    return kernel


def fetch(kernel):
    """Download, unpack and prepare a kernel; it appears in the cache complete or not at all."""
    release = resolve(kernel.series)
    with scratch(kernel.tree) as tree:
        debs = tree / "debs"
        debs.mkdir(parents=True)
        say(f"downloading and unpacking Linux {release}, once")
        try:
            download(packages(release), debs)
        except LabError:
            update_lists()
            release = resolve(kernel.series)
            download(packages(release), debs)
        for deb in sorted(debs.iterdir()):
            unpack(deb, tree)
        shutil.rmtree(debs)
        (tree / "release").write_text(release + "\n", encoding="ascii")
        redirect_headers(tree, kernel.tree)
        bzimage = (tree / "boot" / f"vmlinuz-{release}").read_bytes()
        (tree / "vmlinux").write_bytes(unpack_vmlinux(bzimage))
        tree.rename(kernel.tree)


def resolve(series):
    """The newest release of a series that apt knows."""
    release = newest(series)
    if not release:
        update_lists()
        release = newest(series)
    if not release:
        raise LabError(f"apt knows no package like {RELEASES[series]}: "
                       "are bookworm and bookworm-security in the apt sources?")
    return release


def newest(series):
    need_program("apt-cache", "apt")
    pattern = RELEASES[series]
    found = check_output(["apt-cache", "search", "--names-only", f"^{pattern}$"]).decode()
    releases = re.findall(rf"^{pattern} ", found, re.MULTILINE)
    return max(releases, key=lambda r: [int(n) for n in re.findall(r"[0-9]+", r)], default=None)


def packages(release):
    """The image, and what building a module against it takes."""
    base = release.removesuffix("-amd64")
    kbuild = "6.1" if base.startswith("6.1.") else base
    return [f"linux-image-{release}", f"linux-headers-{release}", f"linux-headers-{base}-common",
            f"linux-kbuild-{kbuild}"]


def download(names, directory):
    options = ["-o", "APT::Sandbox::User=root"] if os.geteuid() == 0 else []
    check_output(["apt-get", *options, "download", *names], cwd=directory)


def update_lists():
    """Refresh apt's package lists, which needs root."""
    command = ["apt-get", "-o", "DPkg::Lock::Timeout=120", "update"]
    if os.geteuid() != 0:
        if not shutil.which("sudo"):
            raise LabError("apt's package lists are missing or old: run 'apt-get update' as root")
        command.insert(0, "sudo")
    say("updating apt's package lists")
    check_output(command)


def unpack(deb, tree):
    """Unpack a package without the modules for hardware that the lab cannot have."""
    skip = [f"--exclude=./lib/modules/*/kernel/{path}" for path in UNWANTED]
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE) as source:
        result = subprocess.run(["tar", "-x", "--no-same-owner", "-C", tree, *skip],
                                stdin=source.stdout, check=False)
    if result.returncode or source.returncode:
        raise LabError(f"{deb.name} does not unpack")


def redirect_headers(tree, final):
    """Make the header package's absolute include point into the cache."""
    for makefile in tree.glob("usr/src/linux-headers-*-amd64/Makefile"):
        text = makefile.read_text(encoding="ascii")
        makefile.write_text(text.replace("/usr/src/", f"{final}/usr/src/"), encoding="ascii")


def unpack_vmlinux(bzimage):
    """The ELF image inside a bzImage (offsets: Documentation/arch/x86/boot.rst).

    QEMU starts it through its PVH entry and so skips the decompressor, which
    takes seconds when the processor is emulated.
    """
    setup_sectors = bzimage[0x1f1] or 4
    offset, length = struct.unpack_from("<II", bzimage, 0x248)
    start = (setup_sectors + 1) * 512 + offset
    payload = bzimage[start:start + length]
    # The build appends the unpacked size to every format but gzip.
    if payload.startswith(b"\xfd7zXZ"):
        image = lzma.LZMADecompressor().decompress(payload)
    elif payload.startswith(b"\x28\xb5\x2f\xfd"):
        image = unzstd(payload[:-4])
    elif payload.startswith(b"\x1f\x8b"):
        image = zlib.decompressobj(wbits=31).decompress(payload)
    else:
        raise LabError(f"the kernel is packed in an unknown way ({payload[:4].hex()})")
    if not image.startswith(b"\x7fELF"):
        raise LabError("the kernel image does not hold an ELF file")
    return image


def unzstd(data):
    zstd = need_program("zstd", "zstd")
    result = subprocess.run([zstd, "-dcq"], input=data, stdout=subprocess.PIPE, check=False)
    if result.returncode:
        raise LabError("zstd cannot unpack the kernel image")
    return result.stdout


def read_module(path: Path):
    """A kernel module's bytes, unpacked: busybox loads plain files only."""
    data = path.read_bytes()
    if path.suffix == ".xz":
        return lzma.decompress(data)
    if path.suffix == ".zst":
        return unzstd(data)
    return data
