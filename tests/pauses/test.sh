#!/bin/sh
# SPDX-License-Identifier: MIT
# What pause_threads returns, and that it stops what its command started.
# usage: test.sh PAUSE_THREADS
set -u
pause_threads=$1
failed=0

# ends STATUS ARGUMENT...
ends()
{
	expected=$1
	shift
	status=0
	"$pause_threads" --gap-ms 1 --max-ms 20 "$@" || status=$?
	[ "$status" = "$expected" ] || {
		echo "pause_threads $*: status $status instead of $expected"
		failed=1
	}
}

ends 0 true
ends 3 sh -c 'exit 3'
ends 137 sh -c 'kill -9 $$'
ends 127 no-such-program
ends 2 --max-ms
ends 2 --seed x true
ends 2
# It ends when it has seen it: no pause, no end.
ends 0 sh -c 'sleep 1000 &
	until grep -q "TracerPid:.[1-9]" /proc/$!/status; do :; done
	kill $!'
# A daemon, which is nobody's child but pause_threads'.
ends 0 sh -c 'pid=$(setsid sh -c "sleep 1000 >/dev/null & echo \$!")
	until grep -q "TracerPid:.[1-9]" /proc/$pid/status; do :; done
	kill $pid'
exit $failed
