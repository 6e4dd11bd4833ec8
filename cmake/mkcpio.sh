#!/usr/bin/env bash
#
# Makes a cpio archive (format "newc") in plain bash:
#
#     mkcpio.sh OUTPUT LIST...
#
# A line of a LIST is `HOST<tab>GUEST<tab>MODE`: the file HOST becomes GUEST with the octal
# permissions MODE; "-" stands for 755 or 644, as the host file is executable or not. A directory is
# made by "-" as HOST; directories above a file need no line. Where HOST is a directory, all that is
# below it (files, directories, symbolic links) comes below GUEST, and MODE is not used. "->" and
# where it leads as HOST make a symbolic link, if nothing in the lines before has its name. A name
# that a LIST before has is that one's; twice in one LIST is an error. The same input always makes
# the same bytes: times are 0, inode numbers count up.
#
# A header is 13 numbers of 8 hexadecimal digits after the magic "070701"; the name and the data
# are filled up to multiples of 4 bytes (the format is described in cpio(5) of the BSDs).

set -euo pipefail
export LC_ALL=C # lengths are in bytes

readonly type_directory=0040000 type_file=0100000 type_link=0120000
inode=0
nr_list=0
declare -A made=() # the list that made the name

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
    made[$name]=$nr_list
}

# new NAME: makes the directories above it. Fails if a list before has the name.
new() {
    [[ $1 == */* ]] && directory "${1%/*}"
    if [[ ${made[$1]:-} == "$nr_list" ]]; then
        echo "mkcpio: $1 is in the list twice" >&2
        exit 1
    fi
    [[ -z ${made[$1]:-} ]] && made[$1]=$nr_list
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
    new "$name" || return 0
    if [[ $mode == - ]]; then
        mode=644
        [[ -x $host ]] && mode=755
    fi
    nr_bytes=$(stat -L -c %s "$host")
    header "$name" $((type_file | 0$mode)) 1 "$nr_bytes"
    cat "$host"
    pad4 "$nr_bytes"
}

# tree HOST NAME: what is below HOST, below NAME.
tree() {
    local host=${1%/} name=${2:+${2%/}/} path
    while IFS= read -r -d '' path; do
        if [[ -L $host/$path ]]; then
            link "$(readlink "$host/$path")" "$name$path"
        elif [[ -d $host/$path ]]; then
            directory "$name$path" "$(stat -c %a "$host/$path")"
        elif [[ -f $host/$path ]]; then
            file "$host/$path" "$name$path" "$(stat -c %a "$host/$path")"
        else
            echo "mkcpio: $host/$path is neither a file, nor a directory, nor a link" >&2
            exit 1
        fi
    done < <(cd "$host" && find . -mindepth 1 -printf '%P\0' | sort -z)
}

# The lines of standard input.
archive() {
    local host guest mode
    nr_list=$((nr_list + 1))
    while IFS=$'\t' read -r host guest mode; do
        guest=${guest#/}
        if [[ -d $host && $host != - ]]; then
            tree "$host" "$guest"
            continue
        fi
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
}

archives() {
    local list
    for list in "$@"; do
        archive <"$list"
    done
    inode=0
    header 'TRAILER!!!' 0 1 0
}

output=${1:?usage: mkcpio.sh OUTPUT LIST...}
shift
(($# > 0)) || { echo "usage: mkcpio.sh OUTPUT LIST..." >&2 && exit 2; }
trap 'rm -f "$output.tmp"' EXIT
archives "$@" >"$output.tmp"
mv "$output.tmp" "$output"
