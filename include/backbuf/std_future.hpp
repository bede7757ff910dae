// A Future as a std::future. A separate header, since <future> is large. SPDX-License-Identifier: MIT OR Apache-2.0
#ifndef BACKBUF_STD_FUTURE_HPP
#define BACKBUF_STD_FUTURE_HPP

#include "future.hpp"

#if BACKBUF_EXCEPTIONS
#include <future>

#include "macros_push.hpp"

namespace backbuf {

/// Converts a Future to a `std::future`. It is deferred, so that its `get` runs the device's work as Future::get does.
template <class T> std::future<T> to_std(Future<T> future) {
    return std::async(std::launch::deferred, [future = std::move(future)]() mutable { return future.get(); });
}

} // namespace backbuf

#include "macros_pop.hpp"
#endif

#endif // BACKBUF_STD_FUTURE_HPP
