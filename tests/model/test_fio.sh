#!/bin/sh
# SPDX-License-Identifier: MIT
# fio's engine on the software controller: what is written is read back, by fio's own sums; and what cannot be is said.
# usage: test_fio.sh udrv-fio.so
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../guest/lib.sh"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp" || exit 1
engine=external:$1

run()
{
	timeout -k 5 300 fio --name=job --ioengine="$engine" --size=16m --randrepeat=0 "$@"
}

# verify NAME OPTION...: random places and sizes.
verify()
{
	verify_what=$1
	shift
	check "$verify_what" -m 'err= 0' run --filename='model\:nvme' --rw=randwrite --bsrange=512-256k --bs_unaligned=0 \
		--verify=crc32c --io_size=48m "$@"
}

for completion in polled interrupt adaptive; do
	for depth in 1 8 32; do
		verify "$completion, depth $depth" --completion=$completion --iodepth=$depth
	done
done
verify "four jobs with queues of their own, and flushes" --numjobs=4 --offset_increment=16m --iodepth=8 --fsync=16
verify "batches" --iodepth=32 --iodepth_batch=8 --iodepth_batch_complete_min=4
verify "a backend that is named" --backend=model-stub --iodepth=8
check "discards and writes" -m 'issued rwts: total=0,[1-9][0-9]*,[1-9]' \
	run --filename='model\:nvme' --rw=randtrimwrite --bs=4k --iodepth=16
# Wrong data would be seen.
check "a sum that is wrong" -s 1 -m 'verify: bad' run --filename='model\:nvme' --rw=read --bs=4k --verify=crc32c

check "no such device" -s 1 -m '^udrv: 0000:7f:00.0: no such device' run --filename='0000\:7f\:00.0' --rw=read
check "no device" -s 1 -m '^udrv: job.0.0: not a PCI address' run --rw=read
check "two" -s 1 -m '^udrv: a job has one filename' run --filename='model\:nvme:model\:edu' --rw=read
check "no such backend" -s 1 -m "no backend named 'x'" run --filename='model\:nvme' --rw=read --backend=x
check "no such namespace" -s 1 -m '^udrv: model:nvme has no namespace 9' run --filename='model\:nvme' --rw=read --nsid=9
check "no such block" -s 1 -m 'multiples of 512, at most 524288' run --filename='model\:nvme' --rw=read --bs=100
check "too large a block" -s 1 -m 'multiples of 512, at most 524288' run --filename='model\:nvme' --rw=read --bs=1m
check "too deep" -s 1 -m '^udrv: no queue of 4096 entries: .* queues of up to 1024' \
	run --filename='model\:nvme' --rw=read --iodepth=4000
check "two backends" -s 1 -m 'another job has it by backend model$' run --filename='model\:nvme' --rw=read \
	--name=second --filename='model\:nvme' --ioengine="$engine" --size=16m --backend=model-stub
check "by threads of fio's" -s 1 run --filename='model\:nvme' --rw=read --io_submit_mode=offload
check "opened late" -s 1 -m '^udrv: not with create_serialize=0' run --filename='model\:nvme' --rw=read --create_serialize=0
check "a large discard" -m 'err= 0' run --filename='model\:nvme' --rw=trim --bs=1m
check "no such completion" -s 1 -m 'completion=x' run --filename='model\:nvme' --rw=read --completion=x
finish
