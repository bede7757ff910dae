// The buffers of one parent in a registry, and their layout by name. Needs exceptions. SPDX-License-Identifier: MIT OR
// Apache-2.0
#ifndef BACKBUF_BUFFER_GROUP_HPP
#define BACKBUF_BUFFER_GROUP_HPP

#include "registry.hpp"

#if BACKBUF_EXCEPTIONS
#include <utility>
#include <vector>

#include "macros_push.hpp"

namespace backbuf {

/**
 * @brief The functions of a BufferRegistry for one parent, and its layout by name.
 *
 * It stores no buffers: groups of the same parent are the same group. It is valid while the BufferRegistry object exists and is not moved.
 * Any thread may call at any time, and results are copies.
 *
 * @code
 * backbuf::BufferGroup solver_group(registry, &solver);
 * solver_group.register_buffer(backbuf::CUDABuffer::shared("k1", 100));
 * solver_group.register_buffer(backbuf::CUDABuffer::local("tmp", 30).aliasing("k1"));
 * for (const auto &[name, range] : solver_group.build_shared_layout())
 *     std::printf("%s: %llu\n", name.c_str(), static_cast<unsigned long long>(range.first));
 * @endcode
 */
class BufferGroup {
  public:
    /// A buffer's name, and its elements in the region.
    using Placement = std::pair<std::string, Range>;

    BufferGroup(const BufferRegistry &registry, Parent parent) noexcept : registry_(&registry), parent_(parent) {}
    BufferGroup(const BufferRegistry &&, Parent) = delete; // the registry ends with the expression

    Parent parent() const noexcept { return parent_; }
    /// The names of the buffers in the order of registration; a child appears as its two regions.
    std::vector<std::string> entries() const {
        std::vector<std::string> names;
        each([&](std::string &name, const bb_allocator &) { names.push_back(std::move(name)); },
             [&] { names.clear(); });
        return names;
    }

    void register_buffer(const CUDABuffer &buffer) const { registry_->register_buffer(parent_, buffer); }
    void replace(const CUDABuffer &buffer) const { registry_->replace(parent_, buffer); }
    Updated update_buffer(const std::string &name, const CUDABufferUpdate &update) const {
        return registry_->update_buffer(parent_, name, update);
    }
    void register_child(const std::string &name, Parent child,
                        const std::optional<std::string> &aliases = std::nullopt) const {
        registry_->register_child(parent_, name, child, aliases);
    }
    void set_options(const RegistryConfig &config) const { registry_->set_options(parent_, config); }
    /// BufferRegistry::clear_layout: the next query computes the layout again.
    void invalidate_layouts() const { registry_->clear_layout(parent_); }

    std::uint64_t shared_buffer_size() const { return registry_->shared_buffer_size(parent_); }
    std::uint64_t persistent_local_buffer_size() const { return registry_->persistent_local_buffer_size(parent_); }
    std::uint64_t local_buffer_size() const { return registry_->local_buffer_size(parent_); }
    bb_allocator get_allocator(const std::string &name) const { return registry_->get_allocator(parent_, name); }
    std::uint64_t version() const { return registry_->version(parent_); }

    /// The elements of each buffer in the shared region, in the order of registration.
    std::vector<Placement> build_shared_layout() const { return placed(BB_SPACE_SHARED); }
    /// The elements of each buffer in the persistent region.
    std::vector<Placement> build_persistent_layout() const { return placed(BB_SPACE_PERSISTENT); }
    /// The number of elements of each local array.
    std::vector<std::pair<std::string, std::uint64_t>> build_local_sizes() const {
        std::vector<std::pair<std::string, std::uint64_t>> sizes;
        for (auto &[name, range] : placed(BB_SPACE_LOCAL))
            sizes.emplace_back(std::move(name), range.count);
        return sizes;
    }

  private:
    /// Calls `take` for each buffer; begins again, after `forget`, if another thread changes the parent meanwhile.
    template <class Take, class Forget> void each(const Take &take, const Forget &forget) const {
        for (;;) {
            forget();
            const std::uint64_t before = version();
            if (before == 0)
                return; // an unknown parent has no buffers
            if (visit(take) && version() == before)
                return;
        }
    }
    /// False if the buffers changed meanwhile.
    template <class Take> bool visit(const Take &take) const {
        const auto info = registry_->try_layout_info(parent_);
        if (!info)
            return gone(info.status());
        for (std::uint64_t index = 0; index < info->buffers; index++) {
            auto name = registry_->try_buffer_name(parent_, index);
            if (!name)
                return gone(name.status());
            const auto found = registry_->try_get_allocator(parent_, *name);
            if (!found)
                return gone(found.status());
            take(*name, *found);
        }
        return true;
    }
    static bool gone(Status status) {
        if (status != BB_E_NO_PARENT && status != BB_E_NO_NAME && status != BB_E_RANGE)
            detail::fail(status);
        return false;
    }
    std::vector<Placement> placed(std::uint32_t space) const {
        std::vector<Placement> all;
        each(
            [&](std::string &name, const bb_allocator &found) {
                if (found.space == space)
                    all.emplace_back(std::move(name), Range{found.offset, found.length});
            },
            [&] { all.clear(); });
        return all;
    }

    const BufferRegistry *registry_;
    Parent parent_;
};

} // namespace backbuf

#include "macros_pop.hpp"
#endif

#endif // BACKBUF_BUFFER_GROUP_HPP
