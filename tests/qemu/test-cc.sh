#!/usr/bin/env bash
#
# Does to ./thrum cc what a user does: compiles a program and runs it.
#
#     test-cc.sh SCRATCH-DIRECTORY PRESET

set -uo pipefail

THRUM_ROOT=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.." && pwd)
scratch=$(mktemp -d "${1:?usage: test-cc.sh SCRATCH-DIRECTORY PRESET}/cc.XXXXXX") || exit 1
preset=${2:?usage: test-cc.sh SCRATCH-DIRECTORY PRESET}
trap 'rm -rf "$scratch"' EXIT
failures=0

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

# compiles NAME OPTION...: the program on standard input.
compiles() {
    local name=$1
    shift
    cat >"$scratch/$name.c"
    "$THRUM_ROOT/thrum" cc --preset "$preset" "$@" "$scratch/$name.c" -o "$scratch/$name" \
        >"$scratch/$name.out" 2>&1 </dev/null || fail "cc $name: $(cat "$scratch/$name.out")"
}

# says NAME STATUS LINE...: the program, put into the guest by its folder, ends with that status, and
# its output has all these lines.
says() {
    local name=$1 wanted=$2 status line
    shift 2
    mkdir -p "$scratch/tree/opt"
    cp "$scratch/$name" "$scratch/tree/opt/"
    "$THRUM_ROOT/thrum" run --iso "$THRUM_ROOT/build/$preset/thrum.iso" --timeout 180 \
        --add "$scratch/$name.c:src/" --add "$scratch/tree" --exec "/opt/$name one two" \
        >"$scratch/said" 2>&1 </dev/null
    status=$?
    ((status == wanted)) || fail "$name ended with $status: $(cat "$scratch/said")"
    for line in "$@"; do
        tr -d '\r' <"$scratch/said" | grep -qxF -- "$line" ||
            fail "$name did not say '$line': $(cat "$scratch/said")"
    done
}

test_xv6_program() {
    compiles assignment --xv6 <<'END'
#include "types.h"
#include "stat.h"
#include "user.h"

#define NUM_THREAD 5

int shared = 0;

void *worker(void *arg)
{
  int i, id = (int)arg;
  for (i = 0; i < 10; i++)
    shared++;
  printf(1, "worker %d\n", id);
  thread_exit((void *)(id * 2));
}

int main(int argc, char *argv[])
{
  thread_t threads[NUM_THREAD];
  int i, sum = 0;
  void *retval;

  for (i = 0; i < NUM_THREAD; i++)
    if (thread_create(&threads[i], worker, (void *)i) != 0) {
      printf(1, "panic at thread_create\n");
      exit();
    }
  for (i = 0; i < NUM_THREAD; i++) {
    if (thread_join(threads[i], &retval) != 0) {
      printf(1, "panic at thread_join\n");
      exit();
    }
    sum += (int)retval;
  }
  if (fork() == 0) {
    printf(1, "child of %s\n", argv[1]);
    exit();
  }
  wait();
  printf(1, "sum %d argc %d\n", sum, argc);
  exit();
}
END
    says assignment 0 "worker 4" "child of one" "sum 20 argc 3"
}

test_native_program() {
    compiles native -Wall -Werror <<'END'
#include <stdio.h>
#include <thread.h>

static void *work(void *arg)
{
    return arg;
}

int main(int argc, char **argv)
{
    thread_t thread;
    void *value = NULL;

    if (thread_create(&thread, work, argv[1]) == 0 && thread_join(thread, &value) == 0)
        printf("%d %s\n", argc, (char *)value);
    return 3;
}
END
    says native 3 "3 one"
}

# What is wrong is said by the compiler, and there is no program then.
test_wrong_program() {
    echo 'int main(void) { return no_such_variable; }' >"$scratch/wrong.c"
    "$THRUM_ROOT/thrum" cc --preset "$preset" --xv6 "$scratch/wrong.c" -o "$scratch/wrong" \
        >"$scratch/wrong.out" 2>&1 </dev/null && fail "a wrong program was compiled"
    grep -q no_such_variable "$scratch/wrong.out" || fail "no word about what is wrong"
    [[ ! -e $scratch/wrong ]] || fail "half a program is left"
}

test_xv6_program
test_native_program
test_wrong_program
((failures == 0)) && echo "All is well."
exit $((failures > 0))
