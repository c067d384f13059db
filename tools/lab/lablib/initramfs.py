# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest's file system: busybox, the build tree's programs and libraries, modules, tests, and
programs of this machine."""

import hashlib
import io
import os
import re
import struct
import tarfile
import tempfile
from pathlib import Path

from .common import CACHE, GUEST, ROOT, LabError, check_output, locked, need_program, scratch
from .cpio import Archive
from .modules import ModuleSet

LIBRARIES = "/usr/lib/x86_64-linux-gnu"
FOLDERS = ("bin", "lib", "tests")  # of a build tree
KEPT = 24  # archives that stay in the cache: what the tests want
EXECUTABLE, SHARED = "program", "library"
# Loaded at run time by what ldd cannot see: libc for thread cancellation.
EXTRA_LIBRARIES = ("/lib/x86_64-linux-gnu/libgcc_s.so.1",)
# Where programs of the machine come from that are asked for by --program and are not there.
PACKAGES = {
    "blkdiscard": "util-linux", "ethtool": "ethtool", "fio": "fio", "fsck.ext4": "e2fsprogs",
    "ip": "iproute2", "iperf3": "iperf3", "mkfs.ext4": "e2fsprogs", "nbd-client": "nbd-client",
    "nbdcopy": "libnbd-bin", "nbdinfo": "libnbd-bin", "nbdkit": "nbdkit", "nvme": "nvme-cli",
    "picocom": "picocom", "ping": "iputils-ping", "qemu-img": "qemu-utils", "qemu-io": "qemu-utils",
    "tar": "tar", "tcpdump": "tcpdump",
}
PCI_IDS = "/usr/share/misc/pci.ids"
PASSWD = b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/tmp:/bin/sh\n"
GROUP = b"root:x:0:\nnogroup:x:65534:\n"


def get_initramfs(kernel, build, modules, programs=(), headers=False, libraries=(), command=()):
    """The archive for a kernel and a build tree, made anew only when something in it changed."""
    built = binaries(build, wanted_tests(command))
    programs = [(name, find_program(name)) for name in sorted(set(programs))]
    libraries = [find_library(path) for path in sorted(set(libraries))]
    with locked("initramfs"):
        key = signature(kernel, built, modules, programs, headers, libraries)
        index = CACHE / "initramfs" / f"{key}.key"
        if index.exists():
            path = index.with_name(index.read_text(encoding="ascii"))
            if path.exists():
                os.utime(path)
                os.utime(index)
                return path
        archive = compose(kernel, built, modules, programs, libraries)
        if headers:
            archive.file("/udrv/headers.tar", pack_headers(kernel))
        return create(archive, index)


def find_program(name):
    """A program of this machine: also one that only root has in its path."""
    package = PACKAGES.get(name, "that has it")
    return Path(need_program(name, package, f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"))


def find_library(path):
    if elf_kind(path.resolve()) != SHARED:
        raise LabError(f"{path} is not an x86-64 shared library")
    return path


def create(archive, index):
    """Write an archive, named by its contents so that a saved state can depend on it."""
    with scratch(index) as temporary:
        with open(temporary, "wb") as stream:
            archive.write(stream)
        digest = hashlib.sha256(temporary.read_bytes()).hexdigest()[:32]
        path = index.with_name(f"{digest}.cpio")
        temporary.rename(path)
    index.write_text(path.name, encoding="ascii")
    prune(index.parent)
    return path


def prune(directory):
    for pattern in ("*.cpio", "*.key"):
        for old in sorted(directory.glob(pattern), key=lambda p: p.stat().st_mtime)[:-KEPT]:
            old.unlink()


def pack_headers(kernel):
    """A tar of the headers that the series' packages share: thousands of small files."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for tree in sorted(kernel.headers.parent.glob("linux-headers-*-common/include")):
            archive.add(tree, arcname=tree.name)
    if stream.tell() < 1 << 20:
        raise LabError(f"there are no headers for --headers beside {kernel.headers}")
    return stream.getvalue()


def signature(kernel, built, modules, programs, headers, libraries):
    """Identity, size and time of everything that goes into the archive."""
    inputs = [*sorted(p for _, p in built), *modules, *tests(), *sorted(GUEST.iterdir()),
              *(p for _, p in programs), *libraries,
              *sorted(Path(__file__).parent.glob("*.py")), Path(need_busybox()), Path(PCI_IDS)]
    digest = hashlib.sha256(f"{kernel.release}\0{headers}".encode())
    for path in inputs:
        if path.exists():
            status = path.stat()
            digest.update(f"\0{path}\0{status.st_size}\0{status.st_mtime_ns}".encode())
    return digest.hexdigest()[:32]


def need_busybox():
    path = need_program("busybox", "busybox-static")
    if elf_kind(Path(path).resolve()) is None:
        raise LabError(f"{path} is not an x86-64 program: install the package busybox-static")
    return path


def compose(kernel, built, modules, programs, libraries):
    """Put the whole file system together."""
    archive = Archive()
    add_base(archive, {name for name, _ in programs})
    add_binaries(archive, built, programs, libraries)
    for path, data in ModuleSet(kernel, modules).files().items():
        archive.file(f"/usr/lib/modules/{kernel.release}/{path}", data)
    for path in tests():
        place = path.relative_to(ROOT / "tests" / "guest")
        archive.file(f"/udrv/tests/{place}", path.read_bytes(), path.stat().st_mode & 0o755)
    return archive


def add_base(archive, better):
    """Busybox under all its names but those of better programs, the init program, and the files
    that programs expect."""
    busybox = need_busybox()
    archive.file("/usr/bin/busybox", Path(busybox).read_bytes(), 0o755)
    for applet in set(check_output([busybox, "--list"]).decode().split()) - {"busybox"} - better:
        archive.symlink(f"/usr/bin/{applet}", "busybox")
    for link in ("bin", "sbin"):
        archive.symlink(f"/{link}", "usr/bin")
    archive.symlink("/usr/sbin", "bin")
    archive.symlink("/lib", "usr/lib")
    archive.symlink("/lib64", "usr/lib64")
    archive.device("/dev/console", 5, 1)
    for path in ("/proc", "/sys", "/run", "/tmp", "/root", "/mnt"):
        archive.directory(path)
    archive.symlink("/var/run", "/run")
    archive.file("/etc/passwd", PASSWD)
    archive.file("/etc/group", GROUP)
    archive.file("/init", (GUEST / "init").read_bytes(), 0o755)
    if Path(PCI_IDS).exists():
        archive.file(PCI_IDS, Path(PCI_IDS).read_bytes())


def add_binaries(archive, built, programs, asked):
    """The build tree's and the machine's programs in /usr/bin, and every library, those asked for
    too, where the loader looks."""
    libraries = {Path(path).name: Path(path) for path in EXTRA_LIBRARIES if Path(path).exists()}
    for kind, path in built:
        libraries.update(needed_libraries(path))
        if kind == EXECUTABLE:
            archive.file(f"/usr/bin/{path.name}", stripped(path), 0o755)
        else:
            libraries[path.name] = path
    for path in asked:
        libraries.update({path.name: path, **needed_libraries(path)})
    for name, path in programs:
        libraries.update(needed_libraries(path))
        archive.file(f"/usr/bin/{name}", path.read_bytes(), 0o755)
    for name, path in libraries.items():
        place = "/usr/lib64" if name.startswith("ld-linux") else LIBRARIES
        archive.file(f"{place}/{name}", stripped(path), 0o755)
        if name.startswith("nbdkit-"):  # where a program in /usr/bin looks for its plugin
            archive.symlink(f"/usr/lib/{name}", f"{LIBRARIES}/{name}")


def stripped(path):
    """A program or library without what only debuggers read: the guest unpacks all of it at each
    boot, and has half of its memory for it."""
    with tempfile.NamedTemporaryFile() as out:
        check_output(["strip", "--strip-debug", "-o", out.name, path])
        return Path(out.name).read_bytes()


def needed_libraries(path):
    """The libraries that the loader would take, by the name that it looks for."""
    text = check_output(["ldd", path]).decode() if is_dynamic(path) else ""
    missing = re.findall(r"^\s*(\S+) => not found", text, re.MULTILINE)
    if missing:
        raise LabError(f"{path} needs {', '.join(missing)}, which this machine does not have")
    found = dict(re.findall(r"^\s*(\S+) => (/\S+) ", text, re.MULTILINE))
    found.update({p: p for p in re.findall(r"^\s*(/\S+) \(0x", text, re.MULTILINE)})
    return {Path(name).name: Path(place) for name, place in found.items()}


def wanted_tests(command):
    """The words that may name a test program: of the command, and of the scripts that it may run.
    Most test programs never run in a guest, which would unpack them at each boot."""
    texts = [*command, *(path.read_text(encoding="utf-8") for path in tests() if path.suffix == ".sh")]
    return {word for text in texts for word in re.findall(r"[\w.+-]+", text)}


def binaries(build, wanted):
    """Each x86-64 program and shared library of a build tree as (kind, path); of the tests those
    that are wanted."""
    paths = [path for folder in FOLDERS for path in sorted((build / folder).glob("*"))
             if folder != "tests" or path.name in wanted]
    kinds = [(elf_kind(path), path) for path in paths if path.is_file()]
    return [(kind, path) for kind, path in kinds if kind]


def elf_header(path):
    try:
        with open(path, "rb") as stream:
            head = stream.read(4096)
    except OSError:
        return b""
    # 64 bit, little endian, x86-64
    if head[:6] == b"\x7fELF\x02\x01" and len(head) >= 64 and head[18:20] == b"\x3e\x00":
        return head
    return b""


def has_interpreter(head):
    """Whether an ELF file names a loader (PT_INTERP), as dynamic programs do."""
    start, = struct.unpack_from("<Q", head, 32)
    size, count = struct.unpack_from("<HH", head, 54)
    offsets = range(start, min(start + size * count, len(head) - 4), size or 1)
    return any(struct.unpack_from("<I", head, offset)[0] == 3 for offset in offsets)


def elf_kind(path):
    """EXECUTABLE, SHARED or, for all else, None."""
    head = elf_header(path)
    kind = head[16] if head else 0
    if kind == 2 or (kind == 3 and has_interpreter(head)):
        return EXECUTABLE
    return SHARED if kind == 3 else None


def is_dynamic(path):
    head = elf_header(path)
    if not head:
        raise LabError(f"{path} is no program any more: is it being built? Wait for that")
    return head[16] == 3 or has_interpreter(head)


def tests():
    """The scripts of tests/guest."""
    top = ROOT / "tests" / "guest"
    return sorted(p for p in top.rglob("*") if p.is_file())
