#!/bin/sh
# The examples in the C++ headers' comments compile: each one is made the body of a function.
set -u

usage() {
    cat <<'TEXT'
usage: check_examples.sh [--help] [COMPILER...]

Compiles every @code block of backbuf.hpp and backbuf/*.hpp with each COMPILER (default: $CXX, else c++), each with the
names that the comments take for granted: a manager `m`, a `tile`, a `step`, an epoch `seen`, a `draw` function; the ends
`tx` and `rx` of a ring, a `stream`, `samples`, a `Record`, and functions `next`, `last`, `use`; a `registry` and a `solver`; a `device`, a manager `points` on it, and functions
`draw_buffer` and `get_proc_address`. A block
that begins with `template` stands outside of functions.

environment: CXX; BACKBUF_INCLUDE, the folder of backbuf.h (default: the repository's include/)
TEXT
}

case "${1:-}" in
--help | -h)
    usage
    exit 0
    ;;
-*)
    echo "check_examples.sh: unknown option '$1': see --help" >&2
    exit 2
    ;;
esac

here=$(cd "$(dirname "$0")" && pwd)
include=${BACKBUF_INCLUDE:-$here/../../include}
[ $# -gt 0 ] || set -- "${CXX:-c++}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat >"$work/examples.cpp" <<'TEXT'
#include <algorithm>
#include <array>
#include <cstdio>
#include <iostream>
#include <numeric>
#include <vector>
#include <poll.h>
#include <backbuf.hpp>
#include <backbuf/inline.hpp>
using namespace std::chrono_literals;
namespace my { struct half { unsigned short bits; }; }
namespace {
const std::vector<float> tile(3 * 32 * 32);
std::uint64_t step, seen;
backbuf::Manager<float> m;
void draw(const backbuf::Front<float> &, std::uint64_t) {}
template <class F> void start_upload(F &&) {}
struct Record { double value; };
backbuf::Sender tx;
backbuf::Receiver rx;
backbuf::Stream stream;
std::vector<float> samples;
std::vector<backbuf::Chunk> kept;
Record next() { return {}; }
bool last() { return true; }
void do_something_else() {}
backbuf::BufferRegistry registry;
backbuf::Device device;
backbuf::GLBufferManager<float> points;
void draw_buffer(unsigned, std::uint64_t) {}
void *get_proc_address(const char *) { return nullptr; }
struct {} solver;
backbuf::BufferFactory factory(device);
backbuf::Buffer buffer;
backbuf::DeviceBuffer mesh, result;
backbuf::DeferredStagingBuffer staging;
const std::vector<float> vertices;
std::uint64_t size_of_it;
float sum;
void fill(backbuf::View<float>) {}
void show(backbuf::View<const float>) {}
struct Camera { float place[16]; } camera;
void draw_with(std::uint64_t, std::uint64_t) {}
template <class... T> void use(T &&...) {}
}
TEXT
awk '
    / \* @endcode/ { if (inside) print (outer ? "" : "}"); inside = 0 }
    inside { sub(/^ \* ?/, ""); if (!body++) { outer = /^template/; if (!outer) print head }; print }
    / \* @code/ { inside = 1; body = 0; head = "#line " FNR + 1 " \"" FILENAME ", @code\"\n" \
        "[[maybe_unused]] static void example_" NR "() {" }
' "$include"/backbuf.hpp "$include"/backbuf/*.hpp >>"$work/examples.cpp"

count=$(grep -c '^\[\[maybe_unused\]\] static void example_' "$work/examples.cpp")
[ "$count" -gt 0 ] || {
    echo "check_examples.sh: no @code block in the C++ headers of '$include'" >&2
    exit 1
}
for compiler in "$@"; do
    "$compiler" -std=c++17 -Wall -Wextra -Wno-unused -Wno-shadow -Werror -fsyntax-only -I "$include" "$work/examples.cpp" || exit 1
done
echo "$count examples compile"
