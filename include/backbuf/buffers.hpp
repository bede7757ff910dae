// Buffers of a device and their roles: all of them by one header. SPDX-License-Identifier: MIT OR Apache-2.0
#ifndef BACKBUF_BUFFERS_HPP
#define BACKBUF_BUFFERS_HPP

#include "buffer.hpp"
#include "dynamic.hpp"
#include "readback.hpp"
#include "roles.hpp"

#endif // BACKBUF_BUFFERS_HPP
