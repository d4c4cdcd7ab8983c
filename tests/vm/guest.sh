#!/bin/bash
# Inside a machine, as root: make the host's files fast and writable, run a command among them.
#
#   guest.sh TAG SHARE MODULES CHECKOUT COMMAND...
#
# TAG is the 9p export of the host's root, SHARE a folder that the host sees too, where the command
# finds itself and leaves its output and exit status; MODULES are the kernel's.

set -eu
tag=$1 share=$2 modules=$3 checkout=$4
shift 4

# The machine's own root has no cache: each page of each program would come from the host each time.
# With cache=loose 9p reads a file once. What is written goes to memory, and away with the machine.
mkdir /run/machine
mount -t tmpfs -o size=70% machine /run/machine
cd /run/machine
mkdir host written work root
mount -t 9p -o ro,version=9p2000.L,trans=virtio,cache=loose,access=any,msize=512000 "$tag" host
mount -t overlay -o lowerdir=host,upperdir=written,workdir=work overlay root

# The host's namespaces and sockets are in its /run: not for the machine to see.
mount -t tmpfs run root/run
mount -t proc proc root/proc
mount -t sysfs sys root/sys
mount -t bpf bpf root/sys/fs/bpf
mount --rbind /dev root/dev
mkdir -p root/lib/modules root/run/share
ln -sfn "$modules" "root/lib/modules/$(uname -r)"
mount --bind "$share" root/run/share
ip link set lo up
# The default since Linux 6.8. With the 20 KB of before, the kernel takes no long socket filters,
# which netbpf's error explains; their verdicts are to be compared all the same.
echo 131072 >/proc/sys/net/core/optmem_max

uname -r >"$share/release"
status=0
chroot root /bin/sh -c 'cd "$1" && shift && exec "$@"' sh "$checkout" "$@" \
    </dev/null >"$share/output" 2>&1 || status=$?
echo "$status" >"$share/status"
sync
