# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# Sourced after lib.sh by the scripts about ublk: daemons that export, and what becomes of the disk.
# They set driver and device.
# shellcheck disable=SC2154

kills=${UDRV_KILLS:-5}
disk=/dev/ublkb0

daemon_pid()
{
	cut -d' ' -f1 "/run/udrv/${1:-$device}.lock"
}

ended()
{
	! kill -0 "$1" 2>/dev/null
}

stop()
{
	pid=$(daemon_pid "$1")
	kill -TERM "$pid" && wait_for 600 ended "$pid"
}

# As dead as it gets, in the middle of whatever it does.
kill_daemon()
{
	pid=$(daemon_pid)
	kill -KILL "$pid" && wait_for 600 ended "$pid"
}

run()
{
	udrv run $driver "$device" --ublk --detach "$@"
}

nothing_left()
{
	! ls /dev/ublkb* /dev/ublkc*
}

# same FILE OFFSET-KIB KIB: these are the disk's contents there
same()
{
	dd if=$disk bs=64k skip=$(($2 * 1024)) count=$(($3 * 1024)) iflag=direct,skip_bytes,count_bytes 2>/dev/null |
		cmp - "$1"
}

# zeroes OFFSET-KIB KIB
zeroes()
{
	head -c $(($2 * 1024)) /dev/zero >/tmp/zeroes
	same /tmp/zeroes "$1" "$2"
}

# Writes that the disk has ended.
writes()
{
	awk '{ print $5 }' "/sys/block/${disk##*/}/stat"
}

writes_above()
{
	[ "$(writes)" -gt "$1" ]
}

load()
{
	until [ -e /tmp/enough ]; do
		fio --name=load --filename=$disk --direct=1 --ioengine=libaio --iodepth=16 --rw=randwrite \
			--bsrange=4k-64k --size=16m --verify=crc32c --verify_backlog=64 >/tmp/fio 2>&1 ||
			return
	done
}

begin_load()
{
	rm -f /tmp/enough
	load &
	load=$!
}

# After it was told that it is enough.
end_load()
{
	check "fio saw nothing but the right data" wait $load
	check "fio's own account" -m 'err= 0' cat /tmp/fio
}

# kill_under_load [PARAMETER...]: of the daemon that runs; requests wait for the next one.
kill_under_load()
{
	begin_load
	n=0
	while [ $n -lt "$kills" ]; do
		before=$(writes)
		wait_for 600 writes_above $((before + 20)) || break
		kill_daemon || break
		run "$@" >/tmp/start 2>&1 || break
		grep -q 'found again, and what waited goes on' /tmp/start || break
		n=$((n + 1))
		[ $((n % 20)) -ne 0 ] || echo "     killed $n times"
	done
	touch /tmp/enough
	# Without a daemon fio would wait for ever.
	[ $n -eq "$kills" ] || { cat /tmp/start && run "$@"; }
	check "SIGKILL and start $kills times under load" -m "^$kills$" echo $n
	end_load
}
