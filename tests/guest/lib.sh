# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# Sourced by the scripts that run in the lab's guest. Each check runs a command and compares its
# exit status and what it prints; finish counts.

passed=0
failed=0
check_out=/tmp/check.$$

# check WHAT [-s STATUS] [-m PATTERN]... [-x PATTERN]... COMMAND...
# COMMAND must exit with STATUS (0), and its output, stdout and stderr, must match each -m and no
# -x (extended regular expressions). The output is left in $check_out.
check()
{
	check_what=$1
	check_status=0
	check_wanted=
	check_unwanted=
	shift
	while :; do
		case $1 in
		-s) check_status=$2 ;;
		-m) check_wanted="$check_wanted$2
" ;;
		-x) check_unwanted="$check_unwanted$2
" ;;
		*) break ;;
		esac
		shift 2
	done
	"$@" >"$check_out" 2>&1
	check_got=$?
	check_compare && return
	failed=$((failed + 1))
	echo "FAIL $check_what"
	echo "     command: $*"
	sed 's/^/     | /' "$check_out"
}

check_compare()
{
	if [ "$check_got" -ne "$check_status" ]; then
		check_complaint="exit status $check_got, expected $check_status"
	else
		check_complaint=$(check_patterns)
	fi
	if [ -n "$check_complaint" ]; then
		echo "$check_complaint"
		return 1
	fi
	passed=$((passed + 1))
	echo "ok   $check_what"
}

check_patterns()
{
	printf '%s' "$check_wanted" | while IFS= read -r pattern; do
		grep -qE -e "$pattern" "$check_out" || echo "nothing matches '$pattern'"
	done
	printf '%s' "$check_unwanted" | while IFS= read -r pattern; do
		! grep -qE -e "$pattern" "$check_out" || echo "something matches '$pattern'"
	done
}

# The driver a device is bound to, or "none".
driver_of()
{
	if [ -e "/sys/bus/pci/devices/$1/driver" ]; then
		basename "$(readlink "/sys/bus/pci/devices/$1/driver")"
	else
		echo none
	fi
}

# check_driver WHAT DEVICE DRIVER
check_driver()
{
	check "$1" -m "^$3\$" driver_of "$2"
}

# Nothing of udrv is left: no override, nothing remembered.
check_clean()
{
	check "$1" -m '^\(null\)$' cat "/sys/bus/pci/devices/$2/driver_override"
	check "$1: nothing is remembered" -s 1 test -e "/run/udrv/bind/$2"
}

# as_nobody COMMAND...: without root's rights.
as_nobody()
{
	su -p -s /bin/sh nobody -c "$*"
}

# wait_for TENTHS COMMAND...: until COMMAND succeeds.
wait_for()
{
	wait_left=$1
	shift
	until "$@" >/dev/null 2>&1; do
		[ $((wait_left -= 1)) -gt 0 ] || return 1
		sleep 0.1
	done
}

# readable DISK: its node is there a moment before it can be opened.
readable()
{
	head -c 512 "$1" >/dev/null
}

# no_loss COUNT PING-ARGUMENT...: each of so many is answered. The next one leaves with the answer, or after 10 ms:
# at a fixed rate a pause of who answers fills all queues there are, which then lose what they may. With queues of
# their own answers overtake each other, and one may be late, so 50 more follow, whose own answers do not matter.
no_loss()
{
	ping_count=$1
	shift
	/usr/bin/ping -c $((ping_count + 50)) -i 0 -w 600 "$@" | awk -v count="$ping_count" '
		match($0, /icmp_seq=[0-9]+/) { seen[substr($0, RSTART + 9, RLENGTH - 9) + 0] = 1 }
		END {
			for (seq = 1; seq <= count; seq++)
				if (!seen[seq]) { lost++; print "no answer: " seq }
			print count - lost " of " count " answered"
			exit lost > 0
		}'
}

# one_by_one COUNT PING-ARGUMENT...: the same for what is many frames each, of which three may be more than a queue holds.
one_by_one()
{
	ping_count=$1
	shift
	for _ in $(seq "$ping_count"); do
		/usr/bin/ping -c 1 -W 60 "$@" || return
	done
}

# How many interrupts of a device a user-space driver has had, by the kernel's account.
interrupts_of()
{
	awk -v device="($1)" '(index($0, "vfio-") || index($0, "udrv_stub-")) && index($0, device) {
		for (i = 2; $i ~ /^[0-9]+$/; i++) sum += $i
	}
	END { print sum + 0 }' /proc/interrupts
}

# interrupts_above NUMBER DEVICE: the driver is at work.
interrupts_above()
{
	[ "$(interrupts_of "$2")" -gt "$1" ]
}

# The address of the first device with these ids.
device_by_ids()
{
	for dir in /sys/bus/pci/devices/*; do
		[ "$(cat "$dir/vendor")" = "0x${1%:*}" ] || continue
		[ "$(cat "$dir/device")" = "0x${1#*:}" ] || continue
		basename "$dir"
		return
	done
}

finish()
{
	rm -f "$check_out"
	echo "$passed passed, $failed failed"
	[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
	exit
}
