#!/bin/sh
# Takes out of a folder of installed packages (site-packages) what nothing here uses, a hundred megabytes: packages' own
# tests, what extensions are compiled from, symbols for debuggers, unused parts of pycryptodome and numpy, and the HEVC
# and AV1 encoders of PyAV's FFmpeg. Needs binutils. The Dockerfile calls it, and then loads what it has changed.
set -eu
cd "$1"

find . -type d \( -name tests -o -name SelfTest \) -prune -exec rm -rf {} +
find . -type f \( -name '*.pyi' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.[acho]' \) -delete
# Of pycryptodome the S3 client loads ciphers alone, and nothing here compiles Fortran.
rm -rf Crypto/PublicKey Crypto/Math Crypto/Protocol Crypto/Signature Crypto/IO numpy/f2py
find . -name '*.so' -not -path './*.libs/*' -exec strip --strip-unneeded {} +

# Video is encoded by the ffmpeg of imageio-ffmpeg; PyAV's FFmpeg reads, cuts and joins. It is linked to its encoders,
# so libraries of their names must be there, with the functions that it names. They return 0, which is "not available"
# where FFmpeg asks when it is loaded.
case $(uname -m) in
  x86_64) nothing='xorl %eax, %eax; ret' ;;
  aarch64) nothing='mov x0, 0; ret' ;;
  *) exit 0 ;;
esac
functions=$(mktemp)
nm -D --undefined-only av.libs/libavcodec-*.so.* | sed -nE 's/^ +U ((svt|x265)_.*)/.globl \1\n.type \1, %function\n\1:/p' >"$functions.s"
printf '%s\n' "$nothing" '.section .note.GNU-stack,"",%progbits' >>"$functions.s"
as -o "$functions" "$functions.s"
for library in av.libs/libx265-*.so.* av.libs/libSvtAv1Enc-*.so.*; do
  test -e "$library" # a pattern that fits nothing is left as it is
  ld -shared -soname "${library##*/}" -o "$library" "$functions"
done
