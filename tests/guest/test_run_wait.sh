#!/bin/sh
# SPDX-License-Identifier: MIT
# udrv run --wait: a daemon without its device, and one whose device goes and comes again. Devices: edu, nvme with a disk.
# shellcheck source-path=SCRIPTDIR
. "${0%/*}/lib.sh"
. "${0%/*}/lib_daemon.sh"
. "${0%/*}/lib_ublk.sh"

edu=$(device_by_ids 1234:11e8)
nvme=$(device_by_ids 1b36:0010)
lock=/run/udrv/$edu.lock
log=/tmp/log

# said NUMBER PATTERN: the log has it so often.
said()
{
	[ "$(grep -cE -e "$2" $log)" = "$1" ]
}

# runs DRIVER DEVICE OPTION...: a daemon that waits, with its log.
runs()
{
	: >$log
	udrv run "$@" --wait 2>>$log &
	daemon=$!
}

# As a slot whose card is taken out, and put in again; it has no driver then.
take_out()
{
	echo 1 >"/sys/bus/pci/devices/$1/remove"
}

put_in()
{
	echo 1 >/sys/bus/pci/rescan
	wait_for 600 test -e "/sys/bus/pci/devices/$1"
}

# --- It is there, but not bound; then it is unbound and bound, and taken out and put in
runs edu "$edu"
check "it waits until it is bound" wait_for 600 said 1 "$edu: waiting until it is bound; run: udrv bind $edu"
check "ps shows it" -m "^$edu +edu +\(waits\) +$daemon +- +-$" udrv ps
check "its verbs say so" -s 1 -m "no daemon of this driver is running" udrv-edu factorial 5
check "another daemon" -s 1 -m "$edu: already driven by udrv-edu" udrv run edu "$edu"
check "bind" -m 'bound to vfio-pci' udrv bind "$edu"
check "it drives it" wait_for 600 said 1 'driver edu is ready'
check "it works" -m '^120$' udrv-edu factorial 5
check "ps shows that, too" -m "^$edu +edu +vfio +$daemon " udrv ps
check "unbind" udrv unbind --force "$edu"
check "it says so" said 1 'takes the device away \(hot unplug or unbind\): waiting for it'
check "it waits" wait_for 600 said 1 "$edu: waiting until it is there again, and bound"
check "bind again" -m 'bound to vfio-pci' udrv bind "$edu"
check "it drives it again" wait_for 600 said 2 'driver edu is ready'
check "it works again" -m '^120$' udrv-edu factorial 5
check "out" take_out "$edu"
check "it waits again" wait_for 600 said 2 "$edu: waiting until it is there again, and bound"
check "in" put_in "$edu"
check "bound" -m 'bound to vfio-pci' udrv bind "$edu"
check "it drives it a third time" wait_for 600 said 3 'driver edu is ready'
check "1,000 interrupts" -m '^1000 factorials by interrupt, 0 lost, ' udrv-edu factorial 5 --count 1000
check "out again" take_out "$edu"
check "it waits a third time" wait_for 600 said 3 "$edu: waiting until it is there again, and bound"
check "ps shows that it does" -m "^$edu +edu +\(waits\) +$daemon " udrv ps "$edu"
check "udrv stop ends it" udrv stop "$edu"
check "with success" wait $daemon
check "in for others" put_in "$edu"

# --- There is no such device
runs edu 0000:7f:1f.7
check "it waits for one" wait_for 600 said 1 '0000:7f:1f.7: waiting until there is such a device'
check "SIGTERM" kill -TERM $daemon
check "ends it" wait $daemon
check "not by nbdkit" -s 2 -m '^udrv-nvme: --nbd is nbdkit.s process, which does not --wait' \
	udrv run nvme "$nvme" --nbd=unix:/tmp/sock --wait

# --- A disk: its readers get errors, and it comes again
modprobe ublk_drv
lock=/run/udrv/$nvme.lock
check "bind the disk" -m 'bound to vfio-pci' udrv bind "$nvme"
runs nvme "$nvme" --ublk=0
check "a disk" wait_for 600 readable /dev/ublkb0
head -c 4194304 /dev/urandom >/tmp/data
check "data" dd if=/tmp/data of=/dev/ublkb0 bs=1M oflag=direct
while dd if=/dev/ublkb0 of=/dev/null bs=64k iflag=direct; do :; done >/tmp/reader 2>&1 &
reader=$!
check "out under load" take_out "$nvme"
check "the reader ends" wait $reader
check "by an error" -m 'error|No such|No space' cat /tmp/reader
check "the disk is gone" wait_for 600 test ! -e /dev/ublkb0
check "the daemon waits" wait_for 600 said 1 "$nvme: waiting until it is there again, and bound"
check "in" put_in "$nvme"
check "bound again" -m 'bound to vfio-pci' udrv bind "$nvme"
check "the disk is there" wait_for 600 readable /dev/ublkb0
check "with its data" cmp -n 4194304 /tmp/data /dev/ublkb0
check "stop" udrv stop "$nvme"
check "it stopped" wait $daemon
check "unbind the disk" udrv unbind "$nvme"
check_clean "nothing is left" "$nvme"
finish
