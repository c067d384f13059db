#!/bin/sh
# SPDX-License-Identifier: MIT
# The edu driver as a daemon on a real kernel, over vfio-pci, or over what is named: stub. Device: edu.
# shellcheck source-path=SCRIPTDIR
. "${0%/*}/lib.sh"
. "${0%/*}/lib_daemon.sh"

backend=${1:-vfio}
[ "$backend" = vfio ] && driver=vfio-pci || driver=udrv_stub
edu=$(device_by_ids 1234:11e8)
lock=/run/udrv/$edu.lock
socket=/run/udrv/edu@$edu.sock
log=/run/udrv/edu@$edu.log

check_work()
{
	check "$1: factorial" -m '^3628800$' udrv-edu factorial 10
	check "$1: DMA both ways" -m '^1 rounds of 4088 bytes .* every byte the same$' \
		udrv-edu dma-test
}

# --- What cannot be driven
check "not bound" -s 1 -m "$edu: bound to no driver" -m "udrv bind $edu" udrv run edu "$edu"
check "no such device" -s 1 -m '0000:00:13.0' udrv run edu 00:13.0
check "malformed address" -s 2 -m '00:zz.0: not a PCI address' udrv run edu 00:zz.0
check "no daemon" -s 1 -m 'no daemon of this driver .* run: udrv bind DEVICE' udrv-edu factorial 10
check "bind" -m "bound to $driver" udrv bind --driver $driver "$edu"
check "bad value of a parameter" -s 1 -m 'irq=msix: the values are auto, msi and intx' \
	udrv run edu "$edu" irq=msix
check "bad wait" -s 1 -m 'wait=poll: the values are' udrv run edu "$edu" wait=poll
check "no such parameter" -s 2 -m 'speed=9' udrv run edu "$edu" speed=9

# --- Each interrupt type: work, a second daemon, an orderly end
for irq in msi intx; do
	check "$irq: start" udrv run edu "$edu" irq=$irq --detach
	check_work "$irq"
	check "$irq: the backend" -m "\"backend\":\"$backend\"" udrv irqs --json
	check "$irq: 10,000 interrupts" -m '^120$' -m '^10000 factorials by interrupt, 0 lost, ' \
		udrv-edu factorial 5 --count 10000
	check "$irq: DMA of an odd length" -m '^2 rounds of 1021 bytes' \
		udrv-edu dma-test --bytes 1021 --rounds 2
	check "$irq: stats" -m "^irq +$irq$" -m '^wait +read$' -m '^factorials +10001$' \
		-m '^lost +0$' -m '^unhandled +0$' udrv-edu stats
	check "$irq: stats as JSON" -m "\"irq\":\"$irq\"" -m '"lost":0' -m "\"device\":\"$edu\"" \
		udrv-edu stats --json
	check "$irq: factorial that does not fit" -s 1 -m "'13' is not a number from 0 to 12" \
		udrv-edu factorial 13
	check "$irq: transfer that does not fit" -s 1 -m "'4096' is not a number from 1 to 4088" \
		udrv-edu dma-test --bytes 4096
	check "$irq: a second daemon" -s 1 -m "$edu: already driven by udrv-edu .pid $(daemon_pid)" \
		udrv run edu "$edu"
	check "$irq: another user may not ask it" -s 1 -m "$edu: its daemon, of driver edu in /run/udrv, is another user's" \
		as_nobody "UDRV_RUNTIME_DIR=/run/udrv udrv-edu status"
	check "$irq: and is told where to look" -s 1 -m 'no daemon of this driver .* asked as root' as_nobody udrv-edu status
	check "$irq: the first one still works" -m '^6$' udrv-edu factorial 3
	pid=$(daemon_pid)
	check "$irq: it is listed" -m "^$edu +edu +$backend +$pid +00:[0-9:]+ +-$" udrv ps
	check "$irq: and as JSON" -m '"driver":"edu"' -m "\"pid\":$pid," udrv ps --json
	check "$irq: another user sees it" -m "^$edu " as_nobody "UDRV_RUNTIME_DIR=/run/udrv udrv ps"
	check "$irq: and may not stop it" -s 1 -m "its daemon .udrv-edu, pid $pid. is another user's" \
		as_nobody "UDRV_RUNTIME_DIR=/run/udrv udrv stop $edu"
	check "$irq: stop" -m "^$edu: stopped .udrv-edu, pid $pid." udrv stop --timeout 120 "$edu"
	check "$irq: it is gone" wait_for 600 ended "$pid"
	check "$irq: there is none to stop" -s 1 -m "$edu: no daemon drives it" udrv stop "$edu"
	check "$irq: it said so" -m "$edu: stopped" tail -n 1 "$log"
	check "$irq: no socket is left" -s 1 test -e "$socket"
	check "$irq: nobody has the device" -x 'process' udrv info "$edu"
done

# --- Each way to wait. Spinning would take the guest's only CPU.
for wait in epoll uring uring-read adaptive; do
	check "$wait: start" udrv run edu "$edu" wait=$wait --detach
	check "$wait: 500 interrupts" -m '^500 factorials by interrupt, 0 lost, ' \
		udrv-edu factorial 12 --count 500
	check "$wait: stats" -m "^wait +$wait$" -m '^lost +0$' udrv-edu stats
	check "$wait: stop" stop_daemon
done

# --- SIGKILL while it computes and while the device does DMA: nothing to clean up
for work in "factorial 5 --count 1000000" "dma-test --rounds 100"; do
	check "before SIGKILL: start" udrv run edu "$edu" --detach
	before=$(interrupts_of "$edu")
	# shellcheck disable=SC2086
	udrv-edu $work >/tmp/client 2>&1 &
	client=$!
	check "before SIGKILL: it works" wait_for 600 interrupts_above $((before + 1)) "$edu"
	check "SIGKILL during $work" kill_daemon
	check "after SIGKILL: none is listed" -m 'no daemon is running' -x "$edu" udrv ps
	wait $client
	check "the client noticed" test $? -eq 1
	check "with a message" -m '.' cat /tmp/client
	check "after SIGKILL: start" udrv run edu "$edu" --detach
	check_work "after SIGKILL"
	check "after SIGKILL: stats" -m '^lost +0$' udrv-edu stats
	check "after SIGKILL: stop" stop_daemon
done

# --- SIGTERM while a client waits: it ends, and so does the client
check "start" udrv run edu "$edu" --detach
before=$(interrupts_of "$edu")
udrv-edu dma-test --rounds 1000 >/tmp/client 2>&1 &
client=$!
check "it works" wait_for 600 interrupts_above $((before + 1)) "$edu"
check "stop during a long request" stop_daemon
wait $client
check "the client noticed" test $? -eq 1

check "unbind" udrv unbind "$edu"
check_clean "nothing is left" "$edu"
finish
