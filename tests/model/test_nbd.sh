#!/bin/sh
# SPDX-License-Identifier: MIT
# A disk served by nbdkit in the daemon's process, and what ordinary clients do with it.
# usage: test_nbd.sh DIRECTORY (of udrv and its drivers) [LIBRARIES to preload into nbdkit: a sanitizer's]
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../guest/lib.sh"
bin=$1
preload=${2-}
tmp=$(mktemp -d) || exit 1
# What is waited for is in memory, and so is what disks keep: the software controller writes that by page faults, with its lock. One
# of them may wait for the machine's disk for as long as that is busy, and whoever asks the controller for anything waits with it.
kept=$(mktemp -d -p /dev/shm) || exit 1
export UDRV_RUNTIME_DIR="$kept/run"
mkdir "$UDRV_RUNTIME_DIR"
unset NOTIFY_SOCKET WATCHDOG_USEC
pid=
trap '[ -z "$pid" ] || kill -9 "$pid" 2>/dev/null; rm -rf "$tmp" "$kept"' EXIT

for tool in nbdkit nbdinfo nbdcopy qemu-img qemu-io python3; do
	command -v "$tool" >/dev/null || { echo "SKIP: $tool is not installed; run tools/setup"; exit 77; }
done

# nbdkit has no sanitizer in it: whoever starts it gets this one. Leaks are not looked for there: nbdkit itself leaks, and is
# in the stack of all that the plugin allocates, so no suppression tells them apart; what the plugin is made of is looked at in
# test_block_sync.
if [ -n "$preload" ]; then
	export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0"
	export TSAN_OPTIONS="${TSAN_OPTIONS:+$TSAN_OPTIONS:}suppressions=$here/nbd_tsan.supp"
	mkdir "$tmp/bin"
	printf '#!/bin/sh\nLD_PRELOAD="%s" exec %s "$@"\n' "$preload" "$(command -v nbdkit)" >"$tmp/bin/nbdkit"
	chmod +x "$tmp/bin/nbdkit"
	PATH=$tmp/bin:$PATH
fi

sock=$tmp/sock
uri="nbd+unix:///?socket=$sock"
other="nbd+unix:///ram-2?socket=$sock"

daemon()
{
	timeout -k 5 300 "$bin/udrv" "$@"
}

# await WHAT FILE: WHAT is in FILE; a minute is for a loaded machine.
await()
{
	wait_for 600 grep -q "$1" "$2" || { echo "FAIL '$1' does not come:"; cat "$2"; exit 1; }
}

# serve DRIVER DEVICE [NAME=VALUE]... [-- OPTION...]: its disks on $sock.
serve()
{
	driver=$1
	device=$2
	shift 2
	: >"$kept/log"
	"$bin/udrv" run "$driver" "$device" --nbd="unix:$sock" "$@" >"$kept/log" 2>&1 3>&- &
	pid=$!
	await 'is ready' "$kept/log"
}

# start [NAME=VALUE]... [-- OPTION...]: serve a disk in memory.
start()
{
	serve ramdisk model:edu "$@"
}

# One of the software controller's, with a file for what was flushed.
start_nvme()
{
	UDRV_MODEL_NVME_FILE="$kept/namespace" serve nvme model:nvme:16m
}

# stop [SIGNAL]: the exit status, and what it said.
stop()
{
	kill -"${1-TERM}" "$pid"
	wait "$pid"
	stopped=$?
	pid=
	cat "$kept/log"
	return $stopped
}

head -c 16777216 /dev/urandom >"$tmp/image"

# plain OP OFFSET LENGTH: a request of a client that does not ask for block sizes; prints the error it gets.
plain()
{
	python3 - "$sock" "$@" <<'END'
import socket, struct, sys
op, offset, length = {"read": 0, "write": 1, "trim": 4, "zero": 6}[sys.argv[2]], int(sys.argv[3]), int(sys.argv[4])
s = socket.socket(socket.AF_UNIX)
s.settimeout(120)
s.connect(sys.argv[1])
def get(n):
	data = b""
	while len(data) < n:
		part = s.recv(n - len(data))
		assert part, "closed"
		data += part
	return data
assert get(16) == b"NBDMAGICIHAVEOPT"
get(2)
s.sendall(struct.pack(">I8sII", 3, b"IHAVEOPT", 1, 0))
get(10)
s.sendall(struct.pack(">IHHQQI", 0x25609513, 0, op, 1, offset, length) + (b"x" * length if op == 1 else b""))
magic, error, handle = struct.unpack(">IIQ", get(16))
assert magic == 0x67446698 and handle == 1
print("error", error)
END
}

# What clients are told.

for plugin in "$bin"/../lib/nbdkit-udrv-*-plugin.so; do
	check "it can be loaded" -m '^name=udrv-' nbdkit "$plugin" --dump-plugin
done
start size=16M cache=on
check "its properties" -m '"export-size": 16777216' -m '"is_read_only": false' -m '"can_flush": true' \
	-m '"can_fua": true' -m '"can_trim": true' -m '"can_zero": true' -m '"can_fast_zero": true' \
	-m '"can_multi_conn": true' -m '"is_rotational": false' -m '"can_cache": false' \
	-m '"block_size_minimum": 512' -m '"block_size_preferred": 4096' \
	-m '"block_size_maximum": 33554432' nbdinfo --json "$uri"
check "its name" -m 'export="ram"' -m 'description: RAM-ram' nbdinfo --list "$uri"
check "no other" -s 1 nbdinfo "nbd+unix:///none?socket=$sock"
check "the daemon answers verbs" -m 'backend model' "$bin/udrv" ramdisk status
check "the process is the one that was started" [ -n "$("$bin/udrv" ramdisk status | grep "pid $pid")" ]

# Data.

check "copied in" nbdcopy "$tmp/image" "$uri"
check "copied out" nbdcopy --connections=4 --requests=16 "$uri" "$tmp/back"
check "the same" cmp "$tmp/image" "$tmp/back"
check "qemu-img says so, too" -m 'identical' qemu-img compare -f raw -F raw "$tmp/image" "$uri"
check "converted in" qemu-img convert -n -m 8 -W -f raw -O raw "$tmp/back" "$uri"
check "and the same" -m 'identical' qemu-img compare -f raw -F raw "$tmp/image" "$uri"
check "patterns" -x 'verification failed' qemu-io -f raw "$uri" \
	-c 'write -P 0x11 0 1M' -c 'write -P 0x22 65024 1024' -c 'write -f -P 0x33 2M 4k' \
	-c 'write -z 3M 1M' -c 'write -z -u 4M 64k' -c 'discard 5M 1M' -c 'flush' \
	-c 'read -P 0x11 0 65024' -c 'read -P 0x22 65024 1024' -c 'read -P 0x11 66048 982528' \
	-c 'read -P 0x33 2M 4k' -c 'read -P 0 3M 1M' -c 'read -P 0 4M 64k' -c 'read -P 0 5M 1M' \
	-c 'write -P 0x44 100 1000' -c 'read -P 0x44 100 1000' -c 'read -P 0x11 0 100'

# Several at once, each at a place of its own, and one over all.
clients=
for n in 1 2 3 4; do
	qemu-io -f raw "$uri" -c "aio_write -P 0x5$n ${n}M 512k" -c "aio_write -P 0x6$n $((n * 1024 + 512))k 512k" \
		-c aio_flush -c "read -P 0x5$n ${n}M 512k" -c "read -P 0x6$n $((n * 1024 + 512))k 512k" \
		>"$kept/client$n" 2>&1 &
	clients="$clients $!"
	nbdcopy "$uri" null: &
	clients="$clients $!"
done
failures=0
for client in $clients; do
	wait "$client" || failures=$((failures + 1))
done
check "clients at once" [ $failures = 0 ]
check "and read what they wrote" -s 1 grep -h 'verification failed' "$kept"/client?
check "SIGTERM" -m 'stopped' stop
check "it leaves no socket" [ ! -e "$sock" ]

# Large blocks: who does not keep to them is told, or helped by a filter.

start size=16M block_size=8192 max_transfer=64K
check "large blocks" -m '"block_size_minimum": 8192' nbdinfo --json "$uri"
check "a write that is too small" -m '^error 22' plain write 8192 4096
check "a read that is not aligned" -m '^error 22' plain read 1 8192
check "zeroes likewise" -m '^error 22' plain zero 4096 8192
check "a trim is a hint" -m '^error 0' plain trim 4096 24000
check "whole blocks" -m '^error 0' plain write 8192 16384
check "the log says what helps" -m 'whole blocks of 8192 bytes.*--filter=blocksize' cat "$kept/log"
check "who keeps to them" qemu-img convert -n -f raw -O raw "$tmp/image" "$uri"
check "and" -m 'identical' qemu-img compare -f raw -F raw "$tmp/image" "$uri"
check "SIGINT" -m 'stopped' stop INT
start size=16M block_size=8192 -- --filter=blocksize
check "through a filter" nbdcopy "$tmp/image" "$uri"
check "a write of a part" -m '^error 0' plain write 12345 10
(head -c 12345 "$tmp/image" && printf xxxxxxxxxx && tail -c +12356 "$tmp/image") >"$tmp/part"
check "it is there, and all the rest" -m 'identical' qemu-img compare -f raw -F raw "$tmp/part" "$uri"
check "end" stop
start size=16M -- --filter=offset --filter=delay offset=4194304 rdelay=1ms
check "filters with parameters" -m '"export-size": 12582912' nbdinfo --json "$uri"
check "end" stop

# Other disks.

start size=16M read_only=on disks=2 cache=off discard=off
check "read only" -m '"is_read_only": true' -m '"can_trim": false' nbdinfo --json "$uri"
check "no writes" -s 1 qemu-io -f raw "$uri" -c 'write 0 4k'
check "two" -m 'export="ram"' -m 'export="ram-2"' nbdinfo --list "$uri"
check "the other by its name" -m 'RAM-ram-2' nbdinfo "$other"
check "end" stop
start size=16M disks=2 queues=1 depth=2 latency_us=20 event=off discard=off
check "one is copied" nbdcopy "$tmp/image" "$other"
check "the other is not" -s 1 -m 'mismatch' qemu-img compare -f raw -F raw "$tmp/image" "$uri"
check "it is" -m 'identical' qemu-img compare -f raw -F raw "$tmp/image" "$other"
check "zeroes are written where the disk has no call for it" qemu-io -f raw "$other" \
	-c 'write -z 0 1M' -c 'read -P 0 0 1M'
check "end" stop

# A killed daemon, and a client that connects again; what was flushed, or forced, is there.

start size=16M cache=on file="$kept/disk"
mkfifo "$tmp/commands"
prompts()
{
	[ "$(grep -o 'qemu-io>' "$kept/client" | wc -l)" -ge "$1" ]
}
# where PID...: what each thread waits for.
where()
{
	for process; do
		for task in /proc/"$process"/task/*; do
			echo "$task $(cat "$task/comm" "$task/wchan" "$task/syscall" | tr '\n' ' ')"
		done
	done
}
# tell COMMAND: to the client, and wait until it wants the next one.
tell()
{
	echo "$1" >&3
	told=$((told + 1))
	wait_for 1200 prompts $told || { echo "FAIL '$1' does not end"; cat "$kept/client" "$kept/log"; where "$client" "$pid"; exit 1; }
}
# It connects again.
begin_client()
{
	qemu-io -t writeback --image-opts "driver=nbd,server.type=unix,server.path=$sock,reconnect-delay=100" \
		<"$tmp/commands" >"$kept/client" 2>&1 &
	client=$!
	exec 3>"$tmp/commands"
	told=1
}
begin_client
tell 'write -P 0x71 0 64k'
tell 'flush'
tell 'write -f -P 0x72 64k 64k'
tell 'write -P 0x73 128k 64k'
check "kill -9" -s 137 stop KILL
check "its socket is left" [ -S "$sock" ]
start size=16M cache=on file="$kept/disk"
tell 'read -P 0x71 0 64k'
tell 'read -P 0x72 64k 64k'
tell 'read -P 0 128k 64k'
check "the client goes on" -x 'failed|error' -m 'wrote 65536/65536 bytes at offset 131072' -m 'read 65536/65536 bytes at offset 131072' cat "$kept/client"
check "the disk becomes smaller" "$bin/udrv" ramdisk shrink
tell 'read 12M 64k'
echo quit >&3
exec 3>&-
wait "$client"
check "what the client still sees behind its end fails" -m 'read failed: Input/output error' cat "$kept/client"
check "end" stop

# The NVMe driver's, likewise; requests may be on their way when it is killed.

start_nvme
check "the namespace's size" -m '^16777216$' nbdinfo --size "$uri"
check "its name and the controller's" -m 'export="nvme-n1"' -m 'description: model:nvme:16m' nbdinfo --list "$uri"
check "copied in" nbdcopy "$tmp/image" "$uri"
check "the same" -m 'identical' qemu-img compare -f raw -F raw "$tmp/image" "$uri"
check "copied out" nbdcopy --connections=2 --requests=16 "$uri" "$tmp/back"
check "the same again" cmp "$tmp/image" "$tmp/back"
begin_client
tell 'write -P 0x80 0 256k'
tell 'flush'
tell 'write -P 0x81 0 64k'
tell 'flush'
tell 'write -f -P 0x82 64k 64k'
tell 'write -P 0x83 128k 64k'
tell 'aio_write -f -P 0x84 1M 8M'
check "kill -9" -s 137 stop KILL
start_nvme
tell 'aio_flush'
tell 'read -P 0x81 0 64k'
tell 'read -P 0x82 64k 64k'
tell 'read -P 0x80 128k 128k'
tell 'read -P 0x84 1M 8M'
echo quit >&3
exec 3>&-
check "the client ends well" wait "$client"
check "the client goes on with what was flushed" -x 'failed|error' -m 'wrote 8388608/8388608 bytes' \
	-m 'read 8388608/8388608 bytes' cat "$kept/client"
check "the end of NVMe" -m 'stopped' stop

# What goes wrong.

start size=16M fail_every=5
check "errors of the disk reach the client" -s 1 -m 'Input/output error' \
	qemu-io -f raw "$uri" -c 'read 0 4k' -c 'read 0 4k' -c 'read 0 4k' -c 'read 0 4k' -c 'read 0 4k'
check "and do not end the daemon" nbdinfo "$uri"
check "end" stop
start size=16M
(while nbdcopy "$uri" null:; do :; done) >"$kept/client" 2>&1 &
client=$!
check "the device goes under load" "$bin/udrv" ramdisk pull
wait "$pid"
ended=$?
# nbdkit 1.32 aborts when it answers a connection that another of its threads has just closed.
nbdkit_aborted()
{
	[ "$ended" = 134 ] && grep -q 'raw_send_socket: Assertion' "$kept/log"
}
nbdkit_aborted || check "it ends the daemon with an error" [ "$ended" = 1 ]
pid=
wait "$client"
check "which says why" -m 'the device is gone: stopping' cat "$kept/log"
start size=16M
(while nbdcopy "$uri" null:; do :; done) >"$kept/client" 2>&1 &
client=$!
check "a disk is in use" -s 1 -m 'already driven by udrv-ramdisk' \
	daemon run ramdisk model:edu --nbd="$sock.2"
check "a socket is in use" -s 1 -m 'somebody serves there already' \
	daemon run ramdisk model:edu:2 --nbd="$sock"
stop >/dev/null
ended=$?
nbdkit_aborted || check "SIGTERM under load" [ "$ended" = 0 ]
nbdkit_aborted || check "and it says so" -m 'stopped' cat "$kept/log"
wait "$client"
# Clients that ask for nothing, for which nbdkit waits.
idle()
{
	qemu-io -f raw "$uri" <"$tmp/commands" >"$kept/client" 2>&1 3>&- &
	client=$!
	exec 3>"$tmp/commands"
	told=1
	tell 'read 0 4k'
}
start size=16M
idle
check "SIGTERM with a client that is idle" -m 'stopped' stop
exec 3>&-
wait "$client"
start size=16M
idle
check "the device goes, and nobody asks" "$bin/udrv" ramdisk pull
wait "$pid"
check "that ends the daemon, too" [ $? = 1 ]
pid=
exec 3>&-
wait "$client"
check "an address" -s 2 -m 'not a port' daemon run ramdisk model:edu --nbd=localhost:nbd
check "a probe that fails" -s 1 -m "'much' is not a number" -m 'cannot drive it' \
	daemon run ramdisk model:edu --nbd="$sock" size=much
check "it leaves no socket" [ ! -e "$sock" ]
check "an option that nbdkit does not know" -s 1 daemon run ramdisk model:edu --nbd="$sock" -- --nonsense
check "a driver without disks" -s 1 -m 'driver edu has no plugin' daemon run edu model:edu --nbd="$sock"
check "nothing is left to be started" -s 2 -m 'a parameter' daemon run ramdisk model:edu --nbd="$sock" nonsense=1
check "a word too much" -s 1 -m 'which device' nbdkit -f -U - "$bin/../lib/nbdkit-udrv-ramdisk-plugin.so"

# In the background, and for a service manager.

# A path without a slash at its beginning is of the folder where it was started.
in_tmp()
{
	(cd "$tmp" && daemon "$@")
}

check "the background" -m 'it logs to' -m 'is ready' in_tmp run ramdisk model:edu --detach --nbd="unix:${sock##*/}" size=16M
check "it serves" -m '"export-size": 16777216' nbdinfo --json "$uri"
pid=$("$bin/udrv" ramdisk status | sed -n 's/^pid //p')
check "ps shows the socket" -m "^model:edu +ramdisk .* $sock$" "$bin/udrv" ps
check "udrv stop" -m 'model:edu: stopped .udrv-ramdisk, pid' "$bin/udrv" stop model:edu
pid=
check "its log" -m 'is ready' -m 'stopped' cat "$UDRV_RUNTIME_DIR/ramdisk@model:edu.log"
check "a failure in the background" -s 1 daemon run ramdisk model:edu --detach --nbd="$sock" size=much

cat >"$tmp/manager" <<'END'
import os, signal, socket, subprocess, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
s.settimeout(120)
p = subprocess.Popen(sys.argv[2:], env=dict(os.environ, NOTIFY_SOCKET=sys.argv[1], WATCHDOG_USEC="200000"))
print(s.recv(200).decode())
subprocess.run(["nbdinfo", "--size", os.environ["URI"]], check=True)
print(s.recv(200).decode())
p.send_signal(signal.SIGTERM)
said = ""
while said != "STOPPING=1":
	said = s.recv(200).decode()
print(said)
sys.exit(p.wait())
END
check "the service manager is told, once clients can connect" -m '^READY=1' -m '^16777216' \
	-m '^WATCHDOG=1' -m '^STOPPING=1' env URI="$uri" timeout 200 python3 "$tmp/manager" "$tmp/notify" \
	"$bin/udrv" run ramdisk model:edu --nbd="$sock" size=16M

# TCP, and TLS.

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
: >"$kept/log"
"$bin/udrv" run ramdisk model:edu --nbd="127.0.0.1:$port" size=16M >"$kept/log" 2>&1 &
pid=$!
await 'is ready' "$kept/log"
check "TCP" nbdcopy "$tmp/image" "nbd://127.0.0.1:$port/ram"
check "the same" -m 'identical' qemu-img compare -f raw -F raw "$tmp/image" "nbd://127.0.0.1:$port/ram"
check "end" stop
(umask 077 && echo 'alice:0123456789abcdef0123456789abcdef' >"$tmp/keys")
start size=16M -- --tls=require --tls-psk="$tmp/keys"
check "not without TLS" -s 1 nbdinfo "$uri"
check "with TLS" -m 'with TLS' nbdinfo "nbds+unix://alice@/?socket=$sock&tls-psk-file=$tmp/keys"
check "end" stop
finish
