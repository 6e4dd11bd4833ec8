# Configuring and building. One preset of CMakePresets.json is one directory build/<preset>.

build_dir() {
    printf '%s' "$THRUM_ROOT/build/$1"
}

# check_preset NAME: a wrong name is the caller's mistake.
check_preset() {
    grep -q "\"name\": *\"$1\"" "$THRUM_ROOT/CMakePresets.json" 2>/dev/null ||
        usage_error "--preset: there is no preset '$1' in CMakePresets.json"
}

# linux_of PRESET: "linux", if what this build makes includes programs of the Linux ABI.
linux_of() {
    local cache
    cache=$(build_dir "$1")/CMakeCache.txt
    if [[ -e $cache ]]; then
        grep -q '^THRUM_LINUX:BOOL=OFF' "$cache" && return
    elif [[ $1 == native ]]; then
        return
    fi
    echo linux
}

# Passes on what the build prints: on a terminal, its steps share one line.
show_progress() {
    local line
    while IFS= read -r line; do
        if [[ $line == "ninja: no work to do." || $line == *"Re-checking globbed directories..." ]]; then
            continue
        elif [[ -t 2 && $line =~ ^\[\ *[0-9]+(/[0-9]+|%)\] ]]; then
            printf '\r\e[K%s' "${line:0:${COLUMNS:-79}}" >&2
            continue
        fi
        printf '%s\n' "$line" >&2
    done
    [[ -t 2 ]] && printf '\r\e[K' >&2
}

# configure PRESET [HOST_TESTS]: only the first time; afterwards the build itself sees what changed.
# HOST_TESTS is ON where the tests that run on this machine, and what they need, are insisted on.
configure() {
    local preset=$1 host_tests=${2:-OFF} dir
    dir=$(build_dir "$preset")
    if [[ -e $dir/build.ninja || -e $dir/Makefile ]]; then
        [[ $host_tests == OFF ]] && return
        grep -q '^THRUM_HOST_TESTS:[A-Z]*=ON' "$dir/CMakeCache.txt" && return
    fi
    say "configuring build/$preset"
    mkdir -p "$THRUM_ROOT/build"
    if ! (cd "$THRUM_ROOT" && cmake --preset "$preset" -D "THRUM_HOST_TESTS=$host_tests") >"$dir.log" 2>&1; then
        cat "$dir.log" >&2
        die "configuring build/$preset failed"
    fi
}

# build PRESET [TARGET]
build() {
    configure "$1"
    CLICOLOR_FORCE=$([[ -t 2 ]] && echo 1) \
        cmake --build "$(build_dir "$1")" --parallel "$(nproc)" ${2:+--target "$2"} 2>&1 | show_progress
    ((PIPESTATUS[0] == 0)) || die "building build/$1 failed"
}
