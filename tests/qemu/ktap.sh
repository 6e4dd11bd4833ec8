# Checks KTAP, the Kernel Test Anything Protocol (docs.kernel.org/dev-tools/ktap.html), in what a
# guest said on its serial line. Other lines may stand between. A group of results is a plan `1..N`
# and N lines `ok` or `not ok`, numbered from 1; a nested group is indented and stands before the
# result it belongs to.

# ktap_check FILE: prints what is wrong, one line each, and fails if anything is. Sets ktap_passed,
# ktap_skipped and ktap_problems. Having no plan at all is a problem.
ktap_check() {
    local line indent depth
    ktap_passed=0 ktap_skipped=0 ktap_problems=0
    # Per indentation: the plan, and the number of results so far.
    ktap_plan=() ktap_seen=()
    local nr_plans=0

    while IFS= read -r line || [[ -n $line ]]; do
        line=${line//$'\r'/}
        [[ $line =~ ^(\ *)(.*)$ ]]
        indent=${BASH_REMATCH[1]} line=${BASH_REMATCH[2]}
        depth=${#indent}
        if [[ $line =~ ^1\.\.([0-9]{1,6})([[:space:]].*)?$ ]]; then
            nr_plans=$((nr_plans + 1))
            ktap_close "$depth"
            ktap_plan[depth]=$((10#${BASH_REMATCH[1]}))
            ktap_seen[depth]=0
            if ((ktap_plan[depth] == 0)) && [[ $line != *'# SKIP'* ]]; then
                ktap_problem "a plan of no tests at all"
            fi
        elif [[ $line =~ ^(not\ )?ok\ ([0-9]{1,6})([[:space:]].*)?$ ]]; then
            ktap_result "$depth" "${BASH_REMATCH[1]}" "$((10#${BASH_REMATCH[2]}))" "$line"
        elif [[ $line =~ ^(not\ )?ok($|[[:space:]]) ]]; then
            ktap_problem "a result without a number: $line"
        elif [[ $line == 'Bail out!'* ]]; then
            ktap_problem "$line"
        fi
    done <"$1"
    ktap_close 0
    ((nr_plans > 0)) || ktap_problem "no plan: not one line of the form 1..N"
    ((ktap_problems == 0))
}

ktap_problem() {
    echo "ktap: $*"
    ktap_problems=$((ktap_problems + 1))
}

# ktap_close DEPTH: the groups at this indentation and deeper have ended; were they complete?
ktap_close() {
    local depth
    for depth in "${!ktap_plan[@]}"; do
        ((depth >= $1)) || continue
        ((ktap_plan[depth] == ktap_seen[depth])) ||
            ktap_problem "${ktap_seen[depth]} results, but ${ktap_plan[depth]} were planned"
        unset -v 'ktap_plan[depth]' 'ktap_seen[depth]'
    done
}

# ktap_result DEPTH NOT NUMBER LINE
ktap_result() {
    local depth=$1
    ktap_close $((depth + 1))
    if [[ ! -v ktap_plan[$depth] ]]; then
        ktap_problem "a result without a plan: $4"
        return
    fi
    ktap_seen[depth]=$((ktap_seen[depth] + 1))
    ((ktap_seen[depth] == $3)) || ktap_problem "result number ${ktap_seen[depth]} expected: $4"
    if [[ $4 =~ \#\ *(SKIP|TODO) ]]; then
        ktap_skipped=$((ktap_skipped + 1))
    elif [[ -n $2 ]]; then
        ktap_problem "$4"
    else
        ktap_passed=$((ktap_passed + 1))
    fi
}
