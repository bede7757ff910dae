// The stream: what comes out of a ring as buffers that may be kept as long as one likes.
// SPDX-License-Identifier: MIT OR Apache-2.0
#ifndef BACKBUF_STREAM_HPP
#define BACKBUF_STREAM_HPP

#include "bytes.hpp"

#include <string>
#include <string_view>

#include "macros_push.hpp"

namespace backbuf {

/**
 * @brief A buffer of a Stream: 64-byte aligned, writable, and yours until this object is gone.
 *
 * It needs neither its stream nor the thread that got it: keep many, move them to other threads, let go of them in any order.
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
    /// All of it as elements; `BB_E_ALIGN` where they do not fill it, which StreamConfig::records sees to.
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
    /// Gives the buffer back now. Empty afterwards.
    void reset() noexcept {
        if (bb_lease *lease = release())
            bb_lease_release(lease);
    }
    /// Gives the lease away, for `bb_lease_release`; data() must be asked for before. Empty afterwards.
    [[nodiscard]] bb_lease *release() noexcept { return std::exchange(raw_, {}).lease; }

  private:
    friend class Stream;
    bb_chunk raw_{}; // and nothing else: an array of chunks is one of C's
};

/**
 * @brief How a stream fills its buffers. What is not said has the library's default.
 *
 * @code
 * auto s = rx.into_stream(backbuf::StreamConfig().buffer_size(64 * 1024).records<Record>());
 * @endcode
 */
class StreamConfig {
  public:
    StreamConfig() noexcept { static_cast<void>(bb_stream_config_init(&raw_)); }

    /// Names it in messages, logs and dumps; else it has the name of the ring.
    StreamConfig &label(std::string_view text) { return label_ = std::string(text), *this; }
    /// Bytes of a buffer, at least: they grow while larger reads are usual.
    StreamConfig &buffer_size(std::uint64_t bytes) noexcept { return raw_.buffer_size = bytes, *this; }
    /// No chunk is smaller, but for the last one.
    StreamConfig &min_size(std::uint64_t bytes) noexcept { return raw_.min_size = bytes, *this; }
    /// How many buffers are kept for reuse.
    StreamConfig &pool_size(std::uint32_t buffers) noexcept { return raw_.pool_size = buffers, *this; }
    /// Each chunk is a whole number of records of so many bytes; a stream that ends inside of one ends with `BB_E_ALIGN`.
    StreamConfig &record_size(std::uint64_t bytes) noexcept { return raw_.record_size = bytes, *this; }
    /// The same for records of a type, as Chunk::as gives them back.
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
 * @brief A receiver that hands out buffers: each Chunk is filled from the ring, and stays as it is until it is let go of.
 *
 * One thread at a time; what is `const` is for any thread. Each of these loops ends when the sender is gone and all has come:
 *
 * @code
 * for (backbuf::Chunk &chunk : stream) kept.push_back(std::move(chunk));     // or only look at it
 * while (backbuf::Chunk chunk = stream.next(100ms)) use(chunk);              // throws BB_E_TIMEOUT
 * std::array<backbuf::Chunk, 8> batch;
 * while (std::size_t n = stream.ready_chunks(batch)) use(batch.data(), n);   // what is there, 1 to 8
 * while (auto chunk = stream.try_next()) use(*chunk);                        // BB_E_CLOSED is the end
 * @endcode
 */
class Stream : public Handle<bb_stream, bb_stream_destroy> {
  public:
    Stream() noexcept = default;
    /// Takes a stream over from code that gives it away.
    static Stream adopt(bb_stream *stream) noexcept { return Stream(stream); }

    /// The next chunk. Its status is `BB_E_CLOSED` at the end, `BB_E_ALIGN` where the end is inside of a record.
    Result<Chunk> try_next(Timeout timeout = forever) noexcept {
        Chunk chunk;
        if (const bb_status code = bb_stream_next(handle(), timeout.nanoseconds(), &chunk.raw_); code != BB_OK)
            return detail::quiet(code);
        return chunk;
    }
    /// Fills all of `into`, less only at the end, and tells how many. What was in `into` is let go of before. Chunks
    /// that had come when the time was over come with the next call.
    Result<std::size_t> try_chunks(span<Chunk> into, Timeout timeout = forever) noexcept {
        return fill(bb_stream_chunks, into, timeout);
    }
    /// Waits for one, then takes what is there and fits.
    Result<std::size_t> try_ready_chunks(span<Chunk> into, Timeout timeout = forever) noexcept {
        return fill(bb_stream_ready_chunks, into, timeout);
    }

    /// For `poll`, after arm(). Belongs to the stream: never read or close it.
    Result<int> try_fd() const noexcept {
        std::int32_t fd = -1;
        if (const Status status = bb_stream_fd(handle(), &fd); !status)
            return status;
        return static_cast<int>(fd);
    }
    /// True when next() would not wait. Else the descriptor becomes readable when that changes.
    Result<bool> try_arm() noexcept { return detail::armed(bb_stream_arm(handle())); }
    /// Ends the receiving side; chunks stay valid. May be called again.
    Status try_close() const noexcept { return bb_stream_close(handle()); }
    /// A new sender where the old one is gone: the stream goes on.
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
    /// As the `try_` forms; 0 at the end.
    std::size_t chunks(span<Chunk> into, Timeout timeout = forever) { return some(try_chunks(into, timeout)); }
    std::size_t ready_chunks(span<Chunk> into, Timeout timeout = forever) {
        return some(try_ready_chunks(into, timeout));
    }
    int fd() const { return try_fd().value(); }
    bool arm() { return try_arm().value(); }
    void close() const { detail::check(try_close()); }
    Sender attach_sender() const;
    bb_stream_stats stats() const { return try_stats().value(); }

    /// What `for (Chunk &chunk : stream)` walks with: an input iterator that waits for each chunk.
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
            chunk_.reset(); // before the wait, so that the pool has it
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
