// Streams: the bytes of a ring as buffers that may be kept. SPDX-License-Identifier: MIT OR Apache-2.0
#ifndef BACKBUF_STREAM_HPP
#define BACKBUF_STREAM_HPP

#include "bytes.hpp"

#include <string>
#include <string_view>

#include "macros_push.hpp"

namespace backbuf {

/**
 * @brief A buffer of a Stream: 64-byte aligned, writable, valid during the lifetime of this object.
 *
 * It may outlive its stream and may be moved to other threads; chunks may be destroyed in any order.
 *
 * @code
 * backbuf::Chunk chunk = stream.next();
 * float sum = 0;
 * for (float x : chunk.as<float>()) sum += x;
 * @endcode
 */
class Chunk {
  public:
    Chunk() noexcept = default;
    Chunk(Chunk &&other) noexcept : raw_(std::exchange(other.raw_, {})) {}
    Chunk &operator=(Chunk &&other) noexcept {
        Chunk taken(std::move(other));
        std::swap(raw_, taken.raw_);
        return *this;
    }
    ~Chunk() { reset(); }

    std::byte *data() const noexcept { return static_cast<std::byte *>(raw_.data); }
    std::size_t size() const noexcept { return static_cast<std::size_t>(raw_.bytes); }
    std::byte *begin() const noexcept { return data(); }
    std::byte *end() const noexcept { return data() + size(); }
    backbuf::span<std::byte> span() const & noexcept { return {data(), size()}; }
    backbuf::span<std::byte> span() const && = delete;
    /// The bytes as elements; `BB_E_ALIGN` if they are not whole elements, which StreamConfig::records prevents.
    template <class T> Result<backbuf::span<T>> try_as() const & noexcept {
        return detail::as<T>(data(), size(), true);
    }
    template <class T> Result<backbuf::span<T>> try_as() const && = delete;
#if BACKBUF_EXCEPTIONS
    template <class T> backbuf::span<T> as() const & { return try_as<T>().value(); }
    template <class T> backbuf::span<T> as() const && = delete;
#endif

    explicit operator bool() const noexcept { return raw_.lease != nullptr; }
    bb_lease *handle() const noexcept { return raw_.lease; }
    /// Releases the buffer now. Empty afterwards.
    void reset() noexcept {
        if (bb_lease *lease = release())
            bb_lease_release(lease);
    }
    /// Gives up the ownership of the lease, for `bb_lease_release`; call data() before. Empty afterwards.
    [[nodiscard]] bb_lease *release() noexcept { return std::exchange(raw_, {}).lease; }

  private:
    friend class Stream;
    bb_chunk raw_{}; // no other members: an array of chunks is an array of C structs
};

/**
 * @brief Parameters of a new stream, with the library's defaults.
 *
 * @code
 * auto s = rx.into_stream(backbuf::StreamConfig().pool_size(64 * 1024).records<Record>());
 * @endcode
 */
class StreamConfig {
  public:
    StreamConfig() noexcept { static_cast<void>(bb_stream_config_init(&raw_)); }

    /// Label in messages, logs and dumps; by default the ring's.
    StreamConfig &label(std::string_view text) { return label_ = std::string(text), *this; }
    /// Minimum bytes of a pool buffer, at least 64: buffers grow while larger reads are usual.
    StreamConfig &pool_size(std::uint64_t bytes) noexcept { return raw_.pool_size = bytes, *this; }
    /// Minimum bytes of a chunk, except for the last one.
    StreamConfig &min_size(std::uint64_t bytes) noexcept { return raw_.min_size = bytes, *this; }
    /// Number of buffers that are kept for reuse.
    StreamConfig &pool_count(std::uint32_t buffers) noexcept { return raw_.pool_count = buffers, *this; }
    /// Each chunk is a whole number of records of this size; a stream that ends inside a record ends with `BB_E_ALIGN`.
    StreamConfig &record_size(std::uint64_t bytes) noexcept { return raw_.record_size = bytes, *this; }
    /// The same for records of a type, as Chunk::as returns them.
    template <class T> StreamConfig &records() noexcept {
        static_assert(alignof(T) <= 64, "backbuf: chunks are 64-byte aligned, this type asks for more");
        return detail::copyable<T>(), record_size(sizeof(T));
    }

  private:
    friend class Receiver;
    bb_stream_config raw_{};
    std::string label_;
};

class Sender;

/**
 * @brief A receiver that returns buffers: each Chunk is filled from the ring, and stays valid until it is released.
 *
 * One thread at a time; `const` functions may be called on any thread. Each of these loops ends when the sender is
 * destroyed and all bytes have been received:
 *
 * @code
 * for (backbuf::Chunk &chunk : stream) kept.push_back(std::move(chunk));     // or only read it
 * while (backbuf::Chunk chunk = stream.next(100ms)) use(chunk);              // throws BB_E_TIMEOUT
 * std::array<backbuf::Chunk, 8> batch;
 * while (std::size_t n = stream.ready_chunks(batch)) use(batch.data(), n);   // what is there, 1 to 8
 * while (auto chunk = stream.try_next()) use(*chunk);                        // BB_E_CLOSED is the end
 * @endcode
 */
class Stream : public Handle<bb_stream, bb_stream_destroy> {
  public:
    Stream() noexcept = default;
    /// Takes the ownership of a stream's C handle.
    static Stream adopt(bb_stream *stream) noexcept { return Stream(stream); }

    /// The next chunk. The status is `BB_E_CLOSED` at the end, `BB_E_ALIGN` if the stream ends inside a record.
    Result<Chunk> try_next(Timeout timeout = forever) noexcept {
        Chunk chunk;
        if (const bb_status code = bb_stream_next(handle(), timeout.nanoseconds(), &chunk.raw_); code != BB_OK)
            return detail::quiet(code);
        return chunk;
    }
    /// Fills all of `into`, fewer only at the end, and returns the number. Chunks that were in `into` are released first.
    /// After a timeout the chunks received so far are returned by the next call.
    Result<std::size_t> try_chunks(span<Chunk> into, Timeout timeout = forever) noexcept {
        return fill(bb_stream_chunks, into, timeout);
    }
    /// Waits for one chunk, then returns the available ones that fit.
    Result<std::size_t> try_ready_chunks(span<Chunk> into, Timeout timeout = forever) noexcept {
        return fill(bb_stream_ready_chunks, into, timeout);
    }

    /// The descriptor for `poll`, after arm(). It belongs to the stream: never read or close it.
    Result<int> try_fd() const noexcept {
        std::int32_t fd = -1;
        if (const Status status = bb_stream_fd(handle(), &fd); !status)
            return status;
        return static_cast<int>(fd);
    }
    /// True if next() would not wait. Otherwise the descriptor becomes readable when that changes.
    Result<bool> try_arm() noexcept { return detail::armed(bb_stream_arm(handle())); }
    /// Closes the receiving side; chunks stay valid. May be called again.
    Status try_close() const noexcept { return bb_stream_close(handle()); }
    /// Creates a new sender after the old one was destroyed: the stream continues.
    Result<Sender> try_attach_sender() const noexcept;
    Result<bb_stream_stats> try_stats() const noexcept {
        bb_stream_stats stats{};
        if (const Status status = bb_stream_stats_get(handle(), sizeof(stats), &stats); !status)
            return status;
        return stats;
    }

#if BACKBUF_EXCEPTIONS
    /// The next chunk; an empty one at the end.
    Chunk next(Timeout timeout = forever) {
        Chunk chunk;
        static_cast<void>(detail::more(bb_stream_next(handle(), timeout.nanoseconds(), &chunk.raw_)));
        return chunk;
    }
    /// As the `try_` functions; 0 at the end.
    std::size_t chunks(span<Chunk> into, Timeout timeout = forever) { return some(try_chunks(into, timeout)); }
    std::size_t ready_chunks(span<Chunk> into, Timeout timeout = forever) {
        return some(try_ready_chunks(into, timeout));
    }
    int fd() const { return try_fd().value(); }
    bool arm() { return try_arm().value(); }
    void close() const { detail::check(try_close()); }
    Sender attach_sender() const;
    bb_stream_stats stats() const { return try_stats().value(); }

    /// The iterator of `for (Chunk &chunk : stream)`: an input iterator that waits for each chunk.
    class Iterator {
      public:
        struct End {};
        using iterator_category = std::input_iterator_tag;
        using value_type = Chunk;
        using difference_type = std::ptrdiff_t;
        using pointer = Chunk *;
        using reference = Chunk &;

        explicit Iterator(Stream &stream) : stream_(&stream) { ++*this; }
        Chunk &operator*() const noexcept { return chunk_; }
        Chunk *operator->() const noexcept { return &chunk_; }
        Iterator &operator++() {
            chunk_.reset(); // before the wait, so that the pool can reuse it
            return chunk_ = stream_->next(), *this;
        }
        void operator++(int) { ++*this; }
        friend bool operator==(const Iterator &at, End) noexcept { return !at.chunk_; }
        friend bool operator!=(const Iterator &at, End) noexcept { return static_cast<bool>(at.chunk_); }
        friend bool operator==(End, const Iterator &at) noexcept { return !at.chunk_; }
        friend bool operator!=(End, const Iterator &at) noexcept { return static_cast<bool>(at.chunk_); }

      private:
        Stream *stream_;
        mutable Chunk chunk_;
    };
    Iterator begin() { return Iterator(*this); }
    Iterator::End end() const noexcept { return {}; }
#endif

  private:
    friend class Receiver;
    explicit Stream(bb_stream *raw) noexcept : Handle(raw) {}
    using Fill = bb_status(bb_stream *, std::uint64_t, std::uint64_t, bb_chunk *, std::uint64_t *);
    Result<std::size_t> fill(Fill call, span<Chunk> into, Timeout timeout) noexcept {
        static_assert(sizeof(Chunk) == sizeof(bb_chunk) && std::is_standard_layout_v<Chunk>);
        for (Chunk &chunk : into)
            chunk.reset();
        std::uint64_t got = 0;
        bb_chunk *first = into.empty() ? nullptr : &into.data()->raw_;
        if (const bb_status code = call(handle(), into.size(), timeout.nanoseconds(), first, &got); code != BB_OK)
            return detail::quiet(code);
        return static_cast<std::size_t>(got);
    }
#if BACKBUF_EXCEPTIONS
    static std::size_t some(const Result<std::size_t> &got) {
        return got || got.status() != BB_E_CLOSED ? got.value() : 0;
    }
#endif
};

} // namespace backbuf

#include "macros_pop.hpp"

#endif // BACKBUF_STREAM_HPP
