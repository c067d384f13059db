# SPDX-License-Identifier: MIT
# Helpers of guest tests of one daemon, beside lib.sh, which is sourced before. $lock is the daemon's lock file.

daemon_pid()
{
	cut -d' ' -f1 "$lock"
}

ended()
{
	! kill -0 "$1" 2>/dev/null
}

# end_daemon SIGNAL: it is gone soon.
end_daemon()
{
	pid=$(daemon_pid)
	kill "-$1" "$pid" && wait_for 600 ended "$pid"
}

stop_daemon()
{
	end_daemon TERM
}

# As dead as it gets, in the middle of whatever it does.
kill_daemon()
{
	end_daemon KILL
}
