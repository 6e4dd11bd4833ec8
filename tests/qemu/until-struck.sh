#!/bin/sh
#
# In the guest: runs a program once and again, until the kernel has told of a non-maskable interrupt
# or the program fails.
#
#     until-struck.sh PROGRAM [ARGUMENT]...

"$@" || exit
until dmesg | grep -q non-maskable; do
    "$@" || exit
done
