#!/usr/bin/env bash
# Make a Debian or Ubuntu machine ready for netbpf: run as root, from a checkout, as often as you like.
#
# Afterwards the checkout is set up with the tools that its tests need, `netbpf` is in the PATH of
# all users, a BPF file system is at /sys/fs/bpf after every boot, and whoever owns the checkout
# begins there when logging in: so that `vagrant ssh -c 'make test'` finds the Makefile.

set -euo pipefail
cd "$(dirname "$0")/.."
checkout=$PWD
owner=$(stat --format=%U .)

if [[ $(id -u) -ne 0 ]]; then
    echo "netbpf: provisioning needs root: sudo $0" >&2
    exit 1
fi

# Not under sudo's or Vagrant's environment: the owner's files are the owner's business.
as_owner() { runuser --login "$owner" --command "$1"; }

.ci/system-packages test
as_owner "make --no-print-directory --directory=$(printf %q "$checkout") setup"
ln --symbolic --force --no-dereference "$checkout/.venv/bin/netbpf" /usr/local/bin/netbpf

# systemd mounts it anyway where it knows how; other systems do by this line.
if ! grep --quiet --extended-regexp '^[^#[:space:]]+[[:space:]]+/sys/fs/bpf[[:space:]]' /etc/fstab; then
    echo 'bpf /sys/fs/bpf bpf mode=0700,nofail 0 0' >>/etc/fstab
fi
mountpoint --quiet /sys/fs/bpf || mount /sys/fs/bpf

cat >/etc/profile.d/netbpf.sh <<END
# By netbpf's vagrant/provision.sh: $owner begins in the checkout.
if [ "\$(id -un)" = $(printf %q "$owner") ] && [ "\$PWD" = "\$HOME" ] && [ -d $(printf %q "$checkout") ]; then
    cd $(printf %q "$checkout")
fi
END

echo "netbpf: ready in $checkout: make test (sudo make test: all of them), netbpf doctor"
