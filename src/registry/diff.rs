//! What moved between two layouts.

use std::collections::HashMap;
use std::fmt;
use std::fmt::Write;

use super::layout::{Layout, Placed, Totals};
use crate::alloc::try_string;
use crate::error::{Error, Result, Status};
use crate::text::compose;

/// A buffer that is not where, or what, it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its name.
    pub name: String,
    /// What it was; None if it is new.
    pub before: Option<Placed>,
    /// What it is; None if it has gone.
    pub after: Option<Placed>,
}

/// What differs between two layouts. Displays as one line a change, and is empty where there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diff {
    /// Every buffer that differs, in the order of the newer layout; those that have gone come last.
    pub changes: Vec<Change>,
    /// What the older layout takes, in elements.
    pub before: Totals,
    /// What the newer one takes.
    pub after: Totals,
    /// Whether a kernel that was compiled with the older layout can run with the newer one.
    pub same_hash: bool,
}

impl Diff {
    /// Whether the layouts are the same, for a kernel and for a reader.
    ///
    /// ```
    /// use backbuf::registry::{Buffer, Registry, diff};
    /// let registry = Registry::new();
    /// registry.register(1, &Buffer::shared("k1", 3))?;
    /// let layout = registry.layout(1)?;
    /// assert!(diff(&layout, &layout)?.is_empty());
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.same_hash
    }

    /// What it displays, if there is memory for it.
    pub(crate) fn text(&self) -> Result<String> {
        compose(|out| write!(out, "{self}"))
    }
}

/// What moved, changed, came and went between two layouts.
///
/// ```
/// use backbuf::registry::{Buffer, Registry, Update, diff};
/// let registry = Registry::new();
/// registry.register(1, &Buffer::shared("k1", 3))?;
/// registry.register(1, &Buffer::shared("k2", 3))?;
/// let before = registry.layout(1)?;
/// registry.update_buffer(1, "k1", &Update { size: Some(5), ..Update::default() })?;
/// registry.register(1, &Buffer::local("x", 2))?;
/// assert_eq!(
///     diff(&before, &registry.layout(1)?)?.to_string(),
///     "k1: shared 0..3 f32 -> shared 0..5 f32\n\
///      k2: shared 3..6 f32 -> shared 5..8 f32\n\
///      x: added, local 2 f32\n\
///      totals: shared 6 -> 8, persistent 0 -> 0, local 0 -> 2\n"
/// );
/// # Ok::<(), backbuf::Error>(())
/// ```
pub fn diff(before: &Layout, after: &Layout) -> Result<Diff> {
    let out_of_memory = |_| Error::of(Status::OutOfMemory);
    let (old, new) = (by_name(before)?, by_name(after)?);
    let mut changes = Vec::new();
    let mut push = |name: &str, before: Option<&Placed>, after: Option<&Placed>| {
        changes.try_reserve(1).map_err(out_of_memory)?;
        let copy = |placed: Option<&Placed>| placed.map(Placed::try_clone).transpose();
        changes.push(Change { name: try_string(name)?, before: copy(before)?, after: copy(after)? });
        Ok::<_, Error>(())
    };
    for placed in &after.buffers {
        let name = placed.buffer.name.as_str();
        let was = old.get(name).copied();
        // The key of a child is not compared: it is another one in each process.
        if was.is_none_or(|was| {
            (&was.buffer, was.allocator) != (&placed.buffer, placed.allocator) || changed_within(was, placed)
        }) {
            push(name, was, Some(placed))?;
        }
    }
    for placed in &before.buffers {
        if !new.contains_key(placed.buffer.name.as_str()) {
            push(&placed.buffer.name, Some(placed), None)?;
        }
    }
    Ok(Diff { changes, before: before.totals(), after: after.totals(), same_hash: before.hash == after.hash })
}

/// Whether the layout of a child has changed. The first of its two hidden buffers stands for both.
fn changed_within(before: &Placed, after: &Placed) -> bool {
    !after.buffer.persistent && before.child_hash != after.child_hash
}

fn by_name(layout: &Layout) -> Result<HashMap<&str, &Placed>> {
    let mut names = HashMap::new();
    names.try_reserve(layout.buffers.len())?;
    names.extend(layout.buffers.iter().map(|placed| (placed.buffer.name.as_str(), placed)));
    Ok(names)
}

/// A place in a line of text.
struct Brief<'a>(&'a Placed);

impl fmt::Display for Brief<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Placed { buffer, allocator: place, .. } = self.0;
        match place.space {
            crate::registry::layout::Space::Local => write!(f, "local {}", place.length)?,
            space => write!(f, "{} {}..{}", space.name(), place.offset, place.offset + place.length)?,
        }
        write!(f, " {}", place.precision.map_or("bytes", |precision| precision.name()))?;
        match (&buffer.aliases, place.origin) {
            (Some(target), crate::registry::layout::Origin::Aliased) => write!(f, ", in {target}")?,
            (Some(target), _) => write!(f, ", fell back from {target}")?,
            (None, _) => {}
        }
        if let Some(lifetime) = buffer.lifetime {
            write!(f, ", alive {lifetime}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for change in &self.changes {
            let name = &change.name;
            match (&change.before, &change.after) {
                (Some(before), Some(after)) => {
                    let within = if changed_within(before, after) { ", its own layout changed" } else { "" };
                    writeln!(f, "{name}: {} -> {}{within}", Brief(before), Brief(after))?;
                }
                (None, Some(after)) => writeln!(f, "{name}: added, {}", Brief(after))?,
                (Some(before), None) => writeln!(f, "{name}: removed, {}", Brief(before))?,
                (None, None) => {}
            }
        }
        if self.before != self.after {
            let (a, b) = (self.before, self.after);
            writeln!(
                f,
                "totals: shared {} -> {}, persistent {} -> {}, local {} -> {}",
                a.shared, b.shared, a.persistent, b.persistent, a.local, b.local
            )?;
        }
        if self.changes.is_empty() && !self.same_hash {
            writeln!(f, "options: the same places, in a layout of another kind")?;
        }
        Ok(())
    }
}
