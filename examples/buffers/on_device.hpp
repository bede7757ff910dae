// Shared by the programs in this folder: the device selected on the command line, and the exit code.
#ifndef BACKBUF_EXAMPLE_ON_DEVICE_HPP
#define BACKBUF_EXAMPLE_ON_DEVICE_HPP
#include <backbuf.hpp>

#include <cstdio>
#include <cstdlib>
#include <string>

// host, gl or wgpu; WebGPU also with a part of an adapter's name. If the device is not available, the program prints the reason and
// exits with 77, which CTest counts as skipped.
inline backbuf::Device open_device(int argc, char **argv) {
    const std::string wanted = argc > 1 ? argv[1] : "host";
    if (argc > 3 || (wanted != "host" && wanted != "gl" && wanted != "wgpu")) {
        std::fprintf(stderr, "usage: %s [host | gl | wgpu [ADAPTER]]\n", argv[0]);
        std::exit(wanted == "--help" ? 0 : 2);
    }
    auto device = wanted == "gl"     ? backbuf::Device::try_gl()
                  : wanted == "wgpu" ? backbuf::Device::try_wgpu(backbuf::WgpuConfig().adapter(argc > 2 ? argv[2] : ""))
                                     : backbuf::Device::try_host();
    if (device.status().code() == BB_E_UNSUPPORTED) {
        std::printf("skipped: %s\n", device.status().text());
        std::exit(77);
    }
    std::printf("on %s\n", device.value().info().name);
    return std::move(*device);
}

// The exit code of a program that ran to completion.
inline int ended(bool right) {
    std::puts(right ? "right" : "WRONG");
    return right ? 0 : 1;
}

#endif
