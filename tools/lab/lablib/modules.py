# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernel modules for the guest: those of the package and those built from kernel/."""

import hashlib
import os
import shutil
import struct
import subprocess

from .common import CACHE, ROOT, LabError, locked, need_program, say, scratch
from .kernel import read_module

# Loadable by name in the guest. What a kernel has built in or lacks is left out.
WANTED = (
    "virtio_pci", "virtio_console", "virtio_net", "virtio_blk", "virtio_iommu",
    "vfio", "vfio_pci", "vfio_iommu_type1", "uio", "uio_pci_generic", "pci_stub",
    "nvme", "e1000e", "tun", "veth", "8021q", "pktgen", "cuse", "nbd", "ublk_drv", "loop", "ext4",
    "crc32c_generic",
)


def normal(name):
    """The kernel takes - and _ in module names as the same."""
    return name.replace("-", "_")


def modinfo(data):
    """The key=value pairs of a module's .modinfo section, as a list."""
    section_table, = struct.unpack_from("<Q", data, 0x28)
    entry_size, count, names_index = struct.unpack_from("<HHH", data, 0x3a)

    def section(index):
        name, _, _, _, offset, size = struct.unpack_from("<IIQQQQ", data,
                                                         section_table + index * entry_size)
        return name, offset, size

    names = section(names_index)[1]
    for index in range(count):
        name, offset, size = section(index)
        if data[names + name:].startswith(b".modinfo\0"):
            words = data[offset:offset + size].split(b"\0")
            return [word.decode(errors="replace").partition("=")[::2] for word in words if word]
    return []


class ModuleSet:
    """Modules with the closure of their dependencies, and modprobe's tables for them."""

    def __init__(self, kernel, extra):
        self.release = kernel.release
        packaged = kernel.modules.glob("kernel/**/*.ko*")
        self.paths = {normal(p.name.split(".ko")[0]): p for p in packaged}
        self.paths.update({normal(p.stem): p for p in extra})
        self.base = kernel.modules
        self.builtin = (kernel.modules / "modules.builtin").read_bytes()
        self.data, self.needs, self.aliases, self.post = {}, {}, [], {}
        for name in [*WANTED, *(normal(p.stem) for p in extra)]:
            if name in self.paths:
                self.add(name)
        self.add_companions()

    def add(self, name):
        """Take a module and what it depends on, dependencies first."""
        if name in self.data:
            return
        self.data[name] = read_module(self.paths[name])
        direct = []
        for key, value in modinfo(self.data[name]):
            if key == "depends":
                direct += [normal(word) for word in value.split(",") if word]
            elif key == "softdep":
                self.post[name] = [normal(word) for word in value.partition("post:")[2].split()]
                direct += [normal(word) for word in value.partition("post:")[0].split()[1:]]
            elif key == "alias":
                self.aliases.append(f"alias {value} {name}\n")
        self.needs[name] = [other for other in direct if other in self.paths]
        for other in self.needs[name]:
            self.add(other)

    def add_companions(self):
        """busybox ignores what a module wants loaded after itself (vfio: vfio_iommu_type1).

        Let those that need the module need its companions too.
        """
        for name, companions in self.post.items():
            users = [user for user in self.needs if name in self.closure(user)]
            for other in (c for c in companions if c in self.needs):
                for user in users:
                    if user != other and user not in self.closure(other):
                        self.needs[user].insert(0, other)

    def closure(self, name):
        """All that a module needs, nearest first, so that loading from the end on works."""
        order = []
        for other in self.needs[name]:
            for item in (other, *self.closure(other)):
                if item in order:
                    order.remove(item)
                order.append(item)
        return order

    def place(self, name):
        path = self.paths[name]
        if path.is_relative_to(self.base):
            return str(path.relative_to(self.base)).split(".ko")[0] + ".ko"
        return f"extra/{path.name}"

    def files(self):
        """What belongs under /lib/modules/<release>, by relative path."""
        files = {self.place(name): data for name, data in self.data.items()}
        lines = [" ".join([f"{self.place(name)}:", *map(self.place, self.closure(name))])
                 for name in self.data]
        files["modules.dep"] = "\n".join([*lines, ""]).encode()
        files["modules.alias"] = "".join(self.aliases).encode()
        files["modules.builtin"] = self.builtin
        return files


def build_modules(kernel):
    """Build what kernel/Kbuild describes, if it is there; returns the modules."""
    source = ROOT / "kernel"
    if not (source / "Kbuild").exists():
        return []
    final = CACHE / "modules" / kernel.series
    stamp = final / "stamp"
    wanted = fingerprint(source, kernel.release)
    with locked(f"modules-{kernel.series}"):
        if not stamp.exists() or stamp.read_text(encoding="ascii") != wanted:
            with scratch(final) as work:
                shutil.copytree(source, work, symlinks=True)
                say(f"building the modules of kernel/ for Linux {kernel.release}")
                for line in make(kernel, work):
                    say(line)
                (work / "stamp").write_text(wanted, encoding="ascii")
                shutil.rmtree(final, ignore_errors=True)
                work.rename(final)
    return sorted(final.glob("*.ko"))


def fingerprint(source, release):
    """Changes when a source file or the kernel changes."""
    digest = hashlib.sha256(release.encode())
    for path in sorted(p for p in source.rglob("*") if p.is_file()):
        digest.update(f"\0{path.relative_to(source)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def make(kernel, work, *options):
    """Build the modules in `work`; returns the lines that are warnings."""
    need_program("gcc-12", "gcc-12")
    command = [need_program("make", "make"), "-C", kernel.headers, f"M={work}", "CC=gcc-12",
               # Type information for BPF would need pahole and serves nothing here.
               "CONFIG_DEBUG_INFO_BTF_MODULES=", *options, "modules"]
    result = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, check=False,
                            env={**os.environ, "LC_ALL": "C"})
    output = result.stdout.decode(errors="replace")
    if result.returncode:
        raise LabError(f"the modules of kernel/ do not build for Linux {kernel.release}:\n{output}")
    return [line for line in output.splitlines() if "warning:" in line]


def check_modules(kernel):
    """Build with all warnings and with sparse; returns those of kernel/, not of its headers."""
    need_program("sparse", "sparse")
    with scratch(CACHE / "modules" / f"check-{kernel.series}") as work:
        shutil.copytree(ROOT / "kernel", work, symlinks=True)
        warnings = make(kernel, work, "W=1", "C=1")
        return [line.replace(f"{work}/", "kernel/") for line in warnings if str(work) in line]
