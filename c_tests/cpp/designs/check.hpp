// What the programs of this folder have in common: a check that ends the program, and data.
#ifndef BACKBUF_TEST_DESIGNS_HPP
#define BACKBUF_TEST_DESIGNS_HPP
#include <backbuf.hpp>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                               \
            std::exit(1);                                                                                              \
        }                                                                                                              \
    } while (0)

inline std::vector<unsigned char> read_back(const backbuf::IBuffer &of, backbuf::BufferSource source) {
    backbuf::ReadbackBuffer readback({of.getSize()}, source);
    const auto data = readback.readAsync(of).get();
    const auto bytes = data.as<unsigned char>();
    return {bytes.begin(), bytes.end()};
}

#endif
