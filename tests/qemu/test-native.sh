#!/usr/bin/env bash
#
# Builds Thrum without the programs of the Linux ABI, and boots that: what init runs then.
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
"$BASH" "$here/run-case.sh" --name native --log "$scratch/serial.log" --timeout 60 \
    --iso "$scratch/build/thrum.iso" --expect exit=0 --expect text=verified
