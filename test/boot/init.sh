#!/bin/busybox sh
# The guest's first process: mounts what AWS's init mounts (init.c of the enclaves' SDK bootstrap)
# around the image, loads what a Nitro kernel has built in, and runs the checks. The image's files
# lie in /rootfs, as its own ramdisk puts them. Results go to the second serial port.

bb=/bin/busybox
$bb mount -t devtmpfs -o nosuid,noexec dev /dev
$bb mount -t proc proc /proc
$bb mount -t sysfs sysfs /sys
$bb mount -t tmpfs tmpfs /run
$bb mount -t tmpfs tmpfs /tmp

image=/rootfs
$bb mount -t devtmpfs -o nosuid,noexec dev $image/dev
$bb mount -t proc -o nodev,nosuid,noexec proc $image/proc
for link in fd:fd stdin:fd/0 stdout:fd/1 stderr:fd/2; do
  $bb ln -s /proc/self/${link#*:} /dev/${link%:*}
done
$bb mount -t tmpfs -o nodev,nosuid,noexec,mode=0755 tmpfs $image/run
$bb mount -t tmpfs -o nodev,nosuid,noexec tmpfs $image/tmp
$bb mkdir -p /dev/shm /dev/pts
$bb mount -t tmpfs -o nodev,nosuid,noexec shm /dev/shm
$bb mount -t devpts -o nosuid,noexec devpts /dev/pts
$bb mount -t sysfs -o nodev,nosuid,noexec sysfs $image/sys

for module in vsock vmw_vsock_virtio_transport_common vsock_loopback cuse; do
  $bb insmod /modules/$module.ko || echo "init: $module.ko did not load"
done
$bb ip link set lo up
# Cores would be written: that none is, is the program's doing and not the guest's.
ulimit -c unlimited
echo '/tmp/core.%e' >/proc/sys/kernel/core_pattern

$bb stty -F /dev/ttyS1 raw
$bb env -i PATH=/bin HOME=/tmp /bin/node --no-warnings /redoubt/test/boot/guest.ts >/dev/ttyS1
echo "init: the checks ended with $?"
$bb sync
$bb poweroff -f
