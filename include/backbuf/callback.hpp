// Callables as C callbacks, and the transport of their exceptions to a caller. SPDX-License-Identifier: MIT OR Apache-2.0
#ifndef BACKBUF_CALLBACK_HPP
#define BACKBUF_CALLBACK_HPP

#include "core.hpp"

#include <atomic>
#include <memory>
#include <new>
#include <string_view>
#if BACKBUF_EXCEPTIONS
#include <exception>
#include <mutex>
#include <vector>
#endif

#include "macros_push.hpp"

namespace backbuf::detail {

#if BACKBUF_EXCEPTIONS
enum class Origin { update, flush, none };

/// Exceptions of callbacks, until a caller takes them. Keyed by handle, since handles are never reused.
struct BACKBUF_SHARED ExceptionStore {
    struct StoredException {
        const bb_manager *owner;
        Origin origin;
        std::exception_ptr exception;
    };
    std::mutex lock;
    std::vector<StoredException> stored;

    // Never destroyed: a worker may still store exceptions while the program destroys its statics.
    BACKBUF_SHARED static ExceptionStore &get() {
        static ExceptionStore *store = new ExceptionStore;
        return *store;
    }
};
/// Number of stored exceptions, which every synchronize reads with one load.
BACKBUF_SHARED inline std::atomic<std::size_t> stored_exceptions{0};

inline void store_exception(const bb_manager *owner, Origin origin) noexcept {
    if (origin == Origin::none)
        return;
    try {
        ExceptionStore &store = ExceptionStore::get();
        const std::lock_guard<std::mutex> held(store.lock);
        for (const auto &other : store.stored)
            if (other.owner == owner && other.origin == origin)
                return;
        store.stored.push_back({owner, origin, std::current_exception()});
        stored_exceptions.fetch_add(1, std::memory_order_relaxed);
    } catch (...) {
        return; // no memory for the exception: it is lost, but nothing is thrown into the library
    }
}

inline std::exception_ptr take(const bb_manager *owner, Origin origin) noexcept {
    if (stored_exceptions.load(std::memory_order_relaxed) == 0)
        return nullptr;
    ExceptionStore &store = ExceptionStore::get();
    const std::lock_guard<std::mutex> held(store.lock);
    for (auto found = store.stored.begin(); found != store.stored.end(); ++found) {
        if (found->owner != owner || found->origin != origin)
            continue;
        std::exception_ptr taken = std::move(found->exception);
        store.stored.erase(found);
        stored_exceptions.fetch_sub(1, std::memory_order_relaxed);
        return taken;
    }
    return nullptr;
}

[[gnu::cold, gnu::noinline]] inline void deliver(const bb_manager *owner, Status status) {
    std::exception_ptr taken;
    if (status)
        taken = take(owner, Origin::update);
    else if (status.code() == BB_E_BACKEND)
        taken = take(owner, Origin::flush);
    if (taken)
        std::rethrow_exception(taken);
}

/// Called at the end of every waiting call that may throw.
inline void check_and_rethrow(const bb_manager *owner, Status status) {
    if (stored_exceptions.load(std::memory_order_relaxed) != 0)
        deliver(owner, status);
    check(status);
}

inline void clear_exceptions(const bb_manager *owner) noexcept {
    take(owner, Origin::update), take(owner, Origin::flush);
}

/// Runs a callback's body so that nothing is thrown into the library. False when it threw.
template <class Body> bool contain(const bb_manager *owner, Origin origin, Body &&body) noexcept {
    try {
        body();
        return true;
    } catch (...) {
        store_exception(owner, origin);
        return false;
    }
}
#else
enum class Origin { update, flush, none };
inline void clear_exceptions(const bb_manager *) noexcept {}
template <class Body> bool contain(const bb_manager *, Origin, Body &&body) noexcept { return body(), true; }
#endif

/// A callable on the heap, with the manager to which its exceptions belong. The library drops it, once.
template <class F> struct Box {
    const bb_manager *owner;
    F call;

    static std::unique_ptr<Box> make(const bb_manager *owner, F call) {
        return std::unique_ptr<Box>(new (std::nothrow) Box{owner, std::move(call)});
    }
    static Box &from(void *user_data) noexcept { return *static_cast<Box *>(user_data); }
    static void drop(void *user_data) noexcept { delete static_cast<Box *>(user_data); }

    template <class T>
    static void kernel(void *back, const void *front, std::uint64_t count, void *user_data) noexcept {
        Box &box = from(user_data);
        contain(box.owner, Origin::update, [&] {
            const span<T> all(static_cast<T *>(back), static_cast<std::size_t>(count));
            if constexpr (std::is_invocable_v<F &, span<T>, span<const T>>)
                box.call(all, span<const T>(static_cast<const T *>(front), static_cast<std::size_t>(count)));
            else
                box.call(all);
        });
    }
    static void release(void *user_data) noexcept {
        const std::unique_ptr<Box> box(&from(user_data));
        contain(box->owner, Origin::update, [&] { box->call(); });
    }
    static std::int32_t flush(void *user_data) noexcept {
        Box &box = from(user_data);
        std::int32_t code = -1; // what BB_E_BACKEND's text shows when the function threw
        if (contain(box.owner, Origin::flush, [&] { code = box.call(); }) && code == 0) {
#if BACKBUF_EXCEPTIONS
            take(box.owner, Origin::flush); // of an earlier attempt, for which no call waited
#endif
        }
        return code;
    }
};

/// A text callback that runs inside the call it is passed to: its exceptions go to the caller.
template <class F> struct Writer {
    F &write;
#if BACKBUF_EXCEPTIONS
    std::exception_ptr thrown = nullptr;
#endif
    static void call(const char *text, std::uint64_t length, void *user_data) noexcept {
        auto &self = *static_cast<Writer *>(user_data);
#if BACKBUF_EXCEPTIONS
        if (self.thrown)
            return;
        try {
            self.write(std::string_view(text, static_cast<std::size_t>(length)));
        } catch (...) {
            self.thrown = std::current_exception();
        }
#else
        self.write(std::string_view(text, static_cast<std::size_t>(length)));
#endif
    }
    Status finish(bb_status status) {
#if BACKBUF_EXCEPTIONS
        if (thrown)
            std::rethrow_exception(thrown);
#endif
        return status;
    }
};

} // namespace backbuf::detail

#include "macros_pop.hpp"

#endif // BACKBUF_CALLBACK_HPP
