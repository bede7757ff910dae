// Byte rings from one thread to another: copied, or written and read in place. SPDX-License-Identifier: MIT OR Apache-2.0
#ifndef BACKBUF_SPSC_HPP
#define BACKBUF_SPSC_HPP

#include "stream.hpp"

#include "macros_push.hpp"

namespace backbuf {

/**
 * @brief The number of bytes moved by a `try_` call, and the reason for not moving more. True unless the end is closed:
 * also with 0 bytes, when the ring was full or empty.
 *
 * @code
 * while (auto got = rx.try_recv(samples)) {
 *     if (got.bytes() > 0) use(samples.data(), got.bytes());
 *     else do_something_else();              // nothing yet
 * }                                          // the sender is destroyed, and all bytes are received
 * @endcode
 */
class [[nodiscard]] Transfer {
  public:
    constexpr Transfer(bb_status code, std::uint64_t bytes) noexcept
        : code_(code), bytes_(static_cast<std::size_t>(bytes)) {}

    constexpr explicit operator bool() const noexcept {
        return code_ == BB_OK || code_ == BB_E_FULL || code_ == BB_E_EMPTY;
    }
    /// Number of bytes moved, also if the timeout expired or the other end was destroyed in the middle.
    constexpr std::size_t bytes() const noexcept { return bytes_; }
    /// The other end is destroyed, and no more bytes can be moved.
    constexpr bool closed() const noexcept { return code_ == BB_E_CLOSED; }
    /// The C status, which includes `BB_E_FULL` and `BB_E_EMPTY`.
    constexpr Status status() const noexcept { return detail::quiet(code_); }

  private:
    bb_status code_;
    std::size_t bytes_;
};

/**
 * @brief The base of Reservation and Peek: a contiguous part of the ring, claimed until it is ended or the scope is left.
 *
 * An end has one claim at a time. A claim may outlive its end; the memory stays valid.
 */
template <class End, class Byte, bb_status (*EndClaim)(End *, std::uint64_t)> class Claim {
    template <class T> using Elements = backbuf::span<std::conditional_t<std::is_const_v<Byte>, const T, T>>;

  public:
    Claim() noexcept = default;
    Claim(Claim &&other) noexcept : end_(std::exchange(other.end_, nullptr)), bytes_(std::exchange(other.bytes_, {})) {}
    Claim &operator=(Claim &&other) noexcept {
        Claim taken(std::move(other));
        std::swap(end_, taken.end_);
        std::swap(bytes_, taken.bytes_);
        return *this;
    }
    ~Claim() { cancel(); }

    Byte *data() const noexcept { return bytes_.data(); }
    std::size_t size() const noexcept { return bytes_.size(); }
    Byte *begin() const noexcept { return data(); }
    Byte *end() const noexcept { return data() + size(); }
    backbuf::span<Byte> span() const & noexcept { return bytes_; }
    backbuf::span<Byte> span() const && = delete;
    /// As many whole elements as fit. `BB_E_ALIGN` if they would be misaligned, which never happens if only elements of one
    /// type pass through the ring.
    template <class T> Result<Elements<T>> try_as() const & noexcept {
        return detail::as<typename Elements<T>::element_type>(data(), size(), false);
    }
    template <class T> Result<Elements<T>> try_as() const && = delete;
#if BACKBUF_EXCEPTIONS
    template <class T> Elements<T> as() const & { return try_as<T>().value(); }
    template <class T> Elements<T> as() const && = delete;
#endif

    /// Whether it is not empty.
    explicit operator bool() const noexcept { return end_ != nullptr; }
    /// Ends the claim without effect. Empty afterwards.
    void cancel() noexcept {
        if (End *end = std::exchange(end_, nullptr))
            static_cast<void>(EndClaim(end, 0));
        bytes_ = {};
    }

  protected:
    Claim(End *end, Byte *data, std::uint64_t bytes) noexcept
        : end_(end), bytes_(data, static_cast<std::size_t>(bytes)) {}
    bb_status check_and_rethrow(std::uint64_t bytes) noexcept {
        if (end_ == nullptr && bytes == 0)
            return BB_OK; // 0 bytes of an empty one, as in a polling loop
        const bb_status code = EndClaim(end_, bytes);
        if (code == BB_OK || code == BB_E_CLOSED)
            end_ = nullptr, bytes_ = {};
        return code;
    }

  private:
    End *end_ = nullptr;
    backbuf::span<Byte> bytes_;
};

/**
 * @brief Free space of the ring, written in place.
 *
 * @code
 * while (auto room = tx.reserve(sizeof(Record), backbuf::forever)) {
 *     auto records = room.as<Record>();
 *     for (Record &r : records) r = next();
 *     room.commit(records.size_bytes());
 * }                                          // the receiver is destroyed
 * @endcode
 */
class Reservation : public Claim<bb_sender, std::byte, bb_sender_commit> {
  public:
    Reservation() noexcept = default;
    /// Sends the first `bytes` bytes. Empty afterwards; if it is refused (`BB_E_STATE`: more than was reserved), it stays.
    Status try_commit(std::uint64_t bytes) noexcept { return detail::quiet(check_and_rethrow(bytes)); }
#if BACKBUF_EXCEPTIONS
    /// False once the receiver is destroyed or the sender closed: the bytes are discarded.
    bool commit(std::uint64_t bytes) { return detail::more(check_and_rethrow(bytes)); }
#endif

  private:
    friend class Sender;
    Reservation(bb_sender *end, const bb_span &raw) noexcept
        : Claim(end, static_cast<std::byte *>(raw.data), raw.bytes) {}
};

/**
 * @brief Bytes of the ring, read in place.
 *
 * @code
 * while (auto seen = rx.peek(sizeof(Record), backbuf::forever)) {
 *     auto records = seen.as<Record>();
 *     for (const Record &r : records) use(r);
 *     seen.consume(records.size_bytes());
 * }                                          // the sender is destroyed, and less than a record is left
 * @endcode
 */
class Peek : public Claim<bb_receiver, const std::byte, bb_receiver_consume> {
  public:
    Peek() noexcept = default;
    /// Consumes the first `bytes` bytes. Empty afterwards; if it is refused (`BB_E_STATE`: more than was peeked), it stays.
    Status try_consume(std::uint64_t bytes) noexcept { return detail::quiet(check_and_rethrow(bytes)); }
#if BACKBUF_EXCEPTIONS
    /// False if the receiver was closed or destroyed meanwhile.
    bool consume(std::uint64_t bytes) { return detail::more(check_and_rethrow(bytes)); }
#endif

  private:
    friend class Receiver;
    Peek(bb_receiver *end, const bb_const_span &raw) noexcept
        : Claim(end, static_cast<const std::byte *>(raw.data), raw.bytes) {}
};

class Sender;
class Receiver;

/**
 * @brief Parameters of a new ring, with the library's defaults.
 *
 * @code
 * auto [tx, rx] = backbuf::ring(64 * 1024, backbuf::RingConfig().label("audio").checked());
 * @endcode
 */
class RingConfig {
  public:
    RingConfig() noexcept { static_cast<void>(bb_spsc_config_init(&raw_)); }

    /// Label in messages, logs and dumps.
    RingConfig &label(std::string_view text) { return label_ = std::string(text), *this; }
    /// Calls of a second thread on an end at the same time fail with `BB_E_BUSY`, at the cost of an atomic exchange per
    /// call.
    RingConfig &checked(bool on = true) noexcept { return set(BB_SPSC_CHECKED, on); }
    /// Whether an end may pause for a fraction of a microsecond to gather tiny chunks: more throughput, more latency. True
    /// by default.
    RingConfig &backoff(bool on) noexcept { return set(BB_SPSC_NO_BACKOFF, !on); }
    /// For a sender that must never wait: the ring moves whole records of this size, and when it is full a new record
    /// overwrites the oldest one, which both ends count as `lost`. Nothing is overwritten while a Peek is open; keep it
    /// short. 0: every byte is delivered.
    RingConfig &overwrite_record_size(std::uint64_t bytes) noexcept {
        return raw_.overwrite_record_size = bytes, *this;
    }

  private:
    friend Result<std::pair<Sender, Receiver>> try_ring(std::uint64_t, const RingConfig &) noexcept;
    RingConfig &set(std::uint32_t flag, bool on) noexcept {
        raw_.flags = on ? raw_.flags | flag : raw_.flags & ~flag;
        return *this;
    }
    bb_spsc_config raw_{};
    std::string label_;
};

/**
 * @brief The sending end. See ring() for its loops.
 *
 * One thread at a time; `const` functions may be called on any thread, also while the owner waits. Destroying it sends fed
 * bytes, and the receiver gets all bytes before it gets the end.
 */
class Sender : public Handle<bb_sender, bb_sender_destroy> {
  public:
    Sender() noexcept = default;
    /// Takes the ownership of an end's C handle.
    static Sender adopt(bb_sender *sender) noexcept { return Sender(sender); }

    // -- copy --

    /// Sends as many bytes as fit now.
    Transfer try_send(Bytes data) noexcept {
        std::uint64_t sent = 0;
        const bb_status code = bb_sender_send(handle(), data.data(), data.size(), &sent);
        return {code, sent};
    }
    /// Sends all bytes, waiting for space.
    Transfer try_send_all(Bytes data, Timeout timeout = forever) noexcept {
        std::uint64_t sent = 0;
        const bb_status code = bb_sender_send_all(handle(), data.data(), data.size(), timeout.nanoseconds(), &sent);
        return {code, sent};
    }
    /// Sends all bytes now, or none: a record is never split. `BB_E_RANGE` for more than the capacity.
    Transfer try_send_whole(Bytes data) noexcept { return try_send_whole(data, Timeout(0)); }
    /// Sends all bytes or none, waiting for space for all.
    Transfer try_send_whole(Bytes data, Timeout timeout) noexcept {
        std::uint64_t sent = 0;
        const bb_status code = bb_sender_send_whole(handle(), data.data(), data.size(), timeout.nanoseconds(), &sent);
        return {code, sent};
    }
    /// Sends like send, but the receiver sees the bytes later: after flush, send, close, or once a call does not fit.
    Transfer try_feed(Bytes data) noexcept {
        std::uint64_t sent = 0;
        const bb_status code = bb_sender_feed(handle(), data.data(), data.size(), &sent);
        return {code, sent};
    }
    Status try_flush() noexcept { return detail::quiet(bb_sender_flush(handle())); }

    // -- write in place --

    /// Reserves all free space; empty if it is less than `min` bytes.
    Result<Reservation> try_reserve(std::uint64_t min = 1) noexcept {
        bb_span raw{};
        const bb_status code = bb_sender_reserve(handle(), min, &raw);
        if (code != BB_OK && code != BB_E_FULL)
            return detail::quiet(code);
        return code == BB_OK ? Reservation(handle(), raw) : Reservation();
    }
    /// Reserves all free space, waiting for at least `min` bytes.
    Result<Reservation> try_reserve(std::uint64_t min, Timeout timeout) noexcept {
        bb_span raw{};
        if (const bb_status code = claim(min, timeout, raw); code != BB_OK)
            return detail::quiet(code);
        return Reservation(handle(), raw);
    }

    // -- wait --

    /// Waits until `bytes` bytes, or the whole capacity, are free.
    Status try_wait_writable(std::uint64_t bytes = 1, Timeout timeout = forever) noexcept {
        return detail::quiet(bb_sender_wait_writable(handle(), bytes, timeout.nanoseconds()));
    }
    /// The descriptor for `poll`, after arm(). It belongs to the end: never read or close it.
    Result<int> try_fd() const noexcept {
        std::int32_t fd = -1;
        if (const Status status = bb_sender_fd(handle(), &fd); !status)
            return status;
        return static_cast<int>(fd);
    }
    /// True if `bytes` bytes are free or the receiver is destroyed. Otherwise the descriptor becomes readable when that
    /// changes.
    Result<bool> try_arm(std::uint64_t bytes = 1) noexcept { return detail::armed(bb_sender_arm(handle(), bytes)); }

    // -- end --

    /// Sends the fed bytes, and closes the end. May be called again.
    Status try_close() const noexcept { return bb_sender_close(handle()); }
    /// Creates a new receiver after the old one was destroyed; unread bytes are kept. `BB_E_BUSY` while the old one exists.
    Result<Receiver> try_attach_receiver() const noexcept;
    Result<bb_end_stats> try_stats() const noexcept {
        bb_end_stats stats{};
        if (const Status status = bb_sender_stats_get(handle(), sizeof(stats), &stats); !status)
            return status;
        return stats;
    }

#if BACKBUF_EXCEPTIONS
    [[nodiscard]] std::size_t send(Bytes data) {
        const Transfer sent = try_send(data);
        return detail::now(sent.status().code()) ? sent.bytes() : 0;
    }
    /// False once the receiver is destroyed. If it throws, some bytes may have been sent: try_send_all reports how many.
    [[nodiscard]] bool send_all(Bytes data, Timeout timeout = forever) {
        return detail::more(try_send_all(data, timeout).status().code());
    }
    /// False if there is not enough space.
    [[nodiscard]] bool send_whole(Bytes data) { return detail::now(try_send_whole(data).status().code()); }
    /// False once the receiver is destroyed. With a timeout of 0 it throws `BB_E_FULL` if there is not enough space.
    [[nodiscard]] bool send_whole(Bytes data, Timeout timeout) {
        return detail::more(try_send_whole(data, timeout).status().code());
    }
    [[nodiscard]] std::size_t feed(Bytes data) {
        const Transfer sent = try_feed(data);
        return detail::now(sent.status().code()) ? sent.bytes() : 0;
    }
    /// False once the receiver is destroyed.
    bool flush() { return detail::more(bb_sender_flush(handle())); }
    Reservation reserve(std::uint64_t min = 1) {
        bb_span raw{};
        return detail::now(bb_sender_reserve(handle(), min, &raw)) ? Reservation(handle(), raw) : Reservation();
    }
    /// Empty once the receiver is destroyed.
    Reservation reserve(std::uint64_t min, Timeout timeout) {
        bb_span raw{};
        return detail::more(claim(min, timeout, raw)) ? Reservation(handle(), raw) : Reservation();
    }
    /// False once the receiver is destroyed.
    [[nodiscard]] bool wait_writable(std::uint64_t bytes = 1, Timeout timeout = forever) {
        return detail::more(try_wait_writable(bytes, timeout).code());
    }
    int fd() const { return try_fd().value(); }
    bool arm(std::uint64_t bytes = 1) { return try_arm(bytes).value(); }
    void close() const { detail::check(try_close()); }
    Receiver attach_receiver() const;
    bb_end_stats stats() const { return try_stats().value(); }
#endif

  private:
    friend class Receiver;
    friend class Stream;
    friend Result<std::pair<Sender, Receiver>> try_ring(std::uint64_t, const RingConfig &) noexcept;
    explicit Sender(bb_sender *raw) noexcept : Handle(raw) {}
    bb_status claim(std::uint64_t min, Timeout timeout, bb_span &raw) noexcept {
        bb_status code = bb_sender_reserve(handle(), min, &raw);
        if (code == BB_E_FULL) {
            code = bb_sender_wait_writable(handle(), min, timeout.nanoseconds());
            if (code == BB_OK)
                code = bb_sender_reserve(handle(), min, &raw);
        }
        return code;
    }
};

/**
 * @brief The receiving end. See ring() for its loops.
 *
 * One thread at a time; `const` functions may be called on any thread, also while the owner waits. Destroying it discards
 * nothing: unread bytes stay for the next receiver, see Sender::attach_receiver.
 */
class Receiver : public Handle<bb_receiver, bb_receiver_destroy> {
  public:
    Receiver() noexcept = default;
    /// Takes the ownership of an end's C handle.
    static Receiver adopt(bb_receiver *receiver) noexcept { return Receiver(receiver); }

    // -- copy --

    /// Receives the available bytes that fit.
    Transfer try_recv(WritableBytes into) noexcept {
        std::uint64_t got = 0;
        const bb_status code = bb_receiver_recv(handle(), into.data(), into.size(), &got);
        return {code, got};
    }
    /// Receives the available bytes that fit, waiting for at least one.
    Transfer try_recv(WritableBytes into, Timeout timeout) noexcept {
        const Transfer got = try_recv(into);
        if (got.status() != BB_E_EMPTY)
            return got;
        if (const bb_status code = bb_receiver_wait_readable(handle(), 1, timeout.nanoseconds()); code != BB_OK)
            return {code, 0};
        return try_recv(into);
    }
    /// Fills `into`, waiting for the bytes.
    Transfer try_recv_all(WritableBytes into, Timeout timeout = forever) noexcept {
        std::uint64_t got = 0;
        const bb_status code = bb_receiver_recv_all(handle(), into.data(), into.size(), timeout.nanoseconds(), &got);
        return {code, got};
    }

    // -- read in place --

    /// All available bytes; empty if they are fewer than `min`.
    Result<Peek> try_peek(std::uint64_t min = 1) noexcept {
        bb_const_span raw{};
        const bb_status code = bb_receiver_peek(handle(), min, &raw);
        if (code != BB_OK && code != BB_E_EMPTY)
            return detail::quiet(code);
        return code == BB_OK ? Peek(handle(), raw) : Peek();
    }
    /// All available bytes, waiting for at least `min`.
    Result<Peek> try_peek(std::uint64_t min, Timeout timeout) noexcept {
        bb_const_span raw{};
        if (const bb_status code = claim(min, timeout, raw); code != BB_OK)
            return detail::quiet(code);
        return Peek(handle(), raw);
    }

    // -- wait --

    /// Waits until `bytes` bytes are available, or the ring is full.
    Status try_wait_readable(std::uint64_t bytes = 1, Timeout timeout = forever) noexcept {
        return detail::quiet(bb_receiver_wait_readable(handle(), bytes, timeout.nanoseconds()));
    }
    /// The descriptor for `poll`, after arm(). It belongs to the end: never read or close it.
    Result<int> try_fd() const noexcept {
        std::int32_t fd = -1;
        if (const Status status = bb_receiver_fd(handle(), &fd); !status)
            return status;
        return static_cast<int>(fd);
    }
    /// True if `bytes` bytes are available or the sender is destroyed. Otherwise the descriptor becomes readable when that
    /// changes.
    Result<bool> try_arm(std::uint64_t bytes = 1) noexcept { return detail::armed(bb_receiver_arm(handle(), bytes)); }

    // -- end --

    /// Closes the receiver: the sender gets `BB_E_CLOSED`. May be called again.
    Status try_close() const noexcept { return bb_receiver_close(handle()); }
    /// Creates a new sender after the old one was destroyed. `BB_E_BUSY` while the old one exists.
    Result<Sender> try_attach_sender() const noexcept {
        bb_sender *raw = nullptr;
        if (const Status status = bb_receiver_attach_sender(handle(), &raw); !status)
            return status;
        return Sender(raw);
    }
    /// Turns the receiver into a stream. Empty afterwards; if it is refused, the receiver is unchanged.
    Result<Stream> try_into_stream(const StreamConfig &config = {}) noexcept {
        bb_stream_config raw = config.raw_;
        if (!config.label_.empty())
            raw.label = config.label_.c_str();
        bb_stream *made = nullptr;
        if (const Status status = bb_spsc_into_stream(handle(), &raw, &made); !status)
            return status;
        static_cast<void>(release());
        return Stream(made);
    }
    Result<bb_end_stats> try_stats() const noexcept {
        bb_end_stats stats{};
        if (const Status status = bb_receiver_stats_get(handle(), sizeof(stats), &stats); !status)
            return status;
        return stats;
    }

#if BACKBUF_EXCEPTIONS
    [[nodiscard]] std::size_t recv(WritableBytes into) {
        const Transfer got = try_recv(into);
        return detail::now(got.status().code()) ? got.bytes() : 0;
    }
    /// 0 once the sender is destroyed and all bytes have been received.
    [[nodiscard]] std::size_t recv(WritableBytes into, Timeout timeout) {
        const Transfer got = try_recv(into, timeout);
        return detail::more(got.status().code()) ? got.bytes() : 0;
    }
    /// False once the sender is destroyed and all bytes have been received; throws `BB_E_CLOSED` if only a part of `into`
    /// was filled.
    [[nodiscard]] bool recv_all(WritableBytes into, Timeout timeout = forever) {
        const Transfer got = try_recv_all(into, timeout);
        if (got.closed() && got.bytes() != 0)
            detail::fail({BB_E_CLOSED, detail::LocalError::cut_short});
        return detail::more(got.status().code());
    }
    Peek peek(std::uint64_t min = 1) {
        bb_const_span raw{};
        return detail::now(bb_receiver_peek(handle(), min, &raw)) ? Peek(handle(), raw) : Peek();
    }
    /// Empty once the sender is destroyed and fewer than `min` bytes are left.
    Peek peek(std::uint64_t min, Timeout timeout) {
        bb_const_span raw{};
        return detail::more(claim(min, timeout, raw)) ? Peek(handle(), raw) : Peek();
    }
    /// False once the sender is destroyed and fewer than `bytes` bytes are left.
    [[nodiscard]] bool wait_readable(std::uint64_t bytes = 1, Timeout timeout = forever) {
        return detail::more(try_wait_readable(bytes, timeout).code());
    }
    int fd() const { return try_fd().value(); }
    bool arm(std::uint64_t bytes = 1) { return try_arm(bytes).value(); }
    void close() const { detail::check(try_close()); }
    Sender attach_sender() const { return try_attach_sender().value(); }
    Stream into_stream(const StreamConfig &config = {}) { return try_into_stream(config).value(); }
    bb_end_stats stats() const { return try_stats().value(); }
#endif

  private:
    friend class Sender;
    friend Result<std::pair<Sender, Receiver>> try_ring(std::uint64_t, const RingConfig &) noexcept;
    explicit Receiver(bb_receiver *raw) noexcept : Handle(raw) {}
    bb_status claim(std::uint64_t min, Timeout timeout, bb_const_span &raw) noexcept {
        bb_status code = bb_receiver_peek(handle(), min, &raw);
        if (code == BB_E_EMPTY) {
            code = bb_receiver_wait_readable(handle(), min, timeout.nanoseconds());
            if (code == BB_OK)
                code = bb_receiver_peek(handle(), min, &raw);
        }
        return code;
    }
};

inline Result<Receiver> Sender::try_attach_receiver() const noexcept {
    bb_receiver *raw = nullptr;
    if (const Status status = bb_sender_attach_receiver(handle(), &raw); !status)
        return status;
    return Receiver(raw);
}
inline Result<Sender> Stream::try_attach_sender() const noexcept {
    bb_sender *raw = nullptr;
    if (const Status status = bb_stream_attach_sender(handle(), &raw); !status)
        return status;
    return Sender(raw);
}
#if BACKBUF_EXCEPTIONS
inline Receiver Sender::attach_receiver() const { return try_attach_receiver().value(); }
inline Sender Stream::attach_sender() const { return try_attach_sender().value(); }
#endif

/// A ring of `capacity` bytes, rounded up to a power of two.
inline Result<std::pair<Sender, Receiver>> try_ring(std::uint64_t capacity, const RingConfig &config = {}) noexcept {
    bb_spsc_config raw = config.raw_;
    if (!config.label_.empty())
        raw.label = config.label_.c_str();
    bb_sender *sender = nullptr;
    bb_receiver *receiver = nullptr;
    if (const Status status = bb_spsc_create(capacity, &raw, &sender, &receiver); !status)
        return status;
    return std::pair(Sender(sender), Receiver(receiver));
}
#if BACKBUF_EXCEPTIONS
/**
 * @brief A ring of `capacity` bytes, rounded up to a power of two: its two ends, for two threads. All sizes are in bytes.
 *
 * **With a timeout or without.** Functions with a timeout wait, throw `BB_E_TIMEOUT` when it expires, and return *false*
 * (0, an empty Peek, Reservation or Chunk) once the other end is destroyed: the end of a loop. Functions without one never
 * wait, return 0 or an empty object when the ring is full or empty, and throw `BB_E_CLOSED` once the other end is
 * destroyed, so that it cannot be missed. A receiver gets all bytes sent before it gets the end.
 *
 * @code
 * auto [tx, rx] = backbuf::ring(1 << 20);
 *
 * while (tx.send_all(next()))                                     // one thread: until the receiver is destroyed,
 *     if (last()) break;
 * tx.close();                                                     // or there is no more
 *
 * Record record;                                                  // the other: one by one,
 * while (rx.recv_all(record)) use(record);
 * while (std::size_t bytes = rx.recv(samples, backbuf::forever))  // or what there is,
 *     use(samples.data(), bytes);
 * while (auto seen = rx.peek(sizeof(Record), backbuf::forever)) { // or that without a copy
 *     auto records = seen.as<Record>();
 *     use(records);
 *     seen.consume(records.size_bytes());
 * }
 * @endcode
 *
 * Without exceptions, and for polling, the `try_` functions return the same as a Transfer, a Status or a Result: `BB_E_FULL`
 * and `BB_E_EMPTY` are no failures there either, but 0 bytes or an empty claim.
 *
 * **Aliasing.** What is sent is copied before the call returns. The span of a Reservation or a Peek is the ring's own memory: the
 * other end leaves it alone until the claim is ended, and the span ends with the claim.
 */
inline std::pair<Sender, Receiver> ring(std::uint64_t capacity, const RingConfig &config = {}) {
    return try_ring(capacity, config).value();
}
#endif

} // namespace backbuf

#include "macros_pop.hpp"

#endif // BACKBUF_SPSC_HPP
