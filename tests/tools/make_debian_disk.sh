#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Make the image of a disk with a small Debian for i386: packages by mmdebstrap, then make_boot_disk.sh. As root or, where
# there are user namespaces, as anybody else. It has systemd, a login on the screen and on COM1, and a network by DHCP on
# any card Linux has a driver for; documentation, translations and drivers for what no virtual PC has are left out.
#
# Usage: make_debian_disk.sh MIRROR SUITE KEYRING IMAGE MIB [PACKAGE...]
# Whatever tools say goes to IMAGE.log.

# shellcheck disable=SC2016 # what is in single quotes is for other shells

set -euo pipefail

tools=$(dirname "$(readlink -f "$0")")
mirror=$1 suite=$2 keyring=$3 image=$4 mib=$5
shift 5
packages=linux-image-686,initramfs-tools,systemd-sysv,udev,dbus,login,kmod,e2fsprogs,iproute2,procps,less,nano
for package in "$@"; do
    packages+=,$package
done
# Copyrights stay.
options=()
for pattern in '/usr/share/man/*' '/usr/share/info/*' '/usr/share/locale/*' '/usr/share/doc/*' \
    '/lib/modules/*/kernel/drivers/'{gpu,media,infiniband,net/wireless}'/*'; do
    options+=("--dpkgopt=path-exclude=$pattern")
done
options+=("--dpkgopt=path-include=/usr/share/doc/*/copyright")

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work" # mmdebstrap's other users look into it
uuid=$(cat /proc/sys/kernel/random/uuid)

# How the host reaches its mirrors; the disk does not keep it.
apt-config dump | grep -E '^Acquire::([a-z]+::.*[Pp]roxy|Check-)' >"$work/host.conf" || true

# The initramfs has what finds the disk, and not every driver there is.
cat >"$work/modules" <<'END'
ata_piix
sd_mod
ext4
END
echo "MODULES=list" >"$work/initramfs.conf"

cat >"$work/fstab" <<END
UUID=$uuid / ext4 errors=remount-ro 0 1
END
cat >"$work/network" <<'END'
[Match]
Type=ether

[Network]
DHCP=yes
END
cat >"$work/issue" <<'END'
Debian GNU/Linux \n \l
The user is root and has no password; "poweroff" ends the machine.

END
cat >"$work/grub.cfg" <<END
set timeout=2
menuentry 'Debian GNU/Linux' {
    linux /vmlinuz root=UUID=$uuid ro quiet console=ttyS0,115200 console=tty0
    initrd /initrd.img
}
menuentry 'Debian GNU/Linux, messages on COM1' {
    linux /vmlinuz root=UUID=$uuid ro console=tty0 console=ttyS0,115200
    initrd /initrd.img
}
menuentry 'Debian GNU/Linux, nothing but a shell' {
    linux /vmlinuz root=UUID=$uuid rw console=ttyS0,115200 console=tty0 init=/bin/sh
    initrd /initrd.img
}
END

{
    mmdebstrap --quiet --variant=minbase --format=tar --architectures=i386 --include="$packages" "${options[@]}" \
        --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' \
        --setup-hook="upload $work/host.conf /etc/apt/apt.conf.d/00host" \
        --setup-hook='mkdir -p "$1/etc/initramfs-tools/conf.d" "$1/usr/share/initramfs-tools/modules.d"' \
        --setup-hook="upload $work/initramfs.conf /etc/initramfs-tools/conf.d/list" \
        --setup-hook="upload $work/modules /usr/share/initramfs-tools/modules.d/list" \
        --customize-hook='rm "$1/etc/apt/apt.conf.d/00host"' \
        --customize-hook="upload $work/fstab /etc/fstab" \
        --customize-hook="upload $work/issue /etc/issue" \
        --customize-hook="upload $work/network /etc/systemd/network/80-dhcp.network" \
        --customize-hook='mkdir -p "$1/boot/grub"' \
        --customize-hook="upload $work/grub.cfg /boot/grub/grub.cfg" \
        --customize-hook='echo duplex86 >"$1/etc/hostname"; echo 127.0.0.1 localhost duplex86 >"$1/etc/hosts"' \
        --customize-hook='chroot "$1" passwd --delete root' \
        --customize-hook='chroot "$1" systemctl enable systemd-networkd' \
        "$suite" "$work/root.tar" "deb [signed-by=$keyring] $mirror $suite main"
    mkdir "$work/tree"
    fakeroot -- bash -c 'tar -x --numeric-owner -C "$1/tree" -f "$1/root.tar" && rm "$1/root.tar" &&
        "$2/make_boot_disk.sh" "$1/tree" "$3" "$4" "$5"' - "$work" "$tools" "$image.new" "$mib" "$uuid"
} >"$image.log" 2>&1
mv "$image.new" "$image"
