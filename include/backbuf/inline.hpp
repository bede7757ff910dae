// Small records through a ring without a call for each: backbuf/inline.h for C++. SPDX-License-Identifier: MIT OR Apache-2.0
#ifndef BACKBUF_INLINE_HPP
#define BACKBUF_INLINE_HPP

#include "inline.h"
#include "spsc.hpp"

#include "macros_push.hpp"

namespace backbuf {

namespace detail {
/// A bb_writer or bb_reader, closed when the scope is left. It stays where it is: inlined code keeps its address.
template <class Raw, bb_status (*Close)(Raw *)> class InlineClaim {
  public:
    InlineClaim() noexcept = default;
    InlineClaim(const InlineClaim &) = delete;
    InlineClaim &operator=(const InlineClaim &) = delete;
    ~InlineClaim() { static_cast<void>(Close(&raw_)); }

    /// The C struct, for the functions of inline.h.
    Raw *raw() noexcept { return &raw_; }

  protected:
    Raw raw_{};
};
} // namespace detail

/**
 * @brief A writer of small records: each is stored by plain stores, and many are published at a time.
 *
 * Records are published every `every` bytes (0: when the space that is known is used up), when the receiver waits, by
 * publish(), and when the writer is closed or destroyed. A receiver that *waits* gets each record at once. While a writer
 * is open, other calls of its Sender that send fail with `BB_E_STATE`. One thread, that of the Sender.
 *
 * @code
 * backbuf::InlineWriter writer(tx, 256);
 * while (!last()) {
 *     const Record record = next();
 *     while (!writer.put(record))            // full: everything before is published
 *         if (!tx.wait_writable(sizeof record))
 *             return;                        // the receiver is destroyed
 * }
 * @endcode
 */
class InlineWriter : public detail::InlineClaim<bb_writer, bb_writer_close> {
  public:
    /// An empty writer, for try_open().
    InlineWriter() noexcept = default;
    Status try_open(const Sender &tx, std::uint64_t every) noexcept {
        return detail::quiet(bb_writer_open(&raw_, tx.handle(), every));
    }
    /// Writes the bytes of one record. `BB_E_FULL`: nothing of it is written, and all records before it are published.
    Status try_put(Bytes record) noexcept { return detail::quiet(bb_writer_put(&raw_, record.data(), record.size())); }
    /// Publishes all records.
    Status try_publish() noexcept { return detail::quiet(bb_writer_publish(&raw_, 0)); }
    /// Publishes all records and ends the claim.
    Status try_close() noexcept { return detail::quiet(bb_writer_close(&raw_)); }

#if BACKBUF_EXCEPTIONS
    InlineWriter(const Sender &tx, std::uint64_t every) { detail::check(try_open(tx, every)); }
    /// False if there is too little space. Throws `BB_E_CLOSED` once the receiver is destroyed.
    [[nodiscard]] bool put(Bytes record) { return detail::now(bb_writer_put(&raw_, record.data(), record.size())); }
    /// False once the receiver is destroyed.
    bool publish() { return detail::more(bb_writer_publish(&raw_, 0)); }
    /// False if the receiver was destroyed: the records that were not published are discarded.
    bool close() { return detail::more(bb_writer_close(&raw_)); }
#endif
};

/**
 * @brief A reader of small records: each is read in the ring, and the space of many is given back at a time.
 *
 * Space is given back every `every` bytes (0: when all known bytes are read), when the sender waits, by give_back(), and
 * when the reader is closed or destroyed. While a reader is open, other calls of its Receiver that receive fail with
 * `BB_E_STATE`. One thread, that of the Receiver.
 *
 * @code
 * backbuf::InlineReader reader(rx, 4096);
 * Record record;
 * while (rx.wait_readable(sizeof record))   // false: the sender is destroyed, and less than a record is left
 *     while (reader.get(record))
 *         use(record);
 * @endcode
 */
class InlineReader : public detail::InlineClaim<bb_reader, bb_reader_close> {
  public:
    /// An empty reader, for try_open().
    InlineReader() noexcept = default;
    Status try_open(const Receiver &rx, std::uint64_t every) noexcept {
        return detail::quiet(bb_reader_open(&raw_, rx.handle(), every));
    }
    /// Fills `record`. `BB_E_EMPTY`: fewer bytes are available, and the space of all records before it is given back.
    Status try_get(WritableBytes record) noexcept {
        return detail::quiet(bb_reader_get(&raw_, record.data(), record.size()));
    }
    /// Gives the space of all records that were read back.
    Status try_give_back() noexcept { return detail::quiet(bb_reader_give_back(&raw_, 0)); }
    /// Gives the space back and ends the claim.
    Status try_close() noexcept { return detail::quiet(bb_reader_close(&raw_)); }

#if BACKBUF_EXCEPTIONS
    InlineReader(const Receiver &rx, std::uint64_t every) { detail::check(try_open(rx, every)); }
    /// False if fewer bytes are available, now or for ever: Receiver::wait_readable distinguishes the two.
    [[nodiscard]] bool get(WritableBytes record) {
        const bb_status code = bb_reader_get(&raw_, record.data(), record.size());
        return code != BB_E_CLOSED && detail::now(code);
    }
    /// False if the receiver was closed or destroyed meanwhile.
    bool give_back() { return detail::more(bb_reader_give_back(&raw_, 0)); }
    /// False if the receiver was closed or destroyed meanwhile.
    bool close() { return detail::more(bb_reader_close(&raw_)); }
#endif
};

} // namespace backbuf

#include "macros_pop.hpp"

#endif // BACKBUF_INLINE_HPP
