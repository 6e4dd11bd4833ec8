/* A check that does not hold, in a child: t_xv6 has to see it. */

#include "types.h"
#include "user.h"
#include "check.h"

int main(int argc, char *argv[])
{
    if (fork() == 0)
        CHECK(wait() == 0);
    wait();
    PASSED("fails");
}
