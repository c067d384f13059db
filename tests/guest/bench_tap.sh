#!/bin/sh
# SPDX-License-Identifier: MIT
# iperf3 through the kernel's driver and through ours, on the same card, in turn, so many rounds: bench_tap.sh ROUNDS SECONDS
# Its lines: round, way, driver, Mb/s at the receiver. Devices: e1000e twice, on one cable. Programs: ip, ping, iperf3.
#   tools/lab/run --icount --timeout 3000 --cables 1 --device e1000e,netdev=net0a --device e1000e,netdev=net0b --program ip \
#       --program ping --program iperf3 --program ethtool -- sh /udrv/tests/bench_tap.sh 5 1
set -u
rounds=${1:-5}
seconds=${2:-1}
ways=${3:-"tcp-send tcp-receive udp-send udp-receive"}
# shellcheck disable=SC2086 # a list of words
set -- $UDRV_LAB_DEVICES
card=$1
other=$2
ip=/usr/bin/ip

# until_it COMMAND...: 60 s at most
until_it()
{
	left=600
	until "$@" >/dev/null 2>&1; do
		[ $((left -= 1)) -gt 0 ] || { echo "waited in vain for $*" >&2; exit 1; }
		sleep 0.1
	done
}

measure()
{
	case $2 in
	tcp-send) option= ;;
	tcp-receive) option=-R ;;
	udp-send) option="-u -b 1G" ;;
	udp-receive) option="-u -b 1G -R" ;;
	esac
	$ip addr replace 10.0.0.1/24 dev "$4"
	$ip link set "$4" up
	until_it /usr/bin/ping -c 1 -W 1 10.0.0.2
	$ip netns exec far /usr/bin/iperf3 -s -1 -D
	until_it $ip netns exec far grep -q ':1451 .* 0A ' /proc/net/tcp /proc/net/tcp6
	# shellcheck disable=SC2086 # a list of words
	/usr/bin/iperf3 -f m -c 10.0.0.2 -t "$seconds" $option | awk -v head="$1 $2 $3" \
		'/receiver/ { for (i = 2; i <= NF; i++) if ($i == "Mbits/sec") print head, $(i - 1) }'
}

modprobe -a e1000e vfio-pci tun
far=$(ls "/sys/bus/pci/devices/$other/net")
$ip netns add far
$ip link set "$far" netns far
$ip -n far addr add 10.0.0.2/24 dev "$far"
$ip -n far link set "$far" up
# QEMU 7.2 cuts by fragments of IP, which nobody can join again: the stack there makes segments.
$ip netns exec far ethtool -K "$far" tso off 2>/dev/null
for round in $(seq "$rounds"); do
	for way in $ways; do
		udrv bind --driver vfio-pci "$card" >/dev/null
		udrv run e1000e "$card" --tap lan0 --detach 2>/dev/null
		measure "$round" "$way" udrv lan0
		pid=$(cut -d' ' -f1 "/run/udrv/$card.lock")
		kill "$pid"
		until_it sh -c "! kill -0 $pid"
		udrv unbind "$card" >/dev/null
		until_it ls "/sys/bus/pci/devices/$card/net"
		near=$(ls "/sys/bus/pci/devices/$card/net")
		measure "$round" "$way" kernel "$near"
		$ip link set "$near" down
	done
done
