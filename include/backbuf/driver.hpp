// The base class of device backends written in C++: virtual functions behind the C table bb_driver. SPDX-License-Identifier:
// MIT OR Apache-2.0
#ifndef BACKBUF_DRIVER_HPP
#define BACKBUF_DRIVER_HPP

#include "core.hpp"

#include <cstring>
#include <memory>
#include <new>
#include <string>

#include "macros_push.hpp"

namespace backbuf {

#if BACKBUF_EXCEPTIONS

/**
 * @brief What a Driver throws: a status and a text for error messages; its first 44 bytes are kept.
 *
 * @code
 * throw backbuf::DriverError(BB_E_DEVICE_LOST, "the queue hangs");
 * @endcode
 */
class BACKBUF_SHARED DriverError : public std::runtime_error {
  public:
    /// `BB_E_OUT_OF_MEMORY`, `BB_E_BACKEND` or `BB_E_DEVICE_LOST`; from Driver::open also `BB_E_UNSUPPORTED` or `BB_E_LIMIT`, and from
    /// Driver::check_renderer and Driver::renderer_fence `BB_E_STATE`.
    DriverError(bb_status status, const std::string &text) : std::runtime_error(text), status_(status) {}
    bb_status status() const noexcept { return status_; }

  private:
    bb_status status_;
};

/**
 * @brief A device backend: what a program implements to run managers and buffers on an engine's own memory and queue.
 *
 * Derive from it and give an object to Device::driver. Every function but those of renderers is called on the device's owner
 * thread, one at a time, and so is the destructor: a driver without renderers needs no locks. The rules of each function are
 * those of `bb_driver` in backbuf.h.
 *
 * A function fails by an exception, which never crosses into the library: DriverError and Error give their status,
 * `std::bad_alloc` is `BB_E_OUT_OF_MEMORY`, everything else is `BB_E_BACKEND`; the text of the exception becomes part of
 * the library's message. A failed call must have changed nothing. Without exceptions, use `bb_driver`.
 *
 * @code
 * struct Memory : backbuf::Driver {
 *     std::uint64_t create_buffer(std::uint64_t bytes, std::uint32_t, const char *) override {
 *         return reinterpret_cast<std::uint64_t>(new char[bytes]());
 *     }
 *     void delete_buffer(std::uint64_t native) noexcept override { delete[] at(native); }
 *     void write(std::uint64_t native, std::uint64_t offset, const void *data, std::uint64_t bytes) override {
 *         std::memcpy(at(native) + offset, data, bytes);
 *     }
 *     void copy(std::uint64_t from, std::uint64_t start, std::uint64_t to, std::uint64_t offset, std::uint64_t bytes) override {
 *         std::memcpy(at(to) + offset, at(from) + start, bytes);
 *     }
 *     void *map(std::uint64_t native, std::uint32_t, std::uint64_t offset, std::uint64_t) override { return at(native) + offset; }
 *     void unmap(std::uint64_t) override {}
 *     void submit(std::uint64_t) override {}
 *     std::uint64_t wait(std::uint64_t fence, std::uint64_t) override { return fence; } // work is done at once
 *     static char *at(std::uint64_t native) { return reinterpret_cast<char *>(native); }
 * };
 * auto memory = backbuf::Device::driver(std::make_unique<Memory>(), "engine");
 * @endcode
 */
class Driver {
  public:
    Driver() = default;
    Driver(const Driver &) = delete;
    Driver &operator=(const Driver &) = delete;
    virtual ~Driver() = default;

    /// Prepares the driver on the owner thread and describes the device: `info` has the defaults.
    virtual void open(bb_driver_info &info) { static_cast<void>(info); }
    /// Ends what `open` began; called if that has succeeded, after all buffers are deleted.
    virtual void close() noexcept {}

    /// Creates a buffer of zeros and returns its handle, not 0. `usage` has the flags `BB_USAGE_…`.
    virtual std::uint64_t create_buffer(std::uint64_t bytes, std::uint32_t usage, const char *label) = 0;
    /// Deletes a buffer, whose memory stays until the work that was given before is done.
    virtual void delete_buffer(std::uint64_t native) noexcept = 0;
    /// Writes to a buffer. The data is read before the call returns.
    virtual void write(std::uint64_t native, std::uint64_t offset, const void *data, std::uint64_t bytes) = 0;
    /// Copies from one buffer to another one.
    virtual void copy(std::uint64_t from, std::uint64_t from_offset, std::uint64_t to, std::uint64_t to_offset,
                      std::uint64_t bytes) = 0;
    /// Maps a range and returns its address. `mode` is `BB_MAP_READ` or `BB_MAP_WRITE`.
    virtual void *map(std::uint64_t native, std::uint32_t mode, std::uint64_t offset, std::uint64_t bytes) = 0;
    /// Ends a mapping.
    virtual void unmap(std::uint64_t native) = 0;
    /// Submits all work so far; when it is done, this fence passes.
    virtual void submit(std::uint64_t fence) = 0;
    /// Waits at most `timeout` nanoseconds for a fence; returns the newest fence that has passed.
    virtual std::uint64_t wait(std::uint64_t fence, std::uint64_t timeout) = 0;

    /// Whether the device has memory that the host writes to while the device uses it. Asked for once, at creation.
    virtual bool has_persistent() const noexcept { return false; }
    /// Creates a buffer of zeros whose bytes the host writes to until `delete_buffer`; sets `data` to their address.
    virtual std::uint64_t create_persistent(std::uint64_t bytes, std::uint32_t usage, const char *label, void *&data) {
        static_cast<void>(bytes), static_cast<void>(usage), static_cast<void>(label), static_cast<void>(data);
        throw DriverError(BB_E_BACKEND, "create_persistent is not implemented");
    }

    /// How many calls of the native API the driver has made for writes and copies.
    virtual std::uint64_t native_calls() const noexcept { return 0; }

    /// Whether the driver has the functions below: renderers with queues or contexts of their own draw from its buffers. Asked for
    /// once, at creation.
    virtual bool has_renderer() const noexcept { return false; }
    /// Returns a fence that passes when all work so far is done, for renderers; 0 if there is nothing to wait for.
    virtual std::uint64_t export_fence() { return 0; }
    /// Makes later work of the device wait for a fence of renderer_fence or export_fence, and ends that fence.
    virtual void import_fence(std::uint64_t fence) { static_cast<void>(fence); }
    /// Ends a fence that nothing will wait for.
    virtual void discard_fence(std::uint64_t fence) noexcept { static_cast<void>(fence); }

    /// Fails with `BB_E_STATE` unless the calling thread can use the device's buffers. This function and those below are called on
    /// threads of the program, also several at once, but not after close.
    virtual void check_renderer() {}
    /// Makes later work of the calling thread's queue or context wait for a fence of export_fence, which stays.
    virtual void renderer_wait(std::uint64_t fence) noexcept { static_cast<void>(fence); }
    /// Returns a fence that passes when all work of the calling thread's queue or context so far is done; 0 for none.
    virtual std::uint64_t renderer_fence() { return 0; }
    /// Ends a fence of renderer_fence if it has passed, and returns whether it has.
    virtual bool renderer_reap(std::uint64_t fence) noexcept { return static_cast<void>(fence), true; }

  private:
    friend class Device;

    /// The functions of this driver for C. The device deletes the driver.
    bb_driver table() noexcept {
        bb_driver table{};
        table.struct_size = sizeof(table);
        table.user_data = this;
        table.drop = [](void *self) { delete of(self); };
        table.open = [](void *self, bb_driver_info *info) {
            return of(self)->caught([&](Driver &driver) { driver.open(*info); });
        };
        table.close = [](void *self) { of(self)->close(); };
        table.create_buffer = [](void *self, std::uint64_t bytes, std::uint32_t usage, const char *label,
                                 std::uint64_t *native) {
            return of(self)->caught([&](Driver &driver) { *native = driver.create_buffer(bytes, usage, label); });
        };
        if (has_persistent())
            table.create_persistent = [](void *self, std::uint64_t bytes, std::uint32_t usage, const char *label,
                                         std::uint64_t *native, void **data) {
                return of(self)->caught(
                    [&](Driver &driver) { *native = driver.create_persistent(bytes, usage, label, *data); });
            };
        table.delete_buffer = [](void *self, std::uint64_t native) { of(self)->delete_buffer(native); };
        table.write = [](void *self, std::uint64_t native, std::uint64_t offset, const void *data,
                         std::uint64_t bytes) {
            return of(self)->caught([&](Driver &driver) { driver.write(native, offset, data, bytes); });
        };
        table.copy = [](void *self, std::uint64_t from, std::uint64_t from_offset, std::uint64_t to,
                        std::uint64_t to_offset, std::uint64_t bytes) {
            return of(self)->caught([&](Driver &driver) { driver.copy(from, from_offset, to, to_offset, bytes); });
        };
        table.map = [](void *self, std::uint64_t native, std::uint32_t mode, std::uint64_t offset, std::uint64_t bytes,
                       void **data) {
            return of(self)->caught([&](Driver &driver) { *data = driver.map(native, mode, offset, bytes); });
        };
        table.unmap = [](void *self, std::uint64_t native) {
            return of(self)->caught([&](Driver &driver) { driver.unmap(native); });
        };
        table.submit = [](void *self, std::uint64_t fence) {
            return of(self)->caught([&](Driver &driver) { driver.submit(fence); });
        };
        table.wait = [](void *self, std::uint64_t fence, std::uint64_t timeout, std::uint64_t *completed) {
            return of(self)->caught([&](Driver &driver) { *completed = driver.wait(fence, timeout); });
        };
        table.error_text = [](void *self) -> const char * { return of(self)->text_; };
        table.native_calls = [](void *self) { return of(self)->native_calls(); };
        if (has_renderer())
            add_renderer(table);
        return table;
    }

    static void add_renderer(bb_driver &table) noexcept {
        table.export_fence = [](void *self, std::uint64_t *fence) {
            return of(self)->caught([&](Driver &driver) { *fence = driver.export_fence(); });
        };
        table.import_fence = [](void *self, std::uint64_t fence) {
            return of(self)->caught([&](Driver &driver) { driver.import_fence(fence); });
        };
        table.discard_fence = [](void *self, std::uint64_t fence) { of(self)->discard_fence(fence); };
        table.check_renderer = [](void *self) {
            return of(self)->caught<false>([](Driver &driver) { driver.check_renderer(); });
        };
        table.renderer_wait = [](void *self, std::uint64_t fence) { of(self)->renderer_wait(fence); };
        table.renderer_fence = [](void *self, std::uint64_t *fence) {
            return of(self)->caught<false>([&](Driver &driver) { *fence = driver.renderer_fence(); });
        };
        table.renderer_reap = [](void *self, std::uint64_t fence) { return of(self)->renderer_reap(fence); };
    }

    static Driver *of(void *self) noexcept { return static_cast<Driver *>(self); }

    /// Runs a function, and turns what it throws into a status and, on the owner thread, a text.
    template <bool keeps_text = true, class F> std::int32_t caught(F &&function) noexcept {
        try {
            return function(*this), BB_OK;
        } catch (const DriverError &e) {
            return failed<keeps_text>(e.status(), e.what());
        } catch (const Error &e) {
            return failed<keeps_text>(e.status(), e.what());
        } catch (const std::bad_alloc &) {
            return failed<keeps_text>(BB_E_OUT_OF_MEMORY, "out of memory");
        } catch (const std::exception &e) {
            return failed<keeps_text>(BB_E_BACKEND, e.what());
        } catch (...) {
            return failed<keeps_text>(BB_E_BACKEND, "an exception without a text");
        }
    }

    template <bool keeps_text> std::int32_t failed(bb_status status, const char *text) noexcept {
        if constexpr (keeps_text)
            std::strncpy(text_, text, sizeof(text_) - 1);
        else
            static_cast<void>(text);
        return status == BB_OK ? BB_E_BACKEND : status;
    }

    /// Of the last failure on the owner thread; the last byte stays 0.
    char text_[64] = {};
};

#endif

} // namespace backbuf

#include "macros_pop.hpp"

#endif // BACKBUF_DRIVER_HPP
