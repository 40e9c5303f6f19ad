#!/bin/sh
# Makes the objects here with clang, for the tests of the object reader: they are committed, and no test needs clang.
# Debian 12: apt-get install clang-14 llvm-14 libbpf-dev linux-libc-dev
set -eu
cd "$(dirname "$0")"
include=/usr/include/$(uname -m)-linux-gnu
compile() { # target, C source, name, more options
	target=$1 source=$2 name=$3
	shift 3
	clang-14 -O2 -target "$target" -mcpu=v3 -fdebug-compilation-dir=. -I"$include" "$@" -c "$source" -o "$name.o"
	llvm-strip-14 -g "$name.o"
	base64 -w 128 "$name.o" >"$name.o.base64"
	rm "$name.o"
}
compile bpf filter.c filter -g
compile bpfeb filter.c filter-big-endian -g
compile bpf legacy.c legacy
compile bpf core.c core -g
compile bpf extern.c extern -g
