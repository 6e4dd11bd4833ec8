#!/usr/bin/env bash
#
# Builds Thrum without the programs of the Linux ABI, and boots that: what init runs then. Then with
# a user's own files.
#
#     test-native.sh SCRATCH-DIRECTORY

set -euo pipefail

here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
scratch=$(mktemp -d "${1:?usage: test-native.sh SCRATCH-DIRECTORY}/native.XXXXXX")
trap 'rm -rf "$scratch"' EXIT

cmake -S "$here/../.." -B "$scratch/build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo \
    -DTHRUM_LINUX=OFF -DTHRUM_HOST_TESTS=OFF
cmake --build "$scratch/build" --target iso
if grep -qaE 'bin/busybox|musl' "$scratch/build/initrd.cpio"; then
    echo "FAILED: the initrd has busybox, or a program upon musl"
    exit 1
fi
"$BASH" "$here/run-case.sh" --name native --log "$scratch/serial.log" --timeout 180 \
    --iso "$scratch/build/thrum.iso" --expect exit=0 --expect text=verified

mkdir -p "$scratch/mine/bin" "$scratch/mine/etc"
echo "in place of Thrum's" >"$scratch/mine/bin/lwpdemo"
echo "a file that goes again" >"$scratch/mine/early"
ln -s /nowhere "$scratch/mine/etc/dangling"
cmake -S "$here/../.." -B "$scratch/build" -DTHRUM_FILES="$scratch/mine"
cmake --build "$scratch/build" --target initrd
echo "a file that came later" >"$scratch/mine/etc/late"
cmake --build "$scratch/build" --target initrd
rm "$scratch/mine/early"
cmake --build "$scratch/build" --target initrd
for text in "in place of Thrum's" bin/tracedump etc/dangling "a file that came later"; do
    if ! grep -qaF "$text" "$scratch/build/initrd.cpio"; then
        echo "FAILED: with THRUM_FILES the initrd lacks '$text'"
        exit 1
    fi
done
if (($(grep -aoF bin/lwpdemo "$scratch/build/initrd.cpio" | wc -l) != 1)); then
    echo "FAILED: a file of the user's did not replace Thrum's"
    exit 1
fi
if grep -qaF "a file that goes again" "$scratch/build/initrd.cpio"; then
    echo "FAILED: a file that was removed from the user's folder is still in the initrd"
    exit 1
fi
