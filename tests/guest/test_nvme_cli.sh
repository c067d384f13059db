#!/bin/sh
# SPDX-License-Identifier: MIT
# What `udrv nvme` says of a controller is what nvme-cli says of it with the kernel's driver, and
# what one writes the other reads. Device: nvme,serial=lab,drive=disk0. Program: nvme.
# shellcheck source-path=SCRIPTDIR
. "${0%/*}/lib.sh"
. "${0%/*}/lib_daemon.sh"

nvme=$(device_by_ids 1b36:0010)
lock=/run/udrv/$nvme.lock
cd /tmp || exit 1
# What QEMU has whichever driver uses it. Queues, events and the time stamp are a driver's own.
features='1 2 4 6 8 9 10'

to_kernel()
{
	check "$1: to the kernel" udrv bind --driver nvme "$nvme"
	check "$1: the kernel's disk" wait_for 600 readable /dev/nvme0n1
}

to_udrv()
{
	check "$1: to vfio-pci" udrv bind "$nvme"
	check "$1: the driver" -m 'NVMe 1.4 controller' udrv run nvme "$nvme" --detach
}

# pages WHO: what run_WHO says of each page, in a file.
pages()
{
	for page in "id-ctrl" "id-ns -n 1" "list-ns" "smart-log" "error-log -e 2" "fw-log"; do
		# shellcheck disable=SC2086 # words
		"run_$1" $page -o json >"$1.${page%% *}.json"
		# shellcheck disable=SC2086
		"run_$1" $page >"$1.${page%% *}.text"
	done
	for feature in $features; do
		"run_$1" get-feature -f "$feature" -H
		"run_$1" get-feature -f "$feature" -s 3
		"run_$1" get-feature -f "$feature" -s 1
	done >"$1.features"
}

run_kernel()
{
	verb=$1
	shift
	nvme "$verb" /dev/nvme0 "$@"
}

run_udrv()
{
	udrv nvme "$@"
}

# Without the counters that each command moves, and with the device's name and tabs made equal.
normal()
{
	sed -e "s/$nvme/nvme0/" -e 's/	/ /g' -e 's/  *:/:/' -e 's/ *$//' \
		-e '/host_read_commands/d' -e '/host_write_commands/d' -e '/[dD]ata.[uU]nits/d' \
		-e '/^status_field/d' -e '/^trtype:/d' "$1"
}

same_page()
{
	normal "kernel.$1" >kernel.normal
	normal "udrv.$1" >udrv.normal
	cmp kernel.normal udrv.normal || diff kernel.normal udrv.normal
}

sum()
{
	sha256sum | cut -d' ' -f1
}

# --- The kernel's view, and data that it writes
modprobe nvme
to_kernel "first"
pages kernel
check "nvme-cli said something" -m '"mn":"QEMU NVMe Ctrl' cat kernel.id-ctrl.json
check "and of the features" -m 'Arbitration Burst       .AB.: No limit' cat kernel.features
head -c 3145728 /dev/urandom >data.kernel
check "the kernel writes" dd if=data.kernel of=/dev/nvme0n1 bs=64k seek=16 conv=fsync

# --- Ours
to_udrv "pages"
pages udrv
for page in id-ctrl id-ns list-ns error-log; do
	check "$page as JSON, to the byte" cmp "kernel.$page.json" "udrv.$page.json"
done
for page in smart-log.json fw-log.json; do
	check "$page" same_page "$page"
done
for page in id-ctrl id-ns list-ns smart-log error-log fw-log; do
	check "$page as text" same_page "$page.text"
done
check "features" cmp kernel.features udrv.features
check "list" -m "^${nvme}n1 +lab +QEMU NVMe Ctrl +1 +67.11  MB / +67.11  MB +512 +B \+ +0 B" udrv nvme list

# --- Data: theirs here, ours there
udrv nvme read -s 2048 -c 6143 -z 3M >back 2>said
check "a verb's message is apart from its data" -m '^read: Success$' cat said
check "udrv reads what the kernel wrote" cmp data.kernel back
check "into a file beside the caller" -m '^read: Success$' \
	udrv nvme read --start-block=2048 --block-count=6143 --data=back.file
check "which is the same" cmp data.kernel back.file
check "through a pipe" test "$(udrv nvme read -s 2048 -c 6143 2>/dev/null | sum)" = "$(sum <data.kernel)"
head -c 3145728 /dev/urandom >data.udrv
check "udrv writes" -m '^write: Success$' udrv nvme write -s 16384 -c 6143 -z 3145728 -d data.udrv
check "one block more, with FUA" -m '^write: Success$' \
	sh -c 'printf tail | udrv nvme write -s 22528 --data-size 4 --force-unit-access'
check "flush" -m 'success' udrv nvme flush -n 1

# --- What cannot be
check "blocks behind the end" -s 1 -m '^read: namespace 1 has 131072 blocks$' \
	udrv nvme read -s 131072
check "no such namespace" -s 1 -m '^id-ns: NVMe status: invalid namespace or format .0x' \
	udrv nvme id-ns -n 300
check "no such feature" -s 1 -m '^get-feature: NVMe status: invalid field in command' \
	udrv nvme get-feature -f 0x55
check "no such file" -s 1 -m 'no.such: cannot open' udrv nvme write -s 0 -d no.such
check "format without --force" -s 1 -m 'say --force' udrv nvme format
check "a queue that is too deep" -s 1 -m '^perf: --queue-depth is at most 1023, as ' udrv nvme perf -q 1024
# QEMU has none of these.
check "no boot partitions" -s 1 -m '^boot-part-read: the controller has no boot partitions$' \
	udrv nvme boot-part-read -d boot
check "no subsystem reset" -s 1 -m '^subsystem-reset: the controller has no NVM subsystem reset ' \
	udrv nvme subsystem-reset

# --- A feature, a reset, perf
check "set-feature" -m '^set-feature:0x04 .Temperature Threshold., value:0x00000150, cdw12:00000000, save:0$' \
	udrv nvme set-feature -f 4 -v 0x150
check "it is set" -m 'Current value:0x00000150' udrv nvme get-feature -f 4
check "one below the temperature" udrv nvme set-feature -f 4 -v 0x140
check "the daemon tells what the controller says to that" \
	wait_for 600 grep 'warns of its health: critical warning 0x02' "/run/udrv/nvme@$nvme.log"
check "smart-log has it" -m '^critical_warning *: (0x)?2$' udrv nvme smart-log
check "set it again" udrv nvme set-feature -f 4 -v 0x150
check "all is well again" -m '^critical_warning *: 0$' udrv nvme smart-log
check "reset" -m 'works again' udrv nvme reset
for how in polled interrupt adaptive; do
	check "perf, $how" -m '^read: .* 1000 I/Os in ' -m 'latency in us: min ' \
		udrv nvme perf --io-count 1000 --completion $how --queue-depth 4
done
check "perf writes all of it" -m '^write: .* 512 I/Os in ' \
	udrv nvme perf --rw write --verify --force --io-count 512 --block-size 128K
for how in "4K 1 adaptive" "4K 32 interrupt" "68K 1 interrupt" "68K 32 polled"; do
	# shellcheck disable=SC2086 # words
	set -- $how
	check "perf verifies, $how" -m '^verify: 0 blocks were wrong$' -m '^read: .* 200 I/Os in ' \
		udrv nvme perf --rw randread --verify --io-count 200 --block-size "$1" --queue-depth "$2" --completion "$3"
done
check "what perf does not write" udrv nvme write -s 0 -c 7 -d data.udrv
check "is found" -s 1 -m '^verify: 8 blocks were wrong$' -m 'data is not what perf --verify writes$' \
	udrv nvme perf --rw read --verify --io-count 1
check "perf as JSON" -m '"ios":100,' udrv nvme perf --json --io-count 100 --rw read
check "perf ends with the time, and shows progress" -m ' s: [0-9]+ IOPS, ' udrv nvme perf --run-time 2
check "perf that is left" -s 143 timeout -s TERM 1 udrv nvme perf --run-time 600
check "the daemon serves the next" -m '0x1' udrv nvme list-ns
check "write again what perf overwrote" udrv nvme write -s 16384 -c 6143 -d data.udrv
check "and the block behind it" sh -c 'printf tail | udrv nvme write -s 22528 --data-size 4'
check "stop" stop_daemon

# --- What we wrote
to_kernel "data"
check "the kernel reads what udrv wrote" \
	test "$(dd if=/dev/nvme0n1 bs=64k skip=128 count=48 iflag=direct 2>/dev/null | sum)" = "$(sum <data.udrv)"
check "and the last block, with its zeros" \
	test "$(dd if=/dev/nvme0n1 bs=512 skip=22528 count=1 iflag=direct 2>/dev/null | tr '\0' '.' | cut -c1-10)" = tail......
check "nvme-cli reads it" nvme read /dev/nvme0n1 -s 16384 -c 127 -z 65536 -d back.cli
check "the same" test "$(sum <back.cli)" = "$(head -c 65536 data.udrv | sum)"
check "nvme-cli writes" nvme write /dev/nvme0n1 -s 40000 -c 127 -z 65536 -d data.kernel

# --- Without a daemon
check "to vfio-pci" udrv bind "$nvme"
udrv nvme id-ctrl --json >udrv.id-ctrl.json
check "id-ctrl of a free device" cmp kernel.id-ctrl.json udrv.id-ctrl.json
check "its data" test "$(udrv nvme read -s 16384 -c 6143 2>/dev/null | sum)" = "$(sum <data.udrv)"
check "perf of a free device" -m '^read: .* 500 I/Os in ' udrv nvme perf --io-count 500
check "nothing to reset" -s 1 -m 'no daemon' udrv nvme reset

# --- Another format
check "the driver" udrv run nvme "$nvme" --detach
udrv nvme read -s 40000 -c 127 >back 2>/dev/null
check "udrv reads what nvme-cli wrote" test "$(sum <back)" = "$(head -c 65536 data.kernel | sum)"
check "format" -m '^Success formatting namespace:1$' udrv nvme format --force --block-size 4096
run_udrv id-ns -n 1 -o json >udrv.id-ns.json
check "in use" -m '"flbas":4,' cat udrv.id-ns.json
udrv nvme write -s 1000 -c 767 -d data.udrv 2>/dev/null
udrv nvme flush >/dev/null
check "stop" stop_daemon
to_kernel "format"
check "the kernel has blocks of that size" -m '^4096$' cat /sys/block/nvme0n1/queue/logical_block_size
run_kernel id-ns -n 1 -o json >kernel.id-ns.json
check "id-ns is the same again" cmp kernel.id-ns.json udrv.id-ns.json
check "and the data" \
	test "$(dd if=/dev/nvme0n1 bs=4096 skip=1000 count=768 iflag=direct 2>/dev/null | sum)" = "$(sum <data.udrv)"
check "unbind" udrv unbind "$nvme"
finish
