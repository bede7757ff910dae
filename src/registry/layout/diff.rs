//! Differences between two layouts.

use std::collections::HashMap;
use std::fmt;
use std::fmt::Write;

use crate::alloc::try_string;
use crate::error::{Error, Result};
use crate::registry::layout::{Layout, Origin, Placed, Totals};
use crate::registry::options::Space;
use crate::text::compose;

/// A buffer that differs between two layouts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BufferChange {
    /// The name of the buffer.
    pub name: String,
    /// The buffer in the older layout; `None` if it was added.
    pub before: Option<Placed>,
    /// The buffer in the newer layout; `None` if it was removed.
    pub after: Option<Placed>,
}

/// The differences between two layouts. Displays as one line per difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diff {
    /// Every buffer that differs, in the order of the newer layout; removed ones come last.
    pub changes: Vec<BufferChange>,
    /// The sizes of the older layout in elements.
    pub before: Totals,
    /// The sizes of the newer layout.
    pub after: Totals,
    /// Whether a kernel that was compiled with the older layout can run with the newer one.
    pub same_hash: bool,
}

impl Diff {
    /// Whether the layouts are equal.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.same_hash
    }

    /// The displayed text; fails if memory is exhausted.
    pub(crate) fn text(&self) -> Result<String> {
        compose(|out| write!(out, "{self}"))
    }
}

/// The buffers that were moved, changed, added and removed between two layouts.
///
/// ```
/// use backbuf::registry::{CUDABuffer, BufferRegistry, CUDABufferUpdate, diff};
/// let registry = BufferRegistry::new();
/// registry.register(1, &CUDABuffer::shared("k1", 3))?;
/// registry.register(1, &CUDABuffer::shared("k2", 3))?;
/// let before = registry.layout(1)?;
/// registry.update_buffer(1, "k1", &CUDABufferUpdate { size: Some(5), ..CUDABufferUpdate::default() })?;
/// registry.register(1, &CUDABuffer::local("x", 2))?;
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
    let (old, new) = (by_name(before)?, by_name(after)?);
    let mut changes = Vec::new();
    let mut push = |name: &str, before: Option<&Placed>, after: Option<&Placed>| {
        changes.try_reserve(1)?;
        let copy = |placed: Option<&Placed>| placed.map(Placed::try_clone).transpose();
        changes.push(BufferChange { name: try_string(name)?, before: copy(before)?, after: copy(after)? });
        Ok::<_, Error>(())
    };
    for placed in &after.buffers {
        let name = placed.buffer.name.as_str();
        let was = old.get(name).copied();
        // The key of a child differs between processes and is not compared.
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

/// A buffer's position on one line.
struct Position<'a>(&'a Placed);

impl fmt::Display for Position<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Placed { buffer, allocator, .. } = self.0;
        match allocator.space {
            Space::Local => write!(f, "local {}", allocator.length)?,
            space => {
                write!(f, "{} {}..{}", space.name(), allocator.offset, allocator.offset + allocator.length)?
            }
        }
        write!(f, " {}", allocator.precision.map_or("bytes", |precision| precision.name()))?;
        match (&buffer.aliases, allocator.origin) {
            (Some(target), Origin::Aliased) => write!(f, ", in {target}")?,
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
                    writeln!(f, "{name}: {} -> {}{within}", Position(before), Position(after))?;
                }
                (None, Some(after)) => writeln!(f, "{name}: added, {}", Position(after))?,
                (Some(before), None) => writeln!(f, "{name}: removed, {}", Position(before))?,
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
            writeln!(f, "options: the same positions, with other layout options")?;
        }
        Ok(())
    }
}
