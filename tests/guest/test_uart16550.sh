#!/bin/sh
# SPDX-License-Identifier: MIT
# The uart16550 driver as a daemon on a card of two ports: port 0 gets back what it sends, port 1 is wired to a port
# of virtio's serial device, which the kernel drives. test_uart16550.sh BACKEND; UDRV_SERIAL_BYTES: how much is sent.
# Devices: pci-serial-2x with an echo and a wire, virtserialport "far".

# shellcheck source-path=SCRIPTDIR
. "${0%/*}/lib.sh"
. "${0%/*}/lib_daemon.sh"

backend=${1:-vfio}
bytes=${UDRV_SERIAL_BYTES:-15000}
[ "$backend" = vfio ] && driver=vfio-pci || driver=udrv_stub
uart=$(device_by_ids 1b36:0003)
lock=/run/udrv/$uart.lock
log=/run/udrv/uart16550@$uart.log
tty=/run/udrv/tty/$uart

# The node of the port with that name.
far()
{
	for dir in /sys/class/virtio-ports/*; do
		[ "$(cat "$dir/name" 2>/dev/null)" = far ] && echo "/dev/${dir##*/}"
	done
}

# A port that is off loses what comes, and it is on a moment after its terminal was opened.
open_both()
{
	exec 5<>"$tty-0" 6<>"$tty-1"
	check "both are open" both_say '"open":true'
}

# They are closed a moment after their terminals were.
close_both()
{
	exec 5>&- 6>&-
	check "both are closed" both_say '"open":false'
}

# both_say PATTERN: soon, each port of itself
both_say()
{
	wait_for 600 says "\"port\":0,.*$1.*\"port\":1,.*$1" udrv-uart16550 ports --json
}

# says PATTERN COMMAND...: its output matches.
says()
{
	says_pattern=$1
	shift
	"$@" 2>&1 | grep -qE -e "$says_pattern"
}

# --- What cannot be driven
check "not bound by us" -s 1 -m "$uart" udrv run uart16550 "$uart"
check "no daemon" -s 1 -m 'no daemon of this driver' udrv-uart16550 ports
check "bind" -m "bound to $driver" udrv bind --driver $driver "$uart"
check "bad trigger" -s 1 -m 'trigger=2: the values are 1, 4, 8 and 14' udrv run uart16550 "$uart" trigger=2
check "bad wait" -s 1 -m 'wait=poll: the values are' udrv run uart16550 "$uart" wait=poll
check "no such parameter" -s 2 -m 'speed=9' udrv run uart16550 "$uart" speed=9

# --- Two ports, and their names
check "start" -m "port 1: 16550A, $tty-1" udrv run uart16550 "$uart" trigger=14 --detach
check "the backend" -m "\"backend\":\"$backend\"" udrv irqs --json
check "a second daemon" -s 1 -m "$uart: already driven by udrv-uart16550" udrv run uart16550 "$uart"
check "ports" -m "^0  $tty-0  16550A  closed  9600 8N1" -m "^1  $tty-1 " udrv uart16550 ports
check "ps shows the terminals" -m "^$uart .* $tty-0 $tty-1$" udrv ps
check "no such port" -s 1 -m "'2' is not a number from 0 to 1" udrv-uart16550 lines 2
check "lines of a closed port" -s 1 -m "no program has $tty-0 open" udrv-uart16550 lines 0

# --- Settings of a program reach the UART. 230400 is more than it can.
exec 3<>"$tty-0"
check "it is open" wait_for 600 says '"port":0,.*"open":true.*"port":1,.*"open":false' udrv-uart16550 ports --json
check "stty sets" stty -F "$tty-0" 19200 cstopb crtscts
check "the port has it" wait_for 600 says '^0 .* open  19200 8N2  flow rtscts' udrv-uart16550 ports
stty -F "$tty-0" 230400 2>/dev/null
check "the port keeps the old one, and says so" wait_for 600 says 'speed 19200 baud' stty -F "$tty-0"
check "cooked, as a login has it" stty -F "$tty-0" sane -echo 9600 -crtscts -cstopb ixon ixoff
check "the port has that, too" wait_for 600 says '^0 .* 9600 8N1  flow xonxoff' udrv-uart16550 ports
check "parity" -m '^bits=7 parity=even$' udrv-uart16550 format 0 bits=7 parity=even
check "the port has parity" wait_for 600 says '^0 .* 7E1' udrv-uart16550 ports
check "it is shown" -m '^bits=7 parity=even$' udrv-uart16550 format 0
check "bad parity" -s 1 -m "'parity=no': give bits=5" udrv-uart16550 format 0 parity=no
check "back" udrv-uart16550 format 0 bits=8 parity=none
check "lines" -m '^dtr 1  rts 0  loop 0 ' udrv-uart16550 lines 0 rts=0
check "loop back" -m 'loop 1  cts 1 ' udrv-uart16550 lines 0 rts=1 loop=1
check "and off" -m 'loop 0' udrv-uart16550 lines 0 loop=0
check "break" udrv-uart16550 break 0 10
exec 3>&-
check "it is closed" wait_for 600 says '"port":0,.*"open":false' udrv-uart16550 ports --json

# --- Data both ways on both ports, on one line
open_both
check "$bytes bytes each way on two ports" -m "^to $tty-0: $bytes bytes, 0 wrong, 0 lost" \
	-m "^to $tty-1: $bytes bytes, 0 wrong, 0 lost" \
	serial_load "$bytes" "$tty-0" - "$tty-1" "$(far)"
cat "$check_out"
close_both
check "no errors were counted" -m '"port":0,.*"overrun":0,"parity":0,"frame":0,"brk":0,"buf_overrun":0,' \
	-m '"port":1,.*"overrun":0,"parity":0,"frame":0,"brk":0,"buf_overrun":0,' udrv-uart16550 stats --json
cat "$check_out"

# --- A line error: QEMU can make a break. PARMRK shows it to the program as three bytes. The port has it with the speed.
open_both
stty -F "$tty-1" raw -ignbrk -brkint parmrk 4800
check "the port marks errors" wait_for 600 says '^1 .* open  4800 ' udrv-uart16550 ports
echo break wire0a >/dev/lab
check "the break was counted" wait_for 600 says '"port":1,.*"brk":1,' udrv-uart16550 stats --json
check "the program sees it" -m '^ *ff 00 00$' sh -c "timeout 300 head -c 3 '$tty-1' | od -An -tx1"
stty -F "$tty-1" raw -parmrk 115200
close_both

# --- A terminal program
mkfifo /tmp/keys
# A session of its own: at its end it signals its process group.
setsid picocom -q -b 115200 --imap crlf "$tty-1" </tmp/keys >/tmp/screen 2>&1 &
picocom=$!
exec 4>/tmp/keys
check "picocom opens it" wait_for 600 says '^1 .* open  115200 8N1' udrv-uart16550 ports
echo 'from afar' >"$(far)"
check "picocom shows what comes" wait_for 600 grep -q 'from afar' /tmp/screen
printf 'typed\n' >&4
check "what is typed gets there" -m '^typed' timeout 300 head -n 1 "$(far)"
exec 4>&-
kill $picocom 2>/dev/null
wait $picocom

# --- SIGKILL with a program at it: that is hung up, and the next daemon has the same names
cat "$tty-0" >/tmp/cat 2>&1 &
cat=$!
check "cat has it open" wait_for 600 says '"port":0,.*"open":true' udrv-uart16550 ports --json
check "SIGKILL" kill_daemon
check "the program was hung up" wait_for 600 ended $cat
check "a stale name is left" test -L "$tty-0"
check "start again" udrv run uart16550 "$uart" --detach
open_both
check "it works again" -m "^to $tty-1: 5000 bytes, 0 wrong, 0 lost" \
	serial_load 5000 "$tty-0" - "$tty-1" "$(far)"
close_both

# --- SIGTERM likewise
cat "$tty-1" >/tmp/cat 2>&1 &
cat=$!
check "cat has it open" wait_for 600 says '"port":1,.*"open":true' udrv-uart16550 ports --json
check "stop" stop_daemon
check "it said so" -m "$uart: stopped" tail -n 1 "$log"
check "the program was hung up" wait_for 600 ended $cat
check "no name is left" -s 1 test -e "$tty-0" -o -L "$tty-0"
check "nobody has the device" -x 'process' udrv info "$uart"
check "unbind" udrv unbind "$uart"
check_clean "nothing is left" "$uart"
finish
