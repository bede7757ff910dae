// Input of a registry: parents, buffers, options, GPUs and launches. SPDX-License-Identifier: MIT OR Apache-2.0
#ifndef BACKBUF_REGISTRY_BUFFER_HPP
#define BACKBUF_REGISTRY_BUFFER_HPP

#include "array.hpp"

#include <optional>
#include <string>
#include <string_view>

#include "macros_push.hpp"

namespace backbuf {

/// Memory space of a buffer.
enum class Location : std::uint32_t {
    shared = BB_LOCATION_SHARED, ///< the block's shared memory
    local = BB_LOCATION_LOCAL,   ///< local memory of the thread, or its persistent array if the buffer is persistent
};

/// The type of a buffer's elements.
enum class Precision : std::uint32_t { f16 = BB_F16, f32 = BB_F32, f64 = BB_F64, i32 = BB_I32, i64 = BB_I64 };

/// Owner of a shared region.
enum class SharedPer : std::uint32_t { block = BB_SHARED_PER_BLOCK, thread = BB_SHARED_PER_THREAD };

namespace detail {

template <class T> constexpr Precision precision_of() noexcept {
    constexpr std::uint32_t code = dtype<T>::value;
    static_assert(code == BB_F16 || code == BB_F32 || code == BB_F64 || code == BB_I32 || code == BB_I64,
                  "backbuf: a kernel's buffer is of f16, f32, f64, i32 or i64");
    return static_cast<Precision>(code);
}

/// C ends a name at its first NUL: a name that contains one would be another name there.
inline bool whole(const std::string &name) noexcept { return name.find('\0') == std::string::npos; }

/// Fields common to CUDABuffer and CUDABufferUpdate.
template <class Self> class BufferFields {
  public:
    /// It keeps its content between calls. Matters for local buffers.
    Self &persistent(bool on = true) noexcept { return raw_.persistent = on, set_field(BB_FIELD_PERSISTENT); }
    /// A buffer, registered before, whose memory it shares if possible.
    Self &aliasing(std::string target) noexcept { return aliases_ = std::move(target), set_field(BB_FIELD_ALIASES); }
    template <class T> Self &of() noexcept { return of(precision_of<T>()); }
    Self &of(Precision precision) noexcept {
        return raw_.precision = static_cast<std::uint32_t>(precision), set_field(BB_FIELD_PRECISION);
    }
    /// It is alive from step `begin` to before step `end`.
    Self &alive(std::uint64_t begin, std::uint64_t end) noexcept {
        // From 0 to 0 means "always" in C; here it is an empty interval, which is refused as any other.
        raw_.begin = begin == 0 && end == 0 ? 1 : begin;
        return raw_.end = end, set_field(BB_FIELD_LIFETIME);
    }

  protected:
    Self &set_field(std::uint32_t field) noexcept { return fields_ |= field, static_cast<Self &>(*this); }
    /// Calls with the C struct.
    template <class Call> Status with(const std::string &name, const Call &call) const noexcept {
        if (!whole(name) || (aliases_ && !whole(*aliases_)))
            return {BB_E_ARGUMENT, LocalError::zero};
        bb_registry_buffer raw = raw_;
        raw.name = name.c_str();
        raw.aliases = aliases_ ? aliases_->c_str() : nullptr;
        return call(raw);
    }
    bb_registry_buffer raw_{};
    std::uint32_t fields_ = 0;
    std::optional<std::string> aliases_;

  private:
    friend Self;
    BufferFields() noexcept { static_cast<void>(bb_registry_buffer_init(&raw_)); }
};

} // namespace detail

/**
 * @brief The owner of buffers: an object by its address, or any number. The object is never accessed.
 *
 * @code
 * registry.register_buffer(&solver, backbuf::CUDABuffer::shared("k1", 3));
 * registry.register_buffer(7, backbuf::CUDABuffer::shared("k1", 3));
 * @endcode
 *
 * An object that has several addresses, as one with several bases has, is as many parents. Clear a parent before its object is destroyed: the
 * next one may have its address.
 */
class Parent {
  public:
    template <class I, class = std::enable_if_t<std::is_integral_v<I> && !std::is_same_v<I, bool>>>
    constexpr Parent(I key) noexcept : key_(static_cast<std::uint64_t>(key)) {}
    Parent(const void *owner) noexcept : key_(reinterpret_cast<std::uintptr_t>(owner)) {}
    /// Equal texts have different addresses.
    Parent(const char *) = delete;
    /// As in C.
    constexpr std::uint64_t key() const noexcept { return key_; }

  private:
    std::uint64_t key_;
};

/**
 * @brief A buffer to register. Default: f32, always alive, not an alias. Sizes are in elements.
 *
 * @code
 * auto k1 = backbuf::CUDABuffer::shared("k1", 3).of<double>().alive(0, 4);
 * auto last = backbuf::CUDABuffer::local("last", 3).persistent();
 * @endcode
 */
class CUDABuffer : public detail::BufferFields<CUDABuffer> {
  public:
    /// In the block's shared memory.
    static CUDABuffer shared(std::string name, std::uint64_t size) noexcept {
        return {std::move(name), size, Location::shared};
    }
    /// In local memory of the thread, or in its persistent array with persistent().
    static CUDABuffer local(std::string name, std::uint64_t size) noexcept {
        return {std::move(name), size, Location::local};
    }

  private:
    friend class BufferRegistry;
    CUDABuffer(std::string name, std::uint64_t size, Location location) noexcept : name_(std::move(name)) {
        raw_.size = size;
        raw_.location = static_cast<std::uint32_t>(location);
    }
    std::string name_;
};

/**
 * @brief A change of some fields of a buffer.
 *
 * @code
 * registry.update_buffer(&solver, "k1", backbuf::CUDABufferUpdate().size(6).not_aliasing());
 * @endcode
 */
class CUDABufferUpdate : public detail::BufferFields<CUDABufferUpdate> {
  public:
    CUDABufferUpdate() noexcept = default;
    CUDABufferUpdate &size(std::uint64_t elements) noexcept { return raw_.size = elements, set_field(BB_FIELD_SIZE); }
    CUDABufferUpdate &location(Location location) noexcept {
        return raw_.location = static_cast<std::uint32_t>(location), set_field(BB_FIELD_LOCATION);
    }
    CUDABufferUpdate &not_aliasing() noexcept { return aliases_.reset(), set_field(BB_FIELD_ALIASES); }
    CUDABufferUpdate &always_alive() noexcept { return raw_.begin = raw_.end = 0, set_field(BB_FIELD_LIFETIME); }

  private:
    friend class BufferRegistry;
};

/// Result of an update.
struct Updated {
    bool recognized; ///< the buffer exists
    bool changed;    ///< a field has changed
};

/**
 * @brief Parameters of a new registry, or layout options of one parent, with the library's defaults.
 *
 * @code
 * auto r = backbuf::BufferRegistry::create(backbuf::RegistryConfig().label("solvers").typed());
 * @endcode
 */
class RegistryConfig {
  public:
    RegistryConfig() noexcept { static_cast<void>(bb_registry_config_init(&raw_)); }

    /// Label of the registry in messages.
    RegistryConfig &label(std::string_view text) { return label_ = std::string(text), *this; }
    /// Offsets are computed in bytes and aligned by precision, so that a region may mix precisions.
    RegistryConfig &typed(bool on = true) noexcept { return raw_.typed = on, *this; }
    /// Whether the stride from thread to thread is an odd number of words, in a typed layout of 4-byte elements with one
    /// region per thread. True by default.
    RegistryConfig &bank_skew(bool on) noexcept { return raw_.bank_skew = on, *this; }
    /// An alias never overlaps a persistent buffer or a child's region that contains one.
    RegistryConfig &protect_persistent(bool on = true) noexcept { return raw_.protect_persistent = on, *this; }
    /// The block by default.
    RegistryConfig &shared_per(SharedPer owner) noexcept {
        return raw_.shared_per = static_cast<std::uint32_t>(owner), *this;
    }

  private:
    friend class BufferRegistry;
    bb_registry_config raw() const noexcept {
        bb_registry_config raw = raw_;
        if (!label_.empty())
            raw.label = label_.c_str();
        return raw;
    }
    bb_registry_config raw_{};
    std::string label_;
};

/**
 * @brief A compute capability and its limits.
 *
 * @code
 * bb_limits limits = backbuf::Arch(9, 0).limits();
 * limits.shared_block_bytes = 64 << 10;                  // reserve some for other uses
 * bb_fit fit = registry.check(&solver, limits, backbuf::Launch(128).registers(40));
 * @endcode
 */
class Arch {
  public:
    constexpr Arch() noexcept = default;
    constexpr Arch(std::uint32_t major, std::uint32_t minor) noexcept : cc_(10 * major + minor) {}
    /// `sm_90`, `compute_90`, `9.0` or `90`.
    static Result<Arch> try_parse(const std::string &name) noexcept {
        Arch arch;
        if (!detail::whole(name))
            return Status{BB_E_ARGUMENT, detail::LocalError::zero};
        if (const Status status = bb_arch_parse(name.c_str(), &arch.cc_); !status)
            return status;
        return arch;
    }
    Result<bb_limits> try_limits() const noexcept {
        bb_limits limits{};
        if (const Status status = bb_limits_init(cc_, &limits); !status)
            return status;
        return limits;
    }
#if BACKBUF_EXCEPTIONS
    static Arch parse(const std::string &name) { return try_parse(name).value(); }
    bb_limits limits() const { return try_limits().value(); }
#endif
    /// As in C: ten times the compute capability.
    constexpr std::uint32_t cc() const noexcept { return cc_; }

  private:
    std::uint32_t cc_ = 0;
};

/// A launch of a kernel: threads per block and resources.
class Launch {
  public:
    Launch(std::uint32_t threads) noexcept { static_cast<void>(bb_launch_init(threads, &raw_)); }
    /// Registers of a thread, as reported by the compiler.
    Launch &registers(std::uint32_t count) noexcept { return raw_.registers_per_thread = count, *this; }
    /// Shared memory that the kernel declares in addition to the parent's.
    Launch &static_shared_bytes(std::uint64_t bytes) noexcept { return raw_.static_shared_bytes = bytes, *this; }
    /// The parent's option by default.
    Launch &shared_per(SharedPer owner) noexcept { return raw_.shared_per = static_cast<std::uint32_t>(owner), *this; }

  private:
    friend class BufferRegistry;
    bb_launch raw_{};
};

} // namespace backbuf

#include "macros_pop.hpp"

#endif // BACKBUF_REGISTRY_BUFFER_HPP
