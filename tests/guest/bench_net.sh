#!/bin/sh
# SPDX-License-Identifier: MIT
# What tests/bench/net has the guest run: each way to send, and to pass on, in turn, so many rounds.
# usage: bench_net.sh ROUNDS MILLISECONDS ROW...
# Its lines are bench_net's with the round before them. Devices: an 82574 without a peer, then two behind a PCI bridge,
# in one IOMMU group if there are any, with a cable between them.
set -eu
rounds=$1
ms=$2
shift 2
alone=0000:00:05.0
one=0000:01:01.0
other=0000:01:02.0
case $UDRV_LAB_IOMMU in
none) ours=udrv_stub theirs=uio_pci_generic ;;
*) ours=vfio-pci theirs=vfio-pci ;;
esac

# Programs at the same addresses each time: the emulator has translated them then.
echo 0 >/proc/sys/kernel/randomize_va_space
modprobe "$ours"
modprobe "$theirs"
modprobe e1000e
modprobe pktgen
# For DPDK.
echo 64 >/proc/sys/vm/nr_hugepages
mkdir -p /dev/hugepages /run/dpdk
mount -t hugetlbfs none /dev/hugepages

# wait_for COMMAND...: until it succeeds, 60 s at most.
wait_for()
{
	wait_left=1200
	until "$@" >/dev/null 2>&1; do
		[ $((wait_left -= 1)) -gt 0 ] || { echo "waited in vain for $*" >&2; exit 1; }
		sleep 0.05
	done
}

# bind DRIVER DEVICE...
bind()
{
	udrv bind --driver "$@" >/dev/null
}

# row NAME DEVICE[,DEVICE]
row()
{
	bench_net "$1" "$2" "$ms" >/tmp/row
	sed "s/^/round=$round /" /tmp/row
}

# Both lcores on one CPU: the first one only waits for commands.
start_testpmd()
{
	rm -f /tmp/commands
	mkfifo /tmp/commands
	dpdk-testpmd --lcores 0@0,1@0 --no-telemetry -d librte_bus_pci.so.23 -d librte_mempool_ring.so.23 \
		-d librte_net_e1000.so.23 "$@" -- -i --nb-cores=1 --txpkts=60 --total-num-mbufs=4096 \
		</tmp/commands >/tmp/testpmd 2>&1 &
	pid=$!
	exec 3>/tmp/commands
	wait_for links_up $(($# / 2))
}

# links_up NUMBER: of ports, as testpmd says now.
links_up()
{
	echo 'show port summary all' >&3
	sleep 0.2
	[ "$(grep net_e1000_em /tmp/testpmd | tail -n "$1" | grep -c 'net_e1000_em *up')" = "$1" ]
}

# testpmd_rate SECONDS PORTS: what they sent between two looks at the cards' counters, in frames per second.
testpmd_rate()
{
	echo 'show port stats all' >&3
	sleep "$1"
	echo 'show port stats all' >&3
	# The prompt's own answer: both looks are in the file then.
	wait_for links_up "$2"
	awk -v ports="$2" '/Tx-pps:/ { last[++n] = $2 }
		END { for (i = n - ports + 1; i <= n; i++) sum += last[i]; print sum + 0 }' /tmp/testpmd
}

# testpmd_row NAME MODE START PORTS; a look during which it has not run at all is not one.
testpmd_row()
{
	seconds=$((ms / 1000)).$(printf %03d $((ms % 1000)))
	printf 'set fwd %s\n%s\n' "$2" "$3" >&3
	sleep "$seconds"
	looks=20
	until pps=$(testpmd_rate "$seconds" "$4") && [ "$pps" -gt 0 ]; do
		[ $((looks -= 1)) -gt 0 ] || break
	done
	printf 'stop\nquit\n' >&3
	wait_for ended "$pid"
	exec 3>&-
	say_row "$1" "$pps"
}

# say_row NAME RATE
say_row()
{
	echo "$2" | awk -v row="round=$round row=$1" \
		'{ printf "%s pps=%d ns_frame=%.1f\n", row, $1, $1 ? 1e9 / $1 : 0 }'
}

ended()
{
	! kill -0 "$1"
}

has_carrier()
{
	grep -q 1 "/sys/class/net/$1/carrier"
}

pktgen()
{
	echo "$2" >"/proc/net/pktgen/$1"
}

# The kernel's driver by its generator at its best: one frame sent again and again, 32 for each doorbell.
kernel_row()
{
	bind e1000e "$alone"
	wait_for test -d /sys/bus/pci/devices/"$alone"/net
	name=$(basename /sys/bus/pci/devices/"$alone"/net/*)
	ip link set "$name" up
	wait_for has_carrier "$name"
	echo rem_device_all >/proc/net/pktgen/kpktgend_0
	echo "add_device $name" >/proc/net/pktgen/kpktgend_0
	for line in "clone_skb 1000" "burst 32" "pkt_size 60" "delay 0" "count $((ms * 60))" \
		"dst_mac 02:00:00:00:00:01"; do
		pktgen "$name" "$line"
	done
	echo start >/proc/net/pktgen/pgctrl
	pps=$(sed -n 's/^ *\([0-9]*\)pps .*/\1/p' "/proc/net/pktgen/$name")
	echo rem_device_all >/proc/net/pktgen/kpktgend_0
	ip link set "$name" down
	say_row "$1" "$pps"
}

round=0
while [ $((round += 1)) -le "$rounds" ]; do
	for name; do
		case $name in
		testpmd-*) bind "$theirs" "$alone" "$one" "$other" ;;
		*) bind "$ours" "$alone" "$one" "$other" ;;
		esac
		case $name in
		testpmd-tx)
			start_testpmd -a "$alone"
			testpmd_row "$name" txonly start 1
			;;
		testpmd-forward)
			start_testpmd -a "$one" -a "$other"
			testpmd_row "$name" io 'start tx_first 1' 2
			;;
		kernel-tx) kernel_row "$name" ;;
		*-tx) row "$name" "$alone" ;;
		*-forward) row "$name" "$one,$other" ;;
		esac
	done
done
