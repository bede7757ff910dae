//! Who owns memory and a timeline. So far there is the host; its memory needs no timeline but the caller's.

pub(crate) mod mirror;
pub(crate) mod pages;
