# SPDX-License-Identifier: MIT
# need TOOL...: without one of them the test fails, or is skipped if UDRV_ALLOW_SKIP=1 says so.
need() {
	for tool in "$@"; do
		command -v "$tool" >/dev/null && continue
		if [ "${UDRV_ALLOW_SKIP:-}" = 1 ]; then
			echo "skipped: $tool is not installed"
			exit 77
		fi
		echo "$tool is not installed: install it (tools/setup), or set UDRV_ALLOW_SKIP=1 to skip" >&2
		exit 1
	done
}
