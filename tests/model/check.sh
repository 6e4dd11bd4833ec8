#!/usr/bin/env bash
#
# check.sh MODEL DIR holds|fails|sampled [OPTION...]: checks the model with these spin options, in
# DIR. Succeeds if the result is the one that was named. DEPTH: how many steps a path may have at most;
# a million take 53 MiB.

set -euo pipefail

readonly model=$1 dir=$2 want=$3
shift 3

for tool in spin clang; do
    command -v "$tool" >/dev/null || {
        echo "$tool is not installed"
        exit 77
    }
done

# -DSAFETY: assertions and dead ends, no cycles. States are stored compressed, or as bits in 256 MiB.
checker_flags=(-DSAFETY -DCOLLAPSE -DMEMLIM=2500)
checker_options=("-m${DEPTH:-1000000}" -n -w22)
if [[ $want == sampled ]]; then
    checker_flags=(-DSAFETY -DBITSTATE -DMEMLIM=2500)
    checker_options=(-m2000000 -n -w31 -k3 -Q2) # stops after two minutes
fi

# Where there is clang there need not be gcc, which is what spin calls to expand macros.
preprocessor='-Pclang -E -x c'

mkdir -p "$dir"
cd "$dir"
rm -f ./*.trail
spin "$preprocessor" -a "$@" "$model"
clang -fuse-ld=lld -O2 -w "${checker_flags[@]}" -o pan pan.c
./pan "${checker_options[@]}" | tee result

# A search that was cut short has not seen everything.
if [[ $want != sampled ]] && grep -q 'max search depth too small\|memory limit\|out of memory' result; then
    echo "the search is not complete"
    exit 1
fi
nr_errors=$(sed -n 's/.*errors: \([0-9]*\)$/\1/p' result)
case $want:$nr_errors in
    holds:0 | sampled:0) echo "what has to be so is so" ;;
    fails:[1-9]*) echo "the mutant was caught" ;;
    *)
        echo "expected: $want; errors: ${nr_errors:-?}. The steps that lead there:"
        [[ ! -e ${model##*/}.trail ]] || spin "$preprocessor" "$@" -t -p -g -k "${model##*/}.trail" "$model" | tail -n 200
        exit 1
        ;;
esac
