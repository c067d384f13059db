#!/bin/sh
# SPDX-License-Identifier: MIT
# udrv bind and unbind on a real kernel. Devices: edu, e1000e, nvme with a disk.
# shellcheck source-path=SCRIPTDIR
. "${0%/*}/lib.sh"

modprobe e1000e
modprobe nvme
edu=$(device_by_ids 1234:11e8)
nic=$(device_by_ids 8086:10d3)
nvme=$(device_by_ids 1b36:0010)
wait_for 600 test -e "/sys/bus/pci/devices/$nic/net"
wait_for 600 readable /dev/nvme0n1
netif=$(ls "/sys/bus/pci/devices/$nic/net")

group_of()
{
	basename "$(readlink "/sys/bus/pci/devices/$1/iommu_group")"
}

# --- A device without a driver
check "dry run changes nothing" -m "$edu: would be bound to vfio-pci" udrv bind --dry-run "$edu"
check_driver "dry run bound nothing" "$edu" none
check_clean "dry run leaves nothing" "$edu"
check "bind loads vfio-pci" -m "$edu: bound to vfio-pci" -m "/dev/vfio/$(group_of "$edu")" \
	-m "udrv run .* $edu" udrv bind "${edu#0000:}"
check_driver "edu is bound" "$edu" vfio-pci
check "the group's node is there" test -c "/dev/vfio/$(group_of "$edu")"
check "info tells what is remembered" -m "Former driver +none" udrv info "$edu"
check "binding again changes nothing" -m "already bound to vfio-pci" udrv bind "$edu"
check "binding to another driver" -m "bound to pci-stub" udrv bind --driver pci-stub "$edu"
check "info knows the first driver" -m "Driver +pci-stub" -m "Former driver +none" \
	udrv info "$edu"
check "unbind" -m "$edu: without a driver again" udrv unbind "$edu"
check_driver "edu has no driver again" "$edu" none
check_clean "unbind leaves nothing" "$edu"
check "unbind of what was not bound" -s 1 -m "udrv: $edu was not bound by udrv" udrv unbind "$edu"

# --- A device with a driver gets it back
ip link set "$netif" down
check "e1000e is bound by its name" -m "$nic: bound to vfio-pci .before: e1000e" udrv bind "$nic"
check "the interface is gone" -s 1 test -e "/sys/class/net/$netif"
check "info names the former driver" -m "Former driver +e1000e" udrv info "$nic"
check "json of info" -m '"driver":"vfio-pci"' -m '"driver":"e1000e"' udrv info --json "$nic"
check "unbind restores" -m "$nic: bound to e1000e again" udrv unbind "$nic"
check_driver "e1000e has it back" "$nic" e1000e
check_clean "unbind leaves nothing of e1000e" "$nic"
wait_for 600 test -e "/sys/bus/pci/devices/$nic/net"
netif=$(ls "/sys/bus/pci/devices/$nic/net")

# --- Two devices, and the same one twice
check "several devices at once" -m "$edu: bound" -m "$nic: bound" udrv bind "$edu" "$nic" "$edu"
check "json of unbind" -m '"result":"done"' -m '"driver":"e1000e"' \
	udrv unbind --json "$edu" "$nic"
check "json of bind" -m '"result":"done"' -m "\"address\":\"$edu\"" -m '"former_driver":null' \
	udrv bind --json "$edu"
check "json of what is bound" -m '"result":"already"' udrv bind --json "$edu"
check "unbind once more" udrv unbind "$edu"

# --- Bad input
check "a node of whatever class" -s 1 -m 'has /dev/vport[0-9]+p[0-9]+ open' udrv bind 00:02.0
check "malformed address" -s 2 -m 'udrv: 00:zz.0: not a PCI address' udrv bind 00:zz.0
check "no device given" -s 2 -m 'which DEVICE' udrv bind
check "no such device" -s 1 -m 'udrv: 0000:00:13.0: no such device' -m 'udrv list' \
	udrv bind 00:13.0
check "one of two is missing: nothing is bound" -s 1 -m 'no such device' \
	udrv bind "$edu" 00:13.0
check_driver "the other is not bound" "$edu" none
check "unbind of no such device" -s 1 -m 'no such device' udrv unbind 00:13.0
check "not a driver's name" -s 2 -m "'../nvme' is not a driver" udrv bind --driver ../nvme "$edu"
check "no such driver" -s 1 -m 'nosuch is not loaded and modprobe cannot find it' \
	udrv bind --driver nosuch "$nic"
check_driver "no such driver: e1000e keeps its driver" "$nic" e1000e
check_clean "no such driver leaves nothing" "$nic"
check "not root" -s 1 -m 'udrv: binding drivers needs root' \
	as_nobody udrv bind "$edu"

# --- A driver that does not take the device: everything as before
check "refused by the driver" -s 1 -m "$nic: cannot bind to virtio-pci" -m 'put back to e1000e' \
	udrv bind --driver virtio-pci "$nic"
check_driver "rolled back to e1000e" "$nic" e1000e
check_clean "rolling back leaves nothing" "$nic"
check "refused, with another bound by udrv before" -s 1 -m "$edu: cannot bind to virtio-pci" \
	-m "put back to vfio-pci" sh -c "udrv bind $edu && udrv bind --driver virtio-pci $edu"
check_driver "rolled back to vfio-pci" "$edu" vfio-pci
check "and goes back to what it was first" -m "without a driver again" udrv unbind "$edu"
wait_for 600 test -e "/sys/bus/pci/devices/$nic/net"
netif=$(ls "/sys/bus/pci/devices/$nic/net")

# --- udrv's stub and uio_pci_generic
check "dry run of the stub" -m "$edu: would be bound to udrv_stub" \
	udrv bind --dry-run --driver stub "$edu"
check "the stub" -m "$edu: bound to udrv_stub .before: no driver" \
	-m "^$edu: /dev/uio0, /dev/udrv_stub-$edu; next: udrv run DRIVER $edu" \
	udrv bind --driver stub "$edu"
check_driver "edu has the stub" "$edu" udrv_stub
check "its nodes are there" test -c "/dev/udrv_stub-$edu" -a -c /dev/uio0
check "by its own name it is the same" -m 'already bound to udrv_stub' \
	udrv bind --driver udrv_stub "$edu"
for node in "udrv_stub-$edu" uio0; do
	check "$node is open" -s 1 \
		-m "$edu is in use: process [0-9]+ .*sh.* has /dev/$node open" \
		sh -c "udrv bind $edu; exit" 8<>"/dev/$node"
done
check "from the stub to uio" -m "$edu: bound to uio_pci_generic .before: udrv_stub" \
	-m "^$edu: /dev/uio0, INTx only, no DMA; next: udrv run DRIVER $edu" \
	udrv bind --driver uio "$edu"
check "from uio to vfio" -m 'bound to vfio-pci .before: uio_pci_generic' \
	udrv bind --driver vfio "$edu"
check "and back to none" -m "$edu: without a driver again" udrv unbind "$edu"
check_clean "nothing is left of the three" "$edu"
check "e1000e to the stub" -m '"result":"done"' -m '"former_driver":"e1000e"' \
	udrv bind --json --driver stub "$nic"
check "e1000e again" -m "$nic: bound to e1000e again" udrv unbind "$nic"
check_driver "e1000e has it back from the stub" "$nic" e1000e
wait_for 600 test -e "/sys/bus/pci/devices/$nic/net"
netif=$(ls "/sys/bus/pci/devices/$nic/net")

# --- In use: a network interface
ip link set "$netif" up
check "interface up" -s 1 -m "$nic is in use: network interface $netif is up" -m 'force' \
	udrv bind "$nic"
check_driver "interface up: not bound" "$nic" e1000e
check "list says so" -m "e1000e.* $netif up" udrv list "$nic"
sleep 0.2 # QEMU 7.2's e1000e: no MSI-X change right after an interrupt
check "interface up, forced" -m 'bound to vfio-pci' udrv bind --force "$nic"
check "forced, and back" -m 'bound to e1000e again' udrv unbind "$nic"

# --- In use: a disk
mke2fs /dev/nvme0n1 >/dev/null 2>&1
mkdir -p /tmp/disk
check "mount" mount -t ext4 /dev/nvme0n1 /tmp/disk
check "mounted" -s 1 -m "$nvme is in use: nvme0n1 is mounted at /tmp/disk" udrv bind "$nvme"
check "mounted: info says so" -m '"kind":"mount"' udrv info --json "$nvme"
umount /tmp/disk
unshare -m sh -c 'mount -t ext4 /dev/nvme0n1 /tmp/disk && : >/tmp/is_there && exec sleep 1000' &
user=$!
check "mount in another namespace" wait_for 600 test -e /tmp/is_there
check "mounted in another namespace: info says so" -m claimed udrv info "$nvme"
check "mounted in another namespace" -s 1 -m "$nvme is in use: nvme0n1 is claimed by the kernel" \
	udrv bind "$nvme"
kill "$user"
wait "$user" 2>/dev/null
wait_for 600 sh -c "! udrv info $nvme | grep claimed"
mkswap /dev/nvme0n1 >/dev/null 2>&1
check "swapon" swapon /dev/nvme0n1
check "swapped to" -s 1 -m "$nvme is in use: nvme0n1 is swap" udrv bind "$nvme"
swapoff /dev/nvme0n1
check "opened" -s 1 -m "$nvme is in use: process [0-9]+ .*sh.* has /dev/nvme0n1 open" \
	sh -c "udrv bind $nvme; exit" 8</dev/nvme0n1
check "free again" -m "$nvme: bound to vfio-pci" udrv bind "$nvme"
check "nvme, and back" -m "$nvme: bound to nvme again" udrv unbind "$nvme"

# --- In use: a user of the group
check "bind for a user" udrv bind "$edu"
sleep 1000 9<>"/dev/vfio/$(group_of "$edu")" &
user=$!
wait_for 600 sh -c "udrv info $edu | grep -q 'process $user .sleep'"
check "unbind while open" -s 1 \
	-m "$edu is in use: process $user .sleep. has /dev/vfio/$(group_of "$edu") open" \
	udrv unbind "$edu"
check_driver "unbind while open: still bound" "$edu" vfio-pci
check "to another driver while open" -s 1 -m "process $user .sleep." \
	udrv bind --driver pci-stub "$edu"
kill "$user"
wait "$user" 2>/dev/null
check "unbind after it ended" -m 'without a driver again' udrv unbind "$edu"
check_clean "nothing is left of the user" "$edu"

# --- A user that does not answer when the kernel asks for the device: never hang
check "bind for a daemon" udrv bind "$edu"
udrv run edu "$edu" 2>/dev/null &
wait_for 600 sh -c "udrv info $edu | grep -q udrv-edu"
daemon=$(pidof udrv-edu)
check "unbind from a daemon" -s 1 -m "in use: process $daemon .udrv-edu." udrv unbind "$edu"
kill -STOP "$daemon"
check "forced from a stopped daemon" -s 1 -m 'unbinding from vfio-pci: .* not finished in time' \
	-m "then run .udrv unbind $edu" timeout 300 udrv unbind --force "$edu"
kill -KILL "$daemon"
wait_for 600 sh -c "! kill -0 $daemon"
check "unbind after its end" -m 'without a driver again' udrv unbind "$edu"
check_clean "nothing is left in the end" "$edu"
finish
