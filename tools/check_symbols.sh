#!/bin/sh
# Looks for code that could leak from one instruction set's objects into the library:
# every symbol that they show to the linker must be in that set's namespace. A weak copy
# of, say, std::max compiled for AVX-512 may be the one that the linker keeps for all.
# Usage: check_symbols.sh BUILD_FOLDER...
set -eu
objects=$(find "$@" -path '*/kernels_*.dir/*' -name '*.o')
if [ -z "$objects" ]; then
    echo "check_symbols: there are no kernel objects under $*" >&2
    exit 1
fi
failed=0
for object in $objects; do
    name=$(echo "$object" | sed 's|.*/kernels_\([^/]*\)\.dir/.*|\1|')
    shown=$(nm -C --defined-only --extern-only "$object" | cut -d' ' -f3-)
    leaks=$(echo "$shown" | grep -v "::$name::" || true)
    if [ -z "$shown" ] || [ -n "$leaks" ]; then
        echo "check_symbols: $object shows symbols outside ::$name:::" >&2
        echo "${leaks:-(it shows none at all)}" >&2
        failed=1
    else
        echo "$name: $(echo "$shown" | wc -l) symbols, all in ::$name::"
    fi
done
exit $failed
