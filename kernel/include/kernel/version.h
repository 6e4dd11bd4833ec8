#ifndef KERNEL_VERSION_H
#define KERNEL_VERSION_H

/*
 * What the kernel calls itself to programs. They ask in order to know what the system calls can do:
 * so it is Linux, of the release whose ABI Thrum follows, with Thrum's own version behind.
 */

#define KERNEL_SYSNAME "Linux"
#define KERNEL_RELEASE "6.1.0-thrum-" THRUM_VERSION
#define KERNEL_BUILD   "#1 SMP Thrum " THRUM_VERSION
#define KERNEL_MACHINE "x86_64"

#endif
