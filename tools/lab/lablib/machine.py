# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU's command line for a guest."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from . import ivshmem
from .common import EXIT_USAGE, LabError, need_program
from .kernel import Kernel

ROOT_PORTS = 4  # for devices that join a restored guest
MAX_WIRES = 16  # a virtio serial device has room for 31 ports
MAX_CABLES = 8  # with a card at each end, more than there are slots
FIRST_SLOT = 5  # of the devices under test, on bus 0
# Devices that do not sit on a PCI bus and so have no address there.
NOT_PCI = ("nvme-ns", "nvme-subsys", "scsi-hd", "usb-", "virtconsole", "virtserialport")

# QEMU's device and the kernel's parameters. lab_modules is for the guest's init: the kernel holds
# all devices back until this IOMMU has its driver.
IOMMUS = {
    "intel": (["-device", "intel-iommu,intremap=on"], "intel_iommu=on"),
    "intel-noremap": (["-device", "intel-iommu,intremap=off"], "intel_iommu=on"),
    "amd": (["-device", "amd-iommu,intremap=on"], ""),
    "virtio": (["-device", "virtio-iommu-pci,addr=3"], "lab_modules=virtio_iommu"),
    "none": ([], ""),
}
# no_timer_check: under load the boot would panic in the timer's check.
# loglevel=5: warnings reach the console, which is all that is left when a guest dies.
# oops=panic: the task that dies may hold a lock that the command waits for.
KERNEL_ARGUMENTS = "console=ttyS0 loglevel=5 panic=-1 oops=panic no_timer_check tsc=reliable log_buf_len=1M"
# For the sanitizer kernel: freed pages are filled, and checked when they are allocated again.
SANITIZER_ARGUMENTS = "page_poison=1"


@dataclass
class Machine:
    """What the user asked for, and the files that the guest starts from."""

    kernel: Kernel
    initramfs: Path
    iommu: str = "intel"
    icount: bool = False
    cpus: int = 1
    memory: str = "1G"
    append: str = ""
    snapshot: bool = False
    devices: list = field(default_factory=list)
    ivshmem: list = field(default_factory=list)  # the vectors of each
    disks: list = field(default_factory=list)
    faults: list = field(default_factory=list)
    null_disks: list = field(default_factory=list)
    wires: int = 0
    echoes: int = 0
    cables: int = 0
    terminal: bool = False  # the command has a console of its own instead of ports for its output

    def check(self):
        """Refuse what cannot work, in words."""
        if self.iommu == "virtio" and self.kernel.series == "6.1":
            raise LabError("Debian's Linux 6.1 has no driver for --iommu virtio: use --kernel 6.12",
                           EXIT_USAGE)
        if self.iommu in ("amd", "virtio") and self.kernel.series == "kasan":
            raise LabError(f"the sanitizer kernel has no driver for --iommu {self.iommu}",
                           EXIT_USAGE)
        if self.iommu == "amd" and self.snapshot:
            raise LabError("QEMU cannot save the state of --iommu amd: leave out --snapshot",
                           EXIT_USAGE)
        if self.terminal and self.snapshot:
            raise LabError("a guest from a saved state has no terminal: leave out --snapshot",
                           EXIT_USAGE)
        self.placed_devices()

    @property
    def clock(self):
        return "icount" if self.icount else "realtime"

    def base_arguments(self):
        """All but the channels and the devices under test: the part that a saved state fixes."""
        iommu, parameter = IOMMUS[self.iommu]
        split = "" if self.iommu == "none" else ",kernel-irqchip=split"
        arguments = [
            "-M", f"q35{split}", *self.accelerator(), "-smp", str(self.cpus), "-m", self.memory,
            "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-kernel", str(self.kernel.vmlinux), "-initrd", str(self.initramfs),
            "-append", " ".join([KERNEL_ARGUMENTS, *self.kernel_arguments(), parameter,
                                 self.append]).rstrip(), *iommu,
            # Synchronous notification: output does not wait for another thread of QEMU.
            "-device", "virtio-serial-pci,id=lab,addr=2,ioeventfd=off",
        ]
        if self.snapshot:
            for port in range(ROOT_PORTS):
                arguments += ["-device", f"pcie-root-port,id=rp{port},chassis={port + 1},"
                                         f"addr={0x10 + port:x}"]
        return arguments

    def kernel_arguments(self):
        return [SANITIZER_ARGUMENTS] if self.kernel.series == "kasan" else []

    def accelerator(self):
        if self.icount:
            return ["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off", "-cpu", "max"]
        if has_kvm():
            return ["-accel", "kvm", "-cpu", "host"]
        return ["-accel", "tcg,thread=multi", "-cpu", "max"]

    def device_arguments(self):
        """The devices under test of a guest that boots with them."""
        return [word for device in self.placed_devices() for word in ("-device", device)]

    def disk_arguments(self, directory):
        """Sparse files in a run's directory as disk0, disk1, ...; null0, null1, ... without one."""
        arguments = []
        for number, size in enumerate(self.disks):
            path = directory / f"disk{number}"
            with open(path, "wb") as disk:
                disk.truncate(byte_count(size))
            faults = fault_options(self.faults, f"disk{number}")
            name = f"file{number}" if faults else f"disk{number}"
            arguments += ["-blockdev", f"driver=file,node-name={name},filename={path}"]
            if faults:
                arguments += ["-blockdev", f"driver=blkdebug,node-name=disk{number},image={name}{faults}"]
        for number, size in enumerate(self.null_disks):
            arguments += ["-blockdev", f"driver=null-co,node-name=null{number},"
                                       f"size={byte_count(size)},read-zeroes=on"]
        return arguments

    def cable_arguments(self):
        """Both ends of each cable: a hub with two ports passes frames on as they are sent."""
        return [word for number in range(self.cables) for end in "ab"
                for word in ("-netdev", f"hubport,id=net{number}{end},hubid={number}")]

    def all_devices(self):
        """The devices under test in their order."""
        return self.devices + [
            f"ivshmem-doorbell,chardev={ivshmem.chardev(number)},vectors={vectors}"
            for number, vectors in enumerate(self.ivshmem)]

    def placed_devices(self):
        """The devices with an address each: free slots from FIRST_SLOT on, or root ports."""
        used = {int(slot, 16) for device in self.devices
                for slot in re.findall(r"\baddr=(?:0x)?([0-9a-f]+)", device) if is_placed(device)}
        free = iter(n for n in range(FIRST_SLOT, 0x10) if n not in used)
        ports = iter(range(ROOT_PORTS))
        placed = []
        for device in self.all_devices():
            if device.startswith(NOT_PCI) or (is_placed(device) and not self.snapshot):
                placed.append(device)
            elif is_placed(device):
                raise LabError(f"--snapshot plugs {device!r} in by itself: "
                               "leave out addr= and bus=", EXIT_USAGE)
            elif self.snapshot:
                placed.append(f"{device},bus=rp{take(ports, ROOT_PORTS)}")
            else:
                placed.append(f"{device},addr={take(free, 0x10 - FIRST_SLOT):x}")
        return placed

    def addresses(self):
        """Where the guest sees the devices under test, in the order in which they were given."""
        found = []
        for device in self.placed_devices():
            port = re.search(r",bus=rp([0-9]+)$", device)
            slot = re.search(r"\baddr=(?:0x)?([0-9a-f]+)(?:\.(?:0x)?([0-7]))?", device)
            if self.snapshot and port:
                found.append(f"0000:{int(port[1]) + 1:02x}:00.0")
            elif slot and "bus=" not in device:
                found.append(f"0000:00:{int(slot[1], 16):02x}.{slot[2] or 0}")
        return found


def is_placed(device):
    return bool(re.search(r",(addr|bus)=", device))


FAULT = re.compile(r"(disk([0-9]+)):(read|write):([0-9]+)(:once)?")


def is_fault(fault, disks):
    """Whether that is a fault as `run --fault` takes it, of one of so many disks."""
    match = FAULT.fullmatch(fault)
    return bool(match) and int(match[2]) < disks


def fault_options(faults, disk):
    """QEMU's blkdebug driver's options for the faults of a disk; event none: from the start on."""
    options = ""
    for number, match in enumerate(filter(lambda m: m[1] == disk, map(FAULT.fullmatch, faults))):
        rule = f",inject-error.{number}."
        options += (f"{rule}event=none{rule}iotype={match[3]}{rule}sector={match[4]}{rule}errno=5"
                    f"{rule}once={'on' if match[5] else 'off'}")
    return options


def byte_count(size):
    """A size such as 64M in bytes."""
    return int(size[:-1]) << {"M": 20, "G": 30}[size[-1]]


def take(numbers, limit):
    number = next(numbers, None)
    if number is None:
        raise LabError(f"there is room for {limit} devices without an address", EXIT_USAGE)
    return number


def has_kvm():
    """Whether the processor can virtualise; /dev/kvm alone may be an emulation that hangs."""
    with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as info:
        flags = re.search(r"^flags\s*:(.*)$", info.read(), re.MULTILINE)
    if not flags or not {"vmx", "svm"} & set(flags[1].split()):
        return False
    try:
        with open("/dev/kvm", "r+b", buffering=0):
            return True
    except OSError:
        return False


def qemu():
    return need_program("qemu-system-x86_64", "qemu-system-x86")
