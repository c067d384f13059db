#!/bin/sh
# SPDX-License-Identifier: MIT
# A network card as an interface, by a card in memory: what cannot be, what ip link does to it, two daemons with a wire between them in
# two network namespaces, the death and the end of the daemon.
# Devices: edu twice. Programs: ip, ping, tcpdump.
# shellcheck source-path=SCRIPTDIR
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR
. "${0%/*}/lib_daemon.sh"

# shellcheck disable=SC2086 # a list of words
set -- $UDRV_LAB_DEVICES
edu=$1
other=$2
ip=/usr/bin/ip
lock=/run/udrv/$edu.lock
log=/run/udrv/echonic@$edu.log

run()
{
	udrv run echonic "$edu" --tap net0 --detach "$@"
}

state()
{
	udrv-echonic --device "$edu" state
}

# state_is PATTERN: soon
state_is()
{
	wait_for 600 sh -c "udrv-echonic --device $edu state | grep -qE '$1'"
}

# link_is NAME PATTERN: soon
link_is()
{
	wait_for 600 sh -c "$ip -d link show $1 | grep -qE '$2'"
}

logged()
{
	wait_for 600 grep -qE -e "$1" $log
}

no_link()
{
	! $ip link show "$1"
}

gone()
{
	wait_for 600 no_link "$1"
}

# --- What cannot be
check "bind" udrv bind --driver vfio-pci "$edu"
check "bind the other" udrv bind --driver vfio-pci "$other"
check "no name" -s 2 -m 'an interface has a name' udrv run echonic "$edu" --tap=
check "a long name" -s 2 -m 'at most 15 characters' udrv run echonic "$edu" --tap a123456789012345
check "a name with a slash" -s 2 -m "has no '/'" udrv run echonic "$edu" --tap a/b
check "a name with another percent" -s 2 -m "after '%' comes 'd'" udrv run echonic "$edu" --tap=a%s
check "without a name" -s 2 -m 'without its value' udrv run echonic "$edu" --tap
check "in nbdkit" -s 2 -m 'nbdkit.s process' udrv run echonic "$edu" --tap net0 --nbd=/tmp/x
check "no card" -s 1 -m 'has found no network card' udrv run ramdisk "$edu" --tap net0
check "no module" -s 1 -m 'TUN/TAP is not there.*modprobe tun' run
check "the modules" modprobe -a tun veth
chmod 600 /dev/net/tun
mkdir -m 700 /tmp/nobody && chown nobody /tmp/nobody
check "no permission for the node" -s 1 -m '/dev/net/tun: Permission denied: run as root' \
	as_nobody "UDRV_RUNTIME_DIR=/tmp/nobody udrv-echonic run model:edu --tap net0"
chmod 666 /dev/net/tun
check "no permission for an interface" -s 1 -m '--tap net0: .*CAP_NET_ADMIN' \
	as_nobody "UDRV_RUNTIME_DIR=/tmp/nobody udrv-echonic run model:edu --tap net0"
check "an interface of another kind" $ip link add net0 type veth peer name net1
check "has the name" -s 1 -m 'there is such an interface \(veth\): choose another name' run
$ip link del net0
check "the loopback device" -s 1 -m 'such an interface \(a device of the kernel.s\)' \
	udrv run echonic "$edu" --tap lo
check "somebody else's TAP" $ip tuntap add net0 mode tap
check "is not taken" -s 1 -m 'net0: there is such an interface, or it cannot have this name' run
check "it has the address" $ip link set net0 address 02:75:64:72:76:01
check "which is a conflict" -s 1 -m 'net0 has the card.s address, 02:75:64:72:76:01: give it another' \
	udrv run echonic "$edu" --tap net1
$ip tuntap del net0 mode tap
check "two cards" -s 1 -m 'there are 2 network cards: a name with %d' run cards=2
check "nothing is left" no_link net0

# --- The interface
check "start" -m 'net0: network interface of echo0, 02:75:64:72:76:01, 2 queues' run
check "it is there" -m '02:75:64:72:76:01' -m 'mtu 1500' -m 'numqueues 2' -x 'NO-CARRIER|,UP' \
	$ip -d link show net0
check "the card is closed" -m '^closed mtu 1500' state
check "the speed" -m '^1000$' sh -c "$ip link set net0 up; cat /sys/class/net/net0/speed"
check "up opens it" state_is '^open mtu 1500.*flags 0x200 opens 1 '
check "an MTU" $ip link set net0 mtu 9000
check "is the card's" state_is '^open mtu 9000 .*opens 2 '
check "too much" $ip link set net0 mtu 9001
check "is taken back" link_is net0 'mtu 9000'
check "and said" logged 'takes an MTU of 68 to 9000: it stays 9000'
check "an address" $ip link set net0 address 02:00:00:00:00:09
check "is the card's, too" state_is 'address 02:00:00:00:00:09'
check "promiscuous" $ip link set net0 promisc on
check "so is the card" state_is 'flags 0x300'
check "no more" $ip link set net0 promisc off
check "nor the card" state_is 'flags 0x200'
check "another name" $ip link set net0 down
check "down closes it" state_is '^closed'
check "while it is down" $ip link set net0 name uplink
check "and an MTU" $ip link set uplink mtu 1400
check "is followed" state_is '^closed mtu 1400'
check "up again" $ip link set uplink up
check "opens it" state_is '^open mtu 1400'
check "ps has the name" -m "^$edu .* uplink$" udrv ps
check "no link" udrv-echonic --device "$edu" link off
check "is none of the interface" link_is uplink 'NO-CARRIER'
check "a link" udrv-echonic --device "$edu" link on
check "is one" link_is uplink 'LOWER_UP'
check "another namespace" $ip netns add moved
check "takes it" $ip link set uplink netns moved
check "it is down there" state_is '^closed'
check "up there" $ip -n moved link set uplink up mtu 1300
check "is followed there" state_is '^open mtu 1300'
check "stop" stop_daemon
check "it is gone there" -s 1 $ip -n moved link show uplink
check "it says what it did" -m 'uplink: ended after' cat $log

# --- What goes wrong later
check "a card that does not open" run open_error=5
check "up" $ip link set net0 up
check "is put down" logged 'its card cannot be opened: Input/output error'
check "as is seen" link_is net0 'state DOWN'
check "up, and it opens" sh -c "$ip link set net0 down; $ip link set net0 up"
check "indeed" state_is '^open'
check "stop that" stop_daemon
check "an address that it refuses" run address_error=5
check "is set" $ip link set net0 address 02:00:00:00:00:09
check "and taken back" link_is net0 '02:75:64:72:76:01'
pid=$(daemon_pid)
check "the interface is deleted" $ip link del net0
check "which ends the daemon" logged 'somebody has deleted the interface'
check "all of it" wait_for 600 ended "$pid"
check "start again" run
pid=$(daemon_pid)
check "the device goes" udrv-echonic --device "$edu" pull
check "the daemon ends" wait_for 600 ended "$pid"
check "the interface, too" gone net0
check "it said why" logged 'the device is gone'
check "a driver gives its card up" run
check "indeed it does" udrv-echonic --device "$edu" drop
check "that interface is gone" no_link net0
check "stop that one" stop_daemon
check "two cards, two interfaces" udrv run echonic "$edu" --tap lan%d --detach cards=2
check "the first" -m '02:75:64:72:76:01' $ip link show lan0
check "the second" -m '02:75:64:72:76:02' $ip link show lan1
check "stop them" stop_daemon
check "they are gone" no_link lan1

# --- A wire between two daemons
echo 1000 >/proc/sys/net/unix/max_dgram_qlen
near="from=/tmp/near to=/tmp/far unit=1"
far()
{
	udrv run echonic "$other" --tap far0 --detach from=/tmp/far to=/tmp/near unit=2 "$@"
}

# The device goes, and the daemon with it.
end_far()
{
	pid=$(cut -d' ' -f1 "/run/udrv/$other.lock")
	udrv-echonic --device "$other" pull && wait_for 600 ended "$pid"
}

# A carrier at both ends, addresses, and an answer to the first question.
connect()
{
	$ip addr replace 10.0.0.1/24 dev net0 && $ip link set net0 up &&
		{ $ip link set far0 netns far 2>/dev/null; $ip -n far addr replace 10.0.0.2/24 dev far0; } &&
		$ip -n far link set far0 up && wait_for 600 /usr/bin/ping -c 1 -W 1 10.0.0.2
}

$ip netns add far
for options in "" "event=off csum=off tso=off rx_csum=off dma=off queues=1"; do
	# shellcheck disable=SC2086 # lists of words
	check "near: $options" run $near $options
	# shellcheck disable=SC2086 # lists of words
	check "far: $options" far $options
	check "connected: $options" connect
	check "ping: $options" no_loss 100 10.0.0.2
	check "ping of 60000 bytes: $options" one_by_one 5 -s 60000 10.0.0.2
	rm -f /tmp/got
	$ip netns exec far nc -l -p 5000 -e sh -c 'cat >/tmp/got' &
	nc_pid=$!
	head -c 2000000 /dev/urandom >/tmp/sent
	check "a listener: $options" wait_for 600 $ip netns exec far sh -c \
		'grep -q ":1388 .* 0A " /proc/net/tcp /proc/net/tcp6'
	check "TCP: $options" sh -c 'nc -w 60 10.0.0.2 5000 </tmp/sent'
	wait $nc_pid
	check "arrives as it was: $options" cmp /tmp/sent /tmp/got
	check "stop near: $options" stop_daemon
	check "far goes: $options" end_far
	check "all of it: $options" -s 1 $ip -n far link show far0
done

# --- Under traffic: another MTU, tcpdump, SIGKILL
check "near" run $near
check "far" far
check "connected" connect
/usr/bin/ping -q -i 0.01 -w 600 10.0.0.2 >/tmp/ping 2>&1 &
ping=$!
check "tcpdump" -m '10.0.0.1 > 10.0.0.2: ICMP echo request' -m '10.0.0.2 > 10.0.0.1: ICMP echo reply' \
	/usr/bin/tcpdump -Z root -n -c 20 -i net0 icmp
for mtu in 9000 576 1500; do
	check "MTU $mtu" $ip link set net0 mtu $mtu
	check "is the card's: $mtu" state_is "^open mtu $mtu "
done
check "it goes on" wait_for 600 /usr/bin/ping -c 1 -W 1 10.0.0.2
for i in 1 2 3; do
	check "SIGKILL $i" kill_daemon
	check "the same name again $i" -m 'net0: network interface' run $near
	check "connected again $i" connect
done
kill $ping
wait $ping
check "stop" stop_daemon
check "nothing is left at last" no_link net0
finish
