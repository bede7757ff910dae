//! The models: the protocol files that each covers, its scenarios, and the mutants of those files that it must reject.

mod buffers;
mod device;
mod ffi;
mod manager;
mod spsc;
mod sync;

pub struct Model {
    /// `src/<name>_model.rs` holds the scenarios.
    pub name: &'static str,
    pub files: &'static [&'static str],
    /// Replacements in the first file for every world, the library's own included. The table gives the reason for each.
    pub given: &'static [(&'static str, &'static str)],
    pub scenarios: &'static [&'static str],
    pub mutants: &'static [Mutant],
}

pub struct Mutant {
    pub name: &'static str,
    /// The scenario that must fail.
    pub breaks: &'static str,
    pub file: &'static str,
    /// Texts and their replacements. Each text must occur exactly once.
    pub changes: &'static [(&'static str, &'static str)],
}

/// All models.
pub fn models() -> impl Iterator<Item = &'static Model> {
    [sync::MODELS, ffi::MODELS, manager::MODELS, spsc::MODELS, device::MODELS, buffers::MODELS]
        .into_iter()
        .flatten()
}
