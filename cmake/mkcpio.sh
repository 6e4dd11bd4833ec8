#!/usr/bin/env bash
#
# Makes a cpio archive (format "newc") in plain bash:
#
#     mkcpio.sh OUTPUT LIST...
#
# A line of a LIST is `HOST<tab>GUEST<tab>MODE`: the file HOST becomes GUEST with the octal
# permissions MODE; "-" stands for 755 or 644, as the host file is executable or not. A directory is
# made by "-" as HOST; directories above a file need no line. "->" and where it leads as HOST make a
# symbolic link, if nothing in the lines before has its name. The same input always makes the same
# bytes: times are 0, inode numbers count up.
#
# A header is 13 numbers of 8 hexadecimal digits after the magic "070701"; the name and the data
# are filled up to multiples of 4 bytes (the format is described in cpio(5) of the BSDs).

set -euo pipefail
export LC_ALL=C # lengths are in bytes

readonly type_directory=0040000 type_file=0100000 type_link=0120000
inode=0
declare -A made=()

pad4() {
    local zeros='\0\0\0'
    printf '%b' "${zeros:0:2*(-$1 & 3)}"
}

# header NAME MODE NR_LINKS NR_BYTES
header() {
    local name_bytes=$((${#1} + 1)) # with its final 0
    # ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
    printf '070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X' \
        "$inode" "$2" 0 0 "$3" 0 "$4" 0 0 0 0 "$name_bytes" 0
    printf '%s\0' "$1"
    pad4 $((110 + name_bytes))
    inode=$((inode + 1))
}

# directory NAME [MODE]: with all that are above it, each once.
directory() {
    local name=$1 mode=${2:-755}
    [[ -z $name || -n ${made[$name]:-} ]] && return
    [[ $name == */* ]] && directory "${name%/*}"
    header "$name" $((type_directory | 0$mode)) 2 0
    made[$name]=yes
}

# new NAME: makes the directories above it.
new() {
    [[ $1 == */* ]] && directory "${1%/*}"
    if [[ -n ${made[$1]:-} ]]; then
        echo "mkcpio: $1 is in the list twice" >&2
        exit 1
    fi
    made[$1]=yes
}

# link TARGET NAME
link() {
    [[ -n ${made[$2]:-} ]] && return
    new "$2"
    header "$2" $((type_link | 0777)) 1 ${#1}
    printf '%s' "$1"
    pad4 ${#1}
}

# file HOST NAME MODE
file() {
    local host=$1 name=$2 mode=$3 nr_bytes
    new "$name"
    if [[ $mode == - ]]; then
        mode=644
        [[ -x $host ]] && mode=755
    fi
    nr_bytes=$(stat -L -c %s "$host")
    header "$name" $((type_file | 0$mode)) 1 "$nr_bytes"
    cat "$host"
    pad4 "$nr_bytes"
}

archive() {
    local host guest mode
    while IFS=$'\t' read -r host guest mode; do
        guest=${guest#/}
        if [[ -z $guest || ! $mode =~ ^(-|[0-7]+)$ ]]; then
            echo "mkcpio: bad line: $host $guest $mode" >&2
            exit 1
        fi
        if [[ $host == - ]]; then
            directory "$guest" "${mode/-/755}"
        elif [[ $host == '->'* ]]; then
            link "${host#->}" "$guest"
        else
            file "$host" "$guest" "$mode"
        fi
    done
    inode=0
    header 'TRAILER!!!' 0 1 0
}

output=${1:?usage: mkcpio.sh OUTPUT LIST...}
shift
(($# > 0)) || { echo "usage: mkcpio.sh OUTPUT LIST..." >&2 && exit 2; }
trap 'rm -f "$output.tmp"' EXIT
cat "$@" | archive >"$output.tmp"
mv "$output.tmp" "$output"
