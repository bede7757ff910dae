//! The core of a manager: the applier role, the update log, publishing, waiting, and the worker.

pub(crate) mod applier;
pub(crate) mod back_reservation;
pub(crate) mod call_wait;
pub(crate) mod callback;
pub(crate) mod drain;
pub(crate) mod enqueue;
pub(crate) mod feeds;
pub(crate) mod op;
pub(crate) mod progress;
pub(crate) mod publish;
pub(crate) mod role;
pub(crate) mod shared;
pub(crate) mod synchronize;
pub(crate) mod tasks;
pub(crate) mod update_log;
pub(crate) mod waiters;
pub(crate) mod worker;
pub(crate) mod worker_state;
