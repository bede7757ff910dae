// Feeds: rings whose records a manager applies, and a writer of records. SPDX-License-Identifier: MIT OR Apache-2.0
#ifndef BACKBUF_FEED_HPP
#define BACKBUF_FEED_HPP

#include "manager.hpp"
#include "spsc.hpp"

#include <cstring>
#include <vector>

#include "macros_push.hpp"

namespace backbuf {

namespace detail {
/// Writes a record of the size that its header has, with zeros as padding.
inline void put_record(std::byte *to, const bb_feed_record &record, Bytes first, Bytes second) noexcept {
    std::memcpy(to, &record, sizeof record);
    to += sizeof record;
    for (const Bytes part : {first, second}) {
        if (part.size() > 0)
            std::memcpy(to, part.data(), part.size());
        to += part.size();
    }
    std::memset(to, 0, static_cast<std::size_t>(-record.bytes % 8));
}
} // namespace detail

/**
 * @brief A ring that feeds a manager: it applies the records that FeedWriter writes to the ring's sender.
 *
 * `synchronize` covers all records committed before it. Between them and other updates there is no other order. A bad record
 * stops the feed; see info(). Destroying it stops the feed and destroys the receiver, which closes the ring; stop() returns
 * the receiver instead. Any thread may call it.
 *
 * @code
 * backbuf::Manager<float> m({1000});
 * auto [tx, rx] = backbuf::ring(1 << 16);
 * backbuf::Feed feed(m, std::move(rx));
 * backbuf::FeedWriter writer(std::move(tx));
 * const float values[] = {1.5f, 2.5f};
 * writer.write(0, 10 * sizeof(float), values);
 * m.synchronize();
 * @endcode
 */
class Feed {
  public:
    Feed() noexcept = default;
#if BACKBUF_EXCEPTIONS
    /// Lends the receiver to the manager. Throws, and leaves `rx` as it was, if the manager refuses it.
    template <class M> Feed(const M &manager, Receiver &&rx) { detail::check(start(manager.handle(), rx)); }
#endif
    /// Lends the receiver to the manager; a refused one stays the caller's.
    template <class M> static Result<Feed> try_make(const M &manager, Receiver &&rx) noexcept {
        Feed feed;
        if (const Status status = feed.start(manager.handle(), rx); !status)
            return status;
        return Result<Feed>(std::move(feed));
    }

    /// What has been applied, and the reason if nothing more is: `BB_OK` while it feeds.
    Result<bb_feed_info> try_info() const noexcept {
        bb_feed_info info{};
        if (const Status status = bb_feed_status(feed_.handle(), sizeof info, &info); !status)
            return status;
        return info;
    }
#if BACKBUF_EXCEPTIONS
    bb_feed_info info() const { return try_info().value(); }
#endif
    /// Stops the feed and returns the receiver, which receives what was not applied.
    Receiver stop() noexcept {
        feed_.reset();
        return std::move(receiver_);
    }
    /// Whether it is not empty.
    explicit operator bool() const noexcept { return static_cast<bool>(feed_); }
    /// The C handle, still owned by this object.
    bb_feed *handle() const noexcept { return feed_.handle(); }

  private:
    Status start(bb_manager *manager, Receiver &rx) noexcept {
        bb_feed *raw = nullptr;
        if (const Status status = bb_manager_feed(manager, rx.handle(), &raw); !status)
            return status;
        receiver_ = std::move(rx);
        feed_ = Handle<bb_feed, bb_feed_destroy>(raw);
        return Status(BB_OK);
    }

    Receiver receiver_;
    // Destroyed first, which ends the loan of the receiver.
    Handle<bb_feed, bb_feed_destroy> feed_;
};

/**
 * @brief Records that a feed applies together, or none of them. FeedWriter::write_batch may write it several times.
 *
 * @code
 * backbuf::FeedWriter writer(std::move(tx));
 * backbuf::FeedBatch batch;
 * batch.write(0, 0, samples);
 * batch.tag(step);
 * writer.write_batch(batch);
 * @endcode
 */
class FeedBatch {
  public:
    /// Adds a write of `data` at a byte offset of a field.
    void write(std::uint32_t field, std::uint64_t byte_offset, Bytes data) {
        add(BB_FEED_WRITE, field, byte_offset, data, {nullptr, 0});
    }
    /// Adds a fill: `element`, `count` times.
    template <class T>
    void fill(std::uint32_t field, std::uint64_t byte_offset, std::uint64_t count, const T &element) {
        static_assert(std::is_trivially_copyable_v<T>);
        add(BB_FEED_FILL, field, byte_offset, {&count, sizeof count}, {&element, sizeof element});
    }
    /// Adds a tag.
    void tag(std::uint64_t tag) { add(BB_FEED_TAG, 0, tag, {nullptr, 0}, {nullptr, 0}); }
    /// Removes all records.
    void clear() noexcept { records_.clear(); }
    /// The records.
    Bytes bytes() const noexcept { return {records_.data(), records_.size()}; }

  private:
    void add(std::uint32_t type, std::uint32_t field, std::uint64_t offset, Bytes first, Bytes second) {
        bb_feed_record record{};
        std::uint64_t size = 0;
        // Cannot fail: the type is known, and what lies in memory does not overflow a size.
        static_cast<void>(bb_feed_record_init(type, field, offset, first.size() + second.size(), &record, &size));
        const std::size_t before = records_.size();
        records_.resize(before + static_cast<std::size_t>(size));
        detail::put_record(records_.data() + before, record, first, second);
    }

    std::vector<std::byte> records_;
};

/**
 * @brief Writes the records of a feed into a ring, each of them whole and in place. One thread at a time.
 *
 * A call waits for room up to its timeout. What a record may write is checked by the manager; see Feed::info. Fields are
 * numbered from 0, offsets are in bytes.
 */
class FeedWriter {
  public:
    FeedWriter() noexcept = default;
    explicit FeedWriter(Sender &&tx) noexcept : sender_(std::move(tx)) {}

    /// Writes `data` at a byte offset of a field.
    Status try_write(std::uint32_t field, std::uint64_t byte_offset, Bytes data, Timeout timeout = forever) noexcept {
        return put(BB_FEED_WRITE, field, byte_offset, data, none(), timeout);
    }
    /// Writes `element` `count` times.
    template <class T>
    Status try_fill(std::uint32_t field, std::uint64_t byte_offset, std::uint64_t count, const T &element,
                    Timeout timeout = forever) noexcept {
        static_assert(std::is_trivially_copyable_v<T>);
        return put(BB_FEED_FILL, field, byte_offset, {&count, sizeof count}, {&element, sizeof element}, timeout);
    }
    /// Sets the tag of the fronts that contain the records before.
    Status try_tag(std::uint64_t tag, Timeout timeout = forever) noexcept {
        return put(BB_FEED_TAG, 0, tag, none(), none(), timeout);
    }
    /// Writes records that are applied together, or none of them.
    Status try_write_batch(const FeedBatch &batch, Timeout timeout = forever) noexcept {
        return put(BB_FEED_BATCH, 0, 0, batch.bytes(), none(), timeout);
    }
#if BACKBUF_EXCEPTIONS
    void write(std::uint32_t field, std::uint64_t byte_offset, Bytes data, Timeout timeout = forever) {
        detail::check(try_write(field, byte_offset, data, timeout));
    }
    template <class T>
    void fill(std::uint32_t field, std::uint64_t byte_offset, std::uint64_t count, const T &element,
              Timeout timeout = forever) {
        detail::check(try_fill(field, byte_offset, count, element, timeout));
    }
    void tag(std::uint64_t tag, Timeout timeout = forever) { detail::check(try_tag(tag, timeout)); }
    void write_batch(const FeedBatch &batch, Timeout timeout = forever) {
        detail::check(try_write_batch(batch, timeout));
    }
#endif
    /// The sender, for its statistics and its descriptor.
    Sender &sender() noexcept { return sender_; }

  private:
    static constexpr Bytes none() noexcept { return {nullptr, 0}; }
    Status put(std::uint32_t type, std::uint32_t field, std::uint64_t offset, Bytes first, Bytes second,
               Timeout timeout) noexcept {
        bb_feed_record record{};
        std::uint64_t size = 0;
        if (const Status status =
                bb_feed_record_init(type, field, offset, first.size() + second.size(), &record, &size);
            !status)
            return status;
        Result<Reservation> span = sender_.try_reserve(size, timeout);
        if (!span)
            return span.status();
        detail::put_record(span->data(), record, first, second);
        return span->try_commit(size);
    }

    Sender sender_;
};

} // namespace backbuf

#include "macros_pop.hpp"
#endif
