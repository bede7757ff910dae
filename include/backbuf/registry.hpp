// The registry: named buffers of CUDA kernels and their layout. SPDX-License-Identifier: MIT OR Apache-2.0
#ifndef BACKBUF_REGISTRY_HPP
#define BACKBUF_REGISTRY_HPP

#include "plan.hpp"
#include "registry_buffer.hpp"

#include "macros_push.hpp"

namespace backbuf {

namespace detail {
/// Gets a text by two calls: first its length, then the text; repeated if another thread has made it longer in between.
template <class Call> Result<std::string> text(const Call &call) noexcept {
    std::string all;
    for (;;) {
        std::uint64_t length = 0;
        if (const Status status = call(nullptr, 0, &length); !status)
            return status;
#if BACKBUF_EXCEPTIONS
        try {
            all.resize(static_cast<std::size_t>(length));
        } catch (...) {
            return Status{BB_E_OUT_OF_MEMORY, LocalError::memory};
        }
#else
        all.resize(static_cast<std::size_t>(length));
#endif
        const Status status = call(all.data(), length + 1, &length); // its NUL overwrites the string's own
        if (status) {
            all.resize(static_cast<std::size_t>(length));
            return Result<std::string>(std::move(all));
        }
        if (status != BB_E_RANGE)
            return status;
    }
}
} // namespace detail

/**
 * @brief Named buffers of CUDA kernels by parent, in the order of their registration, and their layout.
 *
 * Offsets and sizes are in elements, unless the name contains `bytes`. Any thread may call at any time, and results are
 * copies. C's `bb_registry_register` is register_buffer() here, since `register` is a keyword.
 *
 * @code
 * backbuf::BufferRegistry registry;
 * registry.register_buffer(&solver, backbuf::CUDABuffer::shared("k1", 100));
 * registry.register_buffer(&solver, backbuf::CUDABuffer::local("tmp", 30).aliasing("k1"));
 * registry.register_buffer(&solver, backbuf::CUDABuffer::local("history", 8).persistent());
 *
 * bb_allocator tmp = registry.get_allocator(&solver, "tmp"); // 30 elements, in k1
 * std::uint64_t bytes = registry.shared_bytes(&solver, 128); // 400, for the launch
 * use(tmp, bytes, registry.persistent_local_buffer_size(&solver));
 * @endcode
 */
class BufferRegistry : public Handle<bb_registry, bb_registry_destroy> {
  public:
    /// An empty object without a registry: what moving from one leaves.
    explicit BufferRegistry(detail::Empty) noexcept {}
    static Result<BufferRegistry> try_create(const RegistryConfig &config = {}) noexcept {
        const bb_registry_config raw = config.raw();
        bb_registry *made = nullptr;
        if (const Status status = bb_registry_create(&raw, &made); !status)
            return status;
        return BufferRegistry(made);
    }
    /// Takes the ownership of a registry's C handle.
    static BufferRegistry adopt(bb_registry *registry) noexcept { return BufferRegistry(registry); }

    // -- registrations --

    /// Adds a buffer at the end of the parent's order. `BB_E_EXISTS` if the name exists: use replace().
    Status try_register_buffer(Parent parent, const CUDABuffer &buffer) const noexcept {
        return buffer.with(buffer.name_, [&](const bb_registry_buffer &raw) noexcept {
            return bb_registry_register(handle(), parent.key(), &raw);
        });
    }
    /// Replaces a buffer by another one of the same name, at the same position in the order.
    Status try_replace(Parent parent, const CUDABuffer &buffer) const noexcept {
        return buffer.with(buffer.name_, [&](const bb_registry_buffer &raw) noexcept {
            return bb_registry_replace(handle(), parent.key(), &raw);
        });
    }
    /// Changes the given fields. An unknown parent or name is no error: see Updated.
    Result<Updated> try_update_buffer(Parent parent, const std::string &name,
                                      const CUDABufferUpdate &update) const noexcept {
        Updated met{};
        const Status status = update.with(name, [&](const bb_registry_buffer &raw) noexcept {
            return bb_registry_update_buffer(handle(), parent.key(), update.fields_, &raw, &met.recognized,
                                             &met.changed);
        });
        if (!status)
            return status;
        return met;
    }
    /// Includes a child's shared and persistent totals in a parent, as `<name>.shared` and `<name>.persistent`, which
    /// follow changes of the child. `aliases` is a buffer, registered before, whose memory the child's shared region shares
    /// if possible.
    Status try_register_child(Parent parent, const std::string &name, Parent child,
                              const std::optional<std::string> &aliases = std::nullopt) const noexcept {
        if (!detail::whole(name) || (aliases && !detail::whole(*aliases)))
            return {BB_E_ARGUMENT, detail::LocalError::zero};
        return bb_registry_register_child(handle(), parent.key(), name.c_str(), child.key(),
                                          aliases ? aliases->c_str() : nullptr);
    }
    /// Sets the layout options of a parent, which must have buffers. The label is ignored.
    Status try_set_options(Parent parent, const RegistryConfig &config) const noexcept {
        const bb_registry_config raw = config.raw();
        return bb_registry_set_options(handle(), parent.key(), &raw);
    }
    /// Registers a document in the format of json() for a parent without buffers.
    Status try_load_json(Parent parent, std::string_view json) const noexcept {
        return bb_registry_load_json(handle(), parent.key(), json.data(), json.size());
    }
    /// Discards the layout of a parent, including its plan.
    Status try_clear_layout(Parent parent) const noexcept { return bb_registry_clear_layout(handle(), parent.key()); }
    /// Removes a parent and all of its buffers.
    Status try_clear_parent(Parent parent) const noexcept { return bb_registry_clear_parent(handle(), parent.key()); }

    // -- layout; an unknown parent takes no memory --

    Result<std::uint64_t> try_shared_buffer_size(Parent parent) const noexcept {
        return number(bb_registry_shared_buffer_size, parent);
    }
    Result<std::uint64_t> try_persistent_local_buffer_size(Parent parent) const noexcept {
        return number(bb_registry_persistent_local_buffer_size, parent);
    }
    Result<std::uint64_t> try_local_buffer_size(Parent parent) const noexcept {
        return number(bb_registry_local_buffer_size, parent);
    }
    /// Placement of a buffer. `BB_E_NO_PARENT` or `BB_E_NO_NAME` if there is none.
    Result<bb_allocator> try_get_allocator(Parent parent, const std::string &name) const noexcept {
        if (!detail::whole(name))
            return Status{BB_E_ARGUMENT, detail::LocalError::zero};
        bb_allocator found{};
        const Status status = bb_registry_get_allocator(handle(), parent.key(), name.c_str(), sizeof(found), &found);
        if (!status)
            return status;
        return found;
    }
    Result<bb_layout_info> try_layout_info(Parent parent) const noexcept {
        bb_layout_info info{};
        if (const Status status = bb_registry_layout_info(handle(), parent.key(), sizeof(info), &info); !status)
            return status;
        return info;
    }
    /// A number that changes with every change of the parent or its children.
    Result<std::uint64_t> try_version(Parent parent) const noexcept { return number(bb_registry_version, parent); }
    /// The same number for equal layouts, in every process.
    Result<std::uint64_t> try_layout_hash(Parent parent) const noexcept {
        return number(bb_registry_layout_hash, parent);
    }

    /// Searches for a placement of buffers with lifetimes in as little memory as possible; it is valid until the parent or
    /// one of its children changes. Other threads may use the registry meanwhile; `BB_E_BUSY` if they have changed the
    /// parent. Rethrows an exception of PlanConfig::cancelled.
    Result<bb_registry_plans> try_plan(Parent parent, const PlanConfig &config = {}) const {
        bb_plan_config raw = config.raw_;
        detail::Cancel cancel(config.cancelled_);
        if (config.cancelled_) {
            raw.cancelled = cancel.call;
            raw.cancelled_user_data = &cancel;
        }
        bb_registry_plans plan{};
        if (const Status status = cancel.finish(bb_registry_plan(handle(), parent.key(), &raw, sizeof(plan), &plan));
            !status)
            return status;
        return plan;
    }

    // -- as text --

    /// A CUDA C++ header in this namespace, such as `solver::lorenz`. It includes nothing.
    Result<std::string> try_emit_cuda_header(Parent parent, const std::string &name_space) const noexcept {
        if (!detail::whole(name_space))
            return Status{BB_E_ARGUMENT, detail::LocalError::zero};
        return detail::text([&](char *text, std::uint64_t room, std::uint64_t *length) noexcept {
            return bb_registry_emit_cuda_header(handle(), parent.key(), name_space.c_str(), text, room, length);
        });
    }
    /// An aligned table.
    Result<std::string> try_table(Parent parent) const noexcept { return text(bb_registry_table, parent); }
    /// A picture: regions, buffers, aliases and gaps; with lifetimes, memory over time.
    Result<std::string> try_svg(Parent parent) const noexcept { return text(bb_registry_svg, parent); }

    /// The name of a buffer by its position in the order; `bb_layout_info.buffers` is the number of buffers.
    Result<std::string> try_buffer_name(Parent parent, std::uint64_t index) const noexcept {
        return detail::text([&](char *text, std::uint64_t room, std::uint64_t *length) noexcept {
            return bb_registry_buffer_name(handle(), parent.key(), index, text, room, length);
        });
    }
    /// The parent and all included children as JSON, for try_load_json() and layout_diff().
    Result<std::string> try_json(Parent parent) const noexcept { return text(bb_registry_json, parent); }
    /// Buffers that overlap in both space and time, as a JSON list: aliases that are alive at the same time.
    Result<std::string> try_overlaps(Parent parent) const noexcept { return text(bb_registry_overlaps, parent); }
    /// Bank conflicts of shared memory, as a JSON object.
    Result<std::string> try_banks(Parent parent) const noexcept { return text(bb_registry_banks, parent); }

    // -- on a device --

    /// The resources of a launch. `BB_E_LIMIT` if it does not fit: the message names the largest buffers and possible
    /// remedies.
    Result<bb_fit> try_check(Parent parent, const bb_limits &limits, const Launch &launch) const noexcept {
        bb_fit fit{};
        const Status status = bb_registry_check(handle(), parent.key(), &limits, &launch.raw_, sizeof(fit), &fit);
        if (!status)
            return status;
        return fit;
    }
    /// Shared memory of a block with this many threads.
    Result<std::uint64_t> try_shared_bytes(Parent parent, std::uint32_t threads) const noexcept {
        std::uint64_t bytes = 0;
        if (const Status status = bb_registry_shared_bytes(handle(), parent.key(), threads, &bytes); !status)
            return status;
        return bytes;
    }
    /// Bytes from one thread's shared region to the next, or of the block's region.
    Result<std::uint64_t> try_shared_stride_bytes(Parent parent) const noexcept {
        return number(bb_registry_shared_stride_bytes, parent);
    }
    /// Whether the shared memory of a block fits a GPU.
    Result<bool> try_fits(Parent parent, Arch arch, std::uint32_t threads) const noexcept {
        bool fits = false;
        if (const Status status = bb_registry_fits(handle(), parent.key(), arch.cc(), threads, &fits); !status)
            return status;
        return fits;
    }
    /// Whether the kernel must opt in to the shared memory of a block: more than 48 KiB.
    Result<bool> try_needs_opt_in(Parent parent, std::uint32_t threads) const noexcept {
        bool needs = false;
        if (const Status status = bb_registry_needs_opt_in(handle(), parent.key(), threads, &needs); !status)
            return status;
        return needs;
    }

#if BACKBUF_EXCEPTIONS
    explicit BufferRegistry(const RegistryConfig &config = {}) : BufferRegistry(try_create(config).value()) {}
    static BufferRegistry create(const RegistryConfig &config = {}) { return try_create(config).value(); }
    void register_buffer(Parent parent, const CUDABuffer &buffer) const {
        detail::check(try_register_buffer(parent, buffer));
    }
    void replace(Parent parent, const CUDABuffer &buffer) const { detail::check(try_replace(parent, buffer)); }
    Updated update_buffer(Parent parent, const std::string &name, const CUDABufferUpdate &update) const {
        return try_update_buffer(parent, name, update).value();
    }
    void register_child(Parent parent, const std::string &name, Parent child,
                        const std::optional<std::string> &aliases = std::nullopt) const {
        detail::check(try_register_child(parent, name, child, aliases));
    }
    void set_options(Parent parent, const RegistryConfig &config) const {
        detail::check(try_set_options(parent, config));
    }
    void load_json(Parent parent, std::string_view json) const { detail::check(try_load_json(parent, json)); }
    void clear_layout(Parent parent) const { detail::check(try_clear_layout(parent)); }
    void clear_parent(Parent parent) const { detail::check(try_clear_parent(parent)); }
    std::uint64_t shared_buffer_size(Parent parent) const { return try_shared_buffer_size(parent).value(); }
    std::uint64_t persistent_local_buffer_size(Parent parent) const {
        return try_persistent_local_buffer_size(parent).value();
    }
    std::uint64_t local_buffer_size(Parent parent) const { return try_local_buffer_size(parent).value(); }
    bb_allocator get_allocator(Parent parent, const std::string &name) const {
        return try_get_allocator(parent, name).value();
    }
    bb_layout_info layout_info(Parent parent) const { return try_layout_info(parent).value(); }
    std::uint64_t version(Parent parent) const { return try_version(parent).value(); }
    std::uint64_t layout_hash(Parent parent) const { return try_layout_hash(parent).value(); }
    bb_registry_plans plan(Parent parent, const PlanConfig &config = {}) const {
        return try_plan(parent, config).value();
    }
    std::string emit_cuda_header(Parent parent, const std::string &name_space) const {
        return try_emit_cuda_header(parent, name_space).value();
    }
    std::string table(Parent parent) const { return try_table(parent).value(); }
    std::string svg(Parent parent) const { return try_svg(parent).value(); }
    std::string buffer_name(Parent parent, std::uint64_t index) const { return try_buffer_name(parent, index).value(); }
    std::string json(Parent parent) const { return try_json(parent).value(); }
    std::string overlaps(Parent parent) const { return try_overlaps(parent).value(); }
    std::string banks(Parent parent) const { return try_banks(parent).value(); }
    bb_fit check(Parent parent, const bb_limits &limits, const Launch &launch) const {
        return try_check(parent, limits, launch).value();
    }
    std::uint64_t shared_bytes(Parent parent, std::uint32_t threads) const {
        return try_shared_bytes(parent, threads).value();
    }
    std::uint64_t shared_stride_bytes(Parent parent) const { return try_shared_stride_bytes(parent).value(); }
    bool fits(Parent parent, Arch arch, std::uint32_t threads) const { return try_fits(parent, arch, threads).value(); }
    bool needs_opt_in(Parent parent, std::uint32_t threads) const { return try_needs_opt_in(parent, threads).value(); }
#endif

  private:
    explicit BufferRegistry(bb_registry *raw) noexcept : Handle(raw) {}
    Result<std::uint64_t> number(bb_status (*ask)(bb_registry *, std::uint64_t, std::uint64_t *),
                                 Parent parent) const noexcept {
        std::uint64_t value = 0;
        if (const Status status = ask(handle(), parent.key(), &value); !status)
            return status;
        return value;
    }
    Result<std::string> text(bb_status (*ask)(bb_registry *, std::uint64_t, char *, std::uint64_t, std::uint64_t *),
                             Parent parent) const noexcept {
        return detail::text([&](char *text, std::uint64_t room, std::uint64_t *length) noexcept {
            return ask(handle(), parent.key(), text, room, length);
        });
    }
};

/// Compares two texts of BufferRegistry::json: one line for each buffer that was moved, changed, added or removed; empty if there
/// is none.
inline Result<std::string> try_layout_diff(std::string_view before, std::string_view after) noexcept {
    return detail::text([&](char *text, std::uint64_t room, std::uint64_t *length) noexcept {
        return bb_layout_diff(before.data(), before.size(), after.data(), after.size(), text, room, length);
    });
}
#if BACKBUF_EXCEPTIONS
inline std::string layout_diff(std::string_view before, std::string_view after) {
    return try_layout_diff(before, after).value();
}
#endif

} // namespace backbuf

#include "macros_pop.hpp"

#endif // BACKBUF_REGISTRY_HPP
