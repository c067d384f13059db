#!/bin/sh
# SPDX-License-Identifier: MIT
# udrv list, info and the command itself. Devices: edu, e1000e.
# shellcheck source-path=SCRIPTDIR
. "${0%/*}/lib.sh"

modprobe e1000e
edu=$(device_by_ids 1234:11e8)
nic=$(device_by_ids 8086:10d3)
bridge=$(device_by_ids 8086:29c0)
wait_for 600 test -e "/sys/bus/pci/devices/$nic/driver"

# --- list
check "list has a title" -m '^ADDRESS +CLASS +NAME +ID +DRIVER +GROUP +NODE +IN USE$' udrv list
check "list has both devices" -m "^$edu .*\[1234:11e8\] +- +[0-9]+ +- +-\$" \
	-m "^$nic +Ethernet controller +Intel .*\[8086:10d3\] +e1000e +[0-9]+" -x "^$bridge" udrv list
check "list --all has bridges" -m "^$bridge" -m "^$edu" udrv list --all
check "list of one by address" -m "^$nic" -x "^$edu" udrv list "${nic#0000:}"
check "list of one by ids" -m "^$edu" -x "^$nic" udrv list 1234:11E8
check "list of a bridge by address" -m "^$bridge" udrv list "$bridge"
check "list without root" -m "^$edu" -m "^$nic" as_nobody udrv list
check "list --json" -m '^\[$' -m "\"address\":\"$edu\"" -m '"vendor":"0x1234"' \
	-m '"device":"0x11e8"' -m '"driver":null' -m '"driver":"e1000e"' -m '"iommu_group":[0-9]' \
	-m '"numa_node":null' -m '"in_use":\[' udrv list --json
check "list: no such ids" -s 1 -m 'udrv: dead:beef: no device with these ids' udrv list dead:beef
check "list: no such device" -s 1 -m 'udrv: 0000:00:13.0: no such device' udrv list 00:13.0
check "list: malformed filter" -s 2 -m 'udrv: 12:34: neither an address' udrv list 12:34
check "list: empty array where nothing matches" -s 1 -m '^\[$' udrv list --json dead:beef

# --- info
check "info of edu" -m "Address +$edu" -m 'Class +[A-Za-z ]+ \[00ff00\]$' -m 'Driver +none' \
	-m 'BAR 0 +1 MiB, memory' -m 'MSI vectors +1' -m 'IOMMU group +[0-9]+' \
	-m '040: MSI \[05\]' -m 'In use +no' udrv info "$edu"
check "info of e1000e" -m 'Driver +e1000e' -m 'MSI-X vectors +5' -m 'BAR 2 +32 bytes, I/O ports' \
	-m 'PCI Express' -m '100: Advanced Error Reporting .extended 01' udrv info "$nic"
check "info without root says what it lacks" -m 'Capabilities +hidden: .* root only' \
	-x 'MSI vectors' as_nobody udrv info "$edu"
check "info --json" -m '"msix_vectors":5' -m '"extended":true' -m '"bar":0' -m '"bar":"rom"' \
	-m '"size":131072' -m '"type":"io"' -m '"driver_override":null' -m '"remembered":null' \
	udrv info --json "$nic"
check "info --json without root" -m '"capabilities":null' -m '"msi_vectors":null' \
	as_nobody udrv info --json "$edu"
check "info: no such device" -s 1 -m 'udrv: 0000:00:13.0: no such device' udrv info 00:13.0
check "info: malformed address" -s 2 -m 'udrv: nonsense: not a PCI address' udrv info nonsense
check "info: two devices" -s 2 -m 'only one DEVICE' udrv info "$edu" "$nic"

# --- the command
check "help" -m '^Usage: udrv VERB' -m '^  bind ' -m '^Drivers: .*edu' udrv --help
check "run without a driver lists them" -s 2 -m 'which driver. There are: .*edu' udrv run
check "help of a verb" -m '^Usage: udrv bind .*DEVICE' udrv help bind
check "version" -m '^udrv [0-9]+\.[0-9]+' udrv --version
check "no verb" -s 2 -m '^udrv: no verb' udrv
check "unknown verb" -s 2 -m "^udrv: no verb 'nonsense'" udrv nonsense
check "a verb with a slash" -s 2 -m "^udrv: no verb '../sh'" udrv ../sh
mkdir -p /tmp/path
cat >/tmp/path/udrv-extra <<'END'
#!/bin/sh
echo "$0 got $*"
exit 7
END
chmod +x /tmp/path/udrv-extra
PATH=$PATH:/tmp/path
check "a program on PATH is a verb" -s 7 -m 'udrv-extra got one --two' udrv extra one --two
check "full disk" -s 1 -m 'udrv: cannot write to standard output' sh -c 'udrv list >/dev/full'
finish
