//! Back copies that were reserved when their manager was destroyed: their memory stays until the reservation is committed or
//! cancelled, since its holder may still be writing.

use crate::manager::copies::copies::CopyMemory;
use crate::sync::mutex::Mutex;

struct Kept {
    token: u64,
    back: CopyMemory,
    /// The copy that it follows, which the holder may be reading.
    _front: Option<CopyMemory>,
}

static KEPT: Mutex<Vec<Kept>> = Mutex::new(Vec::new());

/// Keeps the memory of the reservation with that token. Without memory to note it, it is never freed.
pub(super) fn keep(token: u64, back: CopyMemory, front: Option<CopyMemory>) {
    let mut kept = KEPT.lock();
    if kept.try_reserve(1).is_ok() {
        kept.push(Kept { token, back, _front: front });
    } else {
        std::mem::forget((back, front));
    }
}

/// The reservation of the back copy at `data` has ended: frees what was kept for it, if anything was.
pub(crate) fn release(data: *const u8, token: u64) {
    let mut kept = KEPT.lock();
    let found = kept.iter().position(|one| one.token == token && one.back.data().cast_const() == data);
    let ended = found.map(|at| kept.swap_remove(at));
    drop(kept);
    drop(ended);
}
