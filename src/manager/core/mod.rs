//! The core of the manager: the applier role, the update log, publishing and waiting.

pub(crate) mod applier;
pub(crate) mod call_wait;
pub(crate) mod callback;
pub(crate) mod check;
pub(crate) mod enqueue;
pub(crate) mod on_device;
pub(crate) mod op;
pub(crate) mod reserved;
pub(crate) mod role;
pub(crate) mod shared;
pub(crate) mod synchronize;
pub(crate) mod tasks;
pub(crate) mod update_log;
pub(crate) mod waiters;
pub(crate) mod worker;
