# SPDX-License-Identifier: GPL-2.0-or-later
"""One guest from start to verdict: the QEMU process, its channels and the deadline."""

import contextlib
import ctypes
import json
import os
import selectors
import shlex
import signal
import socket
import subprocess
import threading
from dataclasses import dataclass

from . import ivshmem
from .common import EXIT_DIED, EXIT_QEMU, Deadline, LabError
from .machine import qemu

BOOT_DEADLINE = 250  # seconds until userland must run; a loaded machine takes more than 60
SANITIZER_BOOT_DEADLINE = 400  # 10, and a loaded machine takes 60
CHANNELS = ("control", "stdout", "stderr", "requests", "monitor")
PORTS = CHANNELS[:4]  # of the guest, from 1 on
TERMINAL = "terminal"  # port 5, a console of the guest's, if the command has one
OUTPUTS = {"stdout": 1, "stderr": 2, TERMINAL: 1}  # of the guest, to file descriptors of the host
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


@dataclass
class Verdict:
    """What a guest said at its end."""

    status: int
    log: str
    files: bytes


class EmulationFailed(LabError):
    """The guest ended by no fault of what it ran: worth a second try."""


def send_back(end):
    """What comes, in its order, until QEMU has ended. It waits while QEMU takes nothing."""
    with end:
        try:
            while data := end.recv(1 << 16):
                end.sendall(data)
        except OSError:
            pass


class Session:
    """A running guest. `with` ends it; QEMU dies with this process in any case."""

    def __init__(self, machine, directory, deadline, extra=(), ivshmem_vectors=()):
        self.boot_deadline = (SANITIZER_BOOT_DEADLINE if machine.kernel.series == "kasan"
                              else BOOT_DEADLINE)
        self.directory = directory
        self.deadline = deadline
        self.console = directory / "console.log"
        self.channels, remote = {}, {}
        self.control = bytearray()
        self.requests = bytearray()
        self.monitor_input = bytearray()
        self.monitor_open = False
        self.events = []
        for name in (*CHANNELS, *[TERMINAL] * machine.terminal):
            self.channels[name], remote[name] = socket.socketpair()
        for number, vectors in enumerate(ivshmem_vectors):
            name = ivshmem.chardev(number)
            self.channels[name], remote[name] = ivshmem.connect(number, vectors)
        for number in range(machine.wires):
            remote[f"wire{number}a"], remote[f"wire{number}b"] = socket.socketpair()
        for number in range(machine.echoes):
            near, remote[f"echo{number}"] = socket.socketpair()
            threading.Thread(target=send_back, args=(near,), daemon=True).start()
        command = [qemu(), *machine.base_arguments(), *self.channel_arguments(remote), *extra]
        (directory / "command").write_text(shlex.join(command) + "\n", encoding="utf-8")
        with open(directory / "qemu.log", "wb") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=die_with_parent, pass_fds=[end.fileno() for end in remote.values()])
        for end in remote.values():
            end.close()
        self.selector = selectors.DefaultSelector()
        for name in (*PORTS, *[TERMINAL] * machine.terminal):
            self.selector.register(self.channels[name], selectors.EVENT_READ, name)

    def channel_arguments(self, remote):
        arguments = ["-serial", f"file:{self.console}"]
        for name, end in remote.items():
            arguments += ["-chardev", f"socket,id={name},fd={end.fileno()}"]
        for number, name in enumerate(PORTS, start=1):
            arguments += ["-device", f"virtserialport,bus=lab.0,nr={number},chardev={name}"]
        if TERMINAL in remote:
            arguments += ["-device", f"virtconsole,bus=lab.0,nr={len(PORTS) + 1},chardev={TERMINAL}"]
        return [*arguments, "-mon", "chardev=monitor,mode=control"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.selector.close()
        for channel in self.channels.values():
            channel.close()

    # The control channel: lines, some followed by as many bytes as they say.

    def wait_ready(self):
        """Wait until a booting guest asks for its job."""
        boot = Deadline(self.deadline.left(self.boot_deadline))
        try:
            line = self.read_line(boot)
        except LabError as error:
            if error.status == EXIT_QEMU:
                raise
            self.deadline.left()
            raise EmulationFailed(f"userland did not start: {error}", error.status) from None
        if line != "ready":
            raise LabError(f"the guest said {line!r} instead of asking for a job", EXIT_DIED)

    def send_job(self, script):
        data = script.encode()
        where = TERMINAL if TERMINAL in self.channels else "ports"
        self.channels["control"].sendall(f"{len(data)} {where}\n".encode() + data)

    def verdict(self):
        """Pass the output through until the guest reports its end."""
        log, files = b"", b""
        while True:
            word, _, number = self.read_line(self.deadline).partition(" ")
            if word == "log":
                log = self.read_bytes(int(number))
            elif word == "files":
                files = self.read_bytes(int(number))
            elif word == "exit":
                self.drain()
                return Verdict(int(number), log.decode(errors="replace"), files)
            else:
                raise LabError(f"the guest sent {word!r}: no part of the protocol", EXIT_DIED)

    def read_line(self, deadline):
        while b"\n" not in self.control:
            self.pump(deadline)
        line, _, rest = bytes(self.control).partition(b"\n")
        self.control[:] = rest
        return line.decode(errors="replace")

    def read_bytes(self, size):
        while len(self.control) < size:
            self.pump(self.deadline)
        data = bytes(self.control[:size])
        del self.control[:size]
        return data

    def pump(self, deadline):
        """Wait for a channel and take what it has; raise when there will be no more."""
        for key, _ in self.selector.select(deadline.left()):
            self.take(key)
        if not any(key.data == "control" for key in self.selector.get_map().values()):
            self.explain_end()

    def take(self, key):
        """Take what a channel has; False when there is no more."""
        data = receive(key.fileobj)
        if not data:
            self.selector.unregister(key.fileobj)
        elif key.data == "control":
            self.control += data
        elif key.data == "requests":
            self.requests += data
            self.serve()
        else:
            forward(OUTPUTS[key.data], data)
        return bool(data)

    def serve(self):
        """Do what the guest's command asks for: "unplug ID", "link ID on" or "off",
        "break ID"."""
        while b"\n" in self.requests:
            line, _, rest = bytes(self.requests).partition(b"\n")
            self.requests[:] = rest
            words = line.decode(errors="replace").split(" ")
            self.open_monitor()
            if words[0] == "unplug" and len(words) == 2:
                self.monitor("device_del", id=words[1])
            elif words[0] == "link" and len(words) == 3 and words[2] in ("on", "off"):
                self.monitor("set_link", name=words[1], up=words[2] == "on")
            elif words[0] == "break" and len(words) == 2:
                self.monitor("chardev-send-break", id=words[1])
            else:
                raise LabError(f"the guest asked for {line.decode(errors='replace')!r}: there are "
                               "only unplug ID, link ID on|off and break ID", EXIT_DIED)

    def drain(self):
        """Pass on what the guest wrote before its verdict: it is in the sockets by now."""
        for key in list(self.selector.get_map().values()):
            key.fileobj.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while self.take(key):
                    pass

    def explain_end(self):
        """QEMU closed its channels: say why."""
        try:
            status = self.process.wait(timeout=self.deadline.left(10))
        except subprocess.TimeoutExpired:
            raise LabError("QEMU closed its channels and does not end", EXIT_DIED) from None
        words = (self.directory / "qemu.log").read_text(errors="replace").strip().splitlines()
        booted = self.console.exists() and self.console.stat().st_size
        if status == 1 and words and not booted:
            raise LabError(f"QEMU did not start: {words[-1]}", EXIT_QEMU)
        how = f"by signal {-status}" if status < 0 else f"with status {status}"
        reason = f": {words[-1]}" if words else ""
        # An assertion that fails is not among them: a driver provokes it, and each time.
        kind = EmulationFailed if status == -signal.SIGSEGV else LabError
        raise kind(f"the guest died without a verdict (QEMU ended {how}{reason})", EXIT_DIED)

    # The monitor: QMP, one command at a time.

    def open_monitor(self):
        if not self.monitor_open:
            self.monitor_message()  # the greeting
            self.monitor("qmp_capabilities")
            self.monitor_open = True

    def monitor(self, command, **arguments):
        """Run a QMP command and return its result."""
        request = {"execute": command, "arguments": arguments}
        self.channels["monitor"].sendall(json.dumps(request).encode() + b"\n")
        while True:
            reply = self.monitor_message()
            if "return" in reply:
                return reply["return"]
            if "error" in reply:
                raise LabError(f"QEMU: {command}: {reply['error']['desc']}", EXIT_QEMU)
            self.events.append(reply)

    def human_monitor(self, line):
        """Run an HMP command, which explains a failure by printing something."""
        answer = self.monitor("human-monitor-command", **{"command-line": line}).strip()
        if answer:
            raise LabError(f"QEMU: {line}: {answer}", EXIT_QEMU)

    def wait_migration(self):
        """Wait for the end of saving or restoring a state."""
        while True:
            event = self.events.pop(0) if self.events else self.monitor_message()
            if event.get("event") == "MIGRATION":
                status = event["data"]["status"]
                if status == "completed":
                    return
                if status == "failed":
                    raise LabError("QEMU could not save or restore the guest's state", EXIT_QEMU)

    def monitor_message(self):
        channel = self.channels["monitor"]
        while b"\n" not in self.monitor_input:
            channel.settimeout(self.deadline.left())
            try:
                data = receive(channel)
            except TimeoutError:
                continue
            if not data:
                self.explain_end()
            self.monitor_input += data
        line, _, rest = bytes(self.monitor_input).partition(b"\n")
        self.monitor_input[:] = rest
        return json.loads(line)


def die_with_parent():
    """In the child, before exec: QEMU ends when the lab does, whatever ends the lab."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    os.setpgid(0, 0)  # a terminal's ^C is for the lab alone


def receive(channel):
    try:
        return channel.recv(1 << 16)
    except ConnectionResetError:
        return b""


def forward(descriptor, data):
    """Write to the host's stdout or stderr, all of it and at once."""
    while data:
        data = data[os.write(descriptor, data):]
