#!/bin/sh
# Builds the stress of the thread pool with the thread sanitizer and runs it.
# Usage: stress_tsan.sh FOLDER
set -eu
folder=$1
mkdir -p "$folder"
${CXX:-g++} -std=c++20 -O1 -g -fsanitize=thread -pthread -Isrc/core \
    tests/core/stress_thread_pool.cpp src/core/drivers/thread_pool.cpp src/core/drivers/system.cpp \
    -o "$folder/stress_thread_pool"
# the second argument leaves out forks: the sanitizer's run-time can't follow them
export TSAN_OPTIONS="halt_on_error=1 exitcode=66"
"$folder/stress_thread_pool" 300 without-fork
