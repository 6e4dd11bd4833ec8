#ifndef KERNEL_UTSNAME_H
#define KERNEL_UTSNAME_H

/* What uname() says; kernel/utsname.c. Any context. */

#include <linux/utsname.h>

void utsname_get(struct new_utsname *name);

/* Host and domain name, at most __NEW_UTS_LEN bytes. */
void utsname_set_host(const char *name);
void utsname_set_domain(const char *name);

#endif
