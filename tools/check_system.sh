#!/bin/sh
# Checks what pip cannot install: Python >= 3.11 with venv and headers, a C++20 compiler.
# Usage: check_system.sh [PYTHON]. Names every missing Debian package; exit code 1 then.
set -u
python=${1:-python3}
missing=0

lacks() { # what is missing, Debian package that has it
    echo "nonneg needs $1. On Debian or Ubuntu: sudo apt-get install $2" >&2
    missing=1
}

# python3.12 has packages of its own name; anything else gets the default one's
case $(basename "$python") in
    python3.[0-9]*) package=$(basename "$python") ;;
    *) package=python3 ;;
esac

if ! "$python" -c '' 2>/dev/null; then
    lacks "Python 3.11 or newer; there is no '$python' that starts" "$package"
elif ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    found=$("$python" -c 'import platform; print(platform.python_version())')
    echo "nonneg needs Python 3.11 or newer; '$python' is $found." \
        "Install a newer one and name it: make PYTHON=python3.12 ..." >&2
    missing=1
else
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        lacks "Python's venv and ensurepip" "$package-venv"
    "$python" - <<'END' || lacks "Python's headers (Python.h)" "$package-dev"
import pathlib, sys, sysconfig
paths = {sysconfig.get_path(name) for name in ("include", "platinclude")}
sys.exit(not any(pathlib.Path(path, "Python.h").exists() for path in paths))
END
fi

# the compiler that CMake will take
compiler=${CXX:-}
for name in c++ g++ clang++; do
    if [ -z "$compiler" ] && command -v "$name" >/dev/null; then
        compiler=$name
    fi
done
if [ -z "$compiler" ]; then
    lacks "a C++ compiler" "g++"
elif ! echo '#include <atomic>
int main() { return 0; }' | $compiler -std=c++20 -x c++ -fsyntax-only - 2>/dev/null; then
    lacks "a C++ compiler that knows C++20 ('$compiler' does not)" "g++"
fi
exit $missing
