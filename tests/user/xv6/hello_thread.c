/* What thread_exec executes: the LWPs of the program before must be gone. */

#include "types.h"
#include "stat.h"
#include "user.h"
#include "fcntl.h"
#include "check.h"
#include "work.h"

int main(int argc, char *argv[])
{
    CHECK(argc == 2);
    CHECK(gettid() == getpid());
    CHECK(beats_have_stopped());
    printf(1, "Hello, thread, %s\n", argv[1]);
    exit();
}
