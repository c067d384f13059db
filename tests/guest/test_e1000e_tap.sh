#!/bin/sh
# SPDX-License-Identifier: MIT
# An 82574 as an interface, on a cable to another one that the kernel's driver has, in a network namespace of its own: ordinary programs,
# VLANs, MTUs, a cable that is pulled, the death of the daemon. test_e1000e_tap.sh BACKEND
# Devices: e1000e twice, on one cable. Programs: ip, ping, iperf3, tcpdump.
# shellcheck source-path=SCRIPTDIR
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR
. "${0%/*}/lib_daemon.sh"

backend=${1:-vfio}
[ "$backend" = vfio ] && driver=vfio-pci || driver=udrv_stub
kills=${UDRV_KILLS:-3}
# shellcheck disable=SC2086 # a list of words
set -- $UDRV_LAB_DEVICES
card=$1
other=$2
ip=/usr/bin/ip
ping=/usr/bin/ping
lock=/run/udrv/$card.lock
log=/run/udrv/e1000e@$card.log

# QEMU 7.2 aborts if the daemon dies while it throttles interrupts.
run()
{
	udrv run e1000e "$card" --tap lan0 --detach moderation=off "$@"
}

link_is()
{
	wait_for 600 sh -c "$ip -d link show $1 | grep -qE '$2'"
}

answers()
{
	wait_for 600 $ping -c 1 -W 1 "$1"
}

connect()
{
	$ip addr replace 10.0.0.1/24 dev lan0 && $ip link set lan0 up && answers 10.0.0.2
}

# One ends a moment after its client.
no_server()
{
	! $ip netns exec far grep -q ':1451 .* 0A ' /proc/net/tcp /proc/net/tcp6
}

# A server for one client, there; its port is open when this returns.
serve()
{
	wait_for 600 no_server || return 1
	$ip netns exec far /usr/bin/iperf3 -s -1 -D && wait_for 600 $ip netns exec far \
		grep -q ':1451 .* 0A ' /proc/net/tcp /proc/net/tcp6
}

check "modules" modprobe -a e1000e tun 8021q $driver
check "bind" udrv bind --driver $driver "$card"
far=$(ls "/sys/bus/pci/devices/$other/net")
check "a namespace" $ip netns add far
check "for the other one" $ip link set "$far" netns far
check "its address" $ip -n far addr add 10.0.0.2/24 dev "$far"
check "it is up" $ip -n far link set "$far" up

# --- Ordinary programs
check "start" -m 'lan0: network interface of e1000e-' run
address=$(sed -n 's/.*lan0: network interface of [^,]*, \([0-9a-f:]*\),.*/\1/p' $check_out)
check "it has the card's address" -m "$address" $ip link show lan0
check "connected" connect
check "link" -m 'LOWER_UP' $ip link show lan0
check "speed" -m '^1000$' cat /sys/class/net/lan0/speed
check "ping 1,000" no_loss 1000 10.0.0.2
for size in 0 1 17 18 64 1000 1471 1472 1473 2930 9000 30000 65000; do
	check "$size bytes" one_by_one 2 -s $size 10.0.0.2
done
for way in "" -R "-u -b 5M" "-u -b 5M -R"; do
	check "iperf3 serves" serve
	# shellcheck disable=SC2086 # a list of words
	check "iperf3 $way" -m '[1-9][0-9.]* [KMG]Bytes .*receiver' timeout 300 /usr/bin/iperf3 -c 10.0.0.2 -t 2 $way
done
$ping -q -i 0.05 -w 600 10.0.0.2 >/dev/null 2>&1 &
pinger=$!
check "tcpdump" -m '10.0.0.1 > 10.0.0.2: ICMP echo request' -m '10.0.0.2 > 10.0.0.1: ICMP echo reply' \
	timeout 300 /usr/bin/tcpdump -Z root -n -c 10 -i lan0 icmp
kill $pinger

# --- VLANs
check "a VLAN" sh -c "$ip link add link lan0 name lan0.5 type vlan id 5 &&
	$ip addr add 10.0.5.1/24 dev lan0.5 && $ip link set lan0.5 up"
check "there, too" sh -c "$ip -n far link add link $far name far5 type vlan id 5 &&
	$ip -n far addr add 10.0.5.2/24 dev far5 && $ip -n far link set far5 up"
check "is connected" answers 10.0.5.2
check "ping there" no_loss 50 -s 1472 10.0.5.2

# --- MTU
check "MTU 9000 there" $ip -n far link set "$far" mtu 9000
check "MTU 9000" $ip link set lan0 mtu 9000
check "the link comes back" link_is lan0 'mtu 9000 .*LOWER_UP|LOWER_UP.* mtu 9000'
check "connected by that" answers 10.0.0.2
check "in one piece" no_loss 20 -M 'do' -s 8972 10.0.0.2
check "not more" -s 1 -m "message too long" $ping -M 'do' -s 8973 -c 1 10.0.0.2
check "iperf3 serves that" serve
check "iperf3 by that" -m '[1-9][0-9.]* [KMG]Bytes .*receiver' timeout 300 /usr/bin/iperf3 -c 10.0.0.2 -t 2
check "MTU 1500" sh -c "$ip link set lan0 mtu 1500; $ip -n far link set $far mtu 1500"
check "connected again" answers 10.0.0.2

# --- The cable
for i in 1 2; do
	echo "link net0a off" >/dev/lab
	check "the cable is pulled $i" link_is lan0 NO-CARRIER
	echo "link net0a on" >/dev/lab
	check "and put in $i" link_is lan0 LOWER_UP
	check "it goes on $i" answers 10.0.0.2
done

# --- SIGKILL under traffic
for i in $(seq "$kills"); do
	check "traffic $i" serve
	timeout 300 /usr/bin/iperf3 -c 10.0.0.2 -t 300 >/dev/null 2>&1 &
	iperf=$!
	check "it flows $i" wait_for 600 sh -c "[ \$(cat /sys/class/net/lan0/statistics/tx_packets) -gt 100 ]"
	check "SIGKILL $i" kill_daemon
	check "the interface is gone $i" -s 1 $ip link show lan0
	kill $iperf 2>/dev/null
	wait $iperf
	$ip netns exec far killall iperf3 2>/dev/null
	check "the same again $i" -m "lan0: .*$address" run
	check "connected after that $i" connect
done
check "ping after that" no_loss 100 10.0.0.2
check "stop" stop_daemon
check "it is gone" -s 1 $ip link show lan0
check "it says what it did" -m 'lan0: ended after .* frames received' cat $log
check "the kernel's driver again" udrv unbind "$card"
finish
