//! A layout as an aligned text table.

use std::fmt::{self, Display, Write};

use crate::alloc::try_vec;
use crate::error::Result;
use crate::registry::layout::{Layout, MemoryRegion, Origin, Placed};
use crate::registry::options::{SharedPer, Space};
use crate::registry::registry::BufferRegistry;
use crate::text::{Draft, compose};

const COLUMNS: usize = 8;
const HEADER: [&str; COLUMNS] = ["name", "space", "offset", "length", "type", "bytes", "origin", "alive"];
/// Numbers are aligned to the right, words to the left.
const IS_NUMBER: [bool; COLUMNS] = [false, false, true, true, false, true, false, false];

type Row = [String; COLUMNS];

fn cell(text: impl Display) -> Result<String> {
    compose(|out| write!(out, "{text}"))
}

fn row(placed: &Placed) -> Result<Row> {
    let (buffer, allocator) = (&placed.buffer, &placed.allocator);
    let nothing = || Ok(String::new());
    Ok([
        cell(Printable(&buffer.name))?,
        cell(allocator.space.name())?,
        if allocator.space == Space::Local { nothing()? } else { cell(allocator.offset)? },
        cell(allocator.length)?,
        cell(allocator.precision.map_or("bytes", |precision| precision.name()))?,
        cell(allocator.length * allocator.element_bytes())?,
        match (&buffer.aliases, placed.child.is_some()) {
            (None, true) => cell("child")?,
            (None, false) => cell("own")?,
            (Some(target), child) => {
                let child = if child { "child " } else { "" };
                let how = if allocator.origin == Origin::Aliased { "in" } else { "fell back from" };
                cell(format_args!("{child}{how} {}", Printable(target)))?
            }
        },
        buffer.lifetime.map_or_else(nothing, |alive| cell(format_args!("{}..{}", alive.begin, alive.end)))?,
    ])
}

/// A cell padded to a width in characters.
fn padded(out: &mut Draft, text: &str, width: usize, to_the_right: bool) -> fmt::Result {
    let fill = width - text.chars().count();
    let (before, after) = if to_the_right { (fill, 0) } else { (0, fill) };
    write!(out, "{:before$}{text}{:after$}", "", "")
}

fn line(out: &mut Draft, cells: [&str; COLUMNS], widths: [usize; COLUMNS]) -> fmt::Result {
    // No trailing spaces.
    let last = cells.iter().rposition(|cell| !cell.is_empty()).unwrap_or(0);
    for (column, text) in cells.into_iter().enumerate().take(last + 1) {
        if column > 0 && widths[column] > 0 {
            out.write_str("  ")?;
        }
        let width = if column == last && !IS_NUMBER[column] { text.chars().count() } else { widths[column] };
        padded(out, text, width, IS_NUMBER[column])?;
    }
    out.write_char('\n')
}

fn region(out: &mut Draft, name: &str, region: &MemoryRegion) -> fmt::Result {
    write!(out, "{name}: {} ", region.elements)?;
    match (region.precision, region.bytes) {
        (Some(precision), Some(bytes)) => write!(out, "{precision}, {bytes} bytes"),
        (_, Some(_)) => out.write_str("bytes"),
        (_, None) => out.write_str("elements of several types"),
    }
}

/// A text in which every character that is invisible, or would end a line, a comment or a tag, is replaced by its code point.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Printable<'a>(pub(crate) &'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                ' ' => f.write_char(' ')?,
                // C would join lines at it, or take it for an escape.
                '\\' => f.write_str("U+005C")?,
                _ if character.is_ascii_graphic() || character.is_alphanumeric() => {
                    f.write_char(character)?
                }
                _ => write!(f, "U+{:04X}", u32::from(character))?,
            }
        }
        Ok(())
    }
}

impl Layout {
    /// The layout as an aligned text table, in layout order: shared, persistent, local. Offsets are elements of the buffer's
    /// type.
    ///
    /// ```
    /// use backbuf::registry::{CUDABuffer, BufferRegistry};
    /// let registry = BufferRegistry::new();
    /// registry.register(1, &CUDABuffer::shared("k1", 100))?;
    /// registry.register(1, &CUDABuffer::shared("tmp", 30).aliasing("k1"))?;
    /// registry.register(1, &CUDABuffer::persistent("history", 8))?;
    /// assert_eq!(
    ///     registry.table(1)?,
    ///     "name     space       offset  length  type  bytes  origin\n\
    ///      k1       shared           0     100  f32     400  own\n\
    ///      tmp      shared           0      30  f32     120  in k1\n\
    ///      history  persistent       0       8  f32      32  own\n\
    ///      shared: 100 f32, 400 bytes a block\n\
    ///      persistent: 8 f32, 32 bytes\n"
    /// );
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn table(&self) -> Result<String> {
        let mut rows: Vec<Row> = try_vec(self.buffers.len())?;
        for space in [Space::Shared, Space::Persistent, Space::Local] {
            for placed in self.of(space) {
                rows.try_reserve(1)?;
                rows.push(row(placed)?);
            }
        }
        let mut widths = [0; COLUMNS];
        for (column, width) in widths.iter_mut().enumerate() {
            let widest = rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
            // An empty column is omitted.
            *width = if widest == 0 { 0 } else { widest.max(HEADER[column].len()) };
        }
        compose(|out| {
            let header = std::array::from_fn(|column| if widths[column] > 0 { HEADER[column] } else { "" });
            line(out, header, widths)?;
            for row in &rows {
                line(out, std::array::from_fn(|column| row[column].as_str()), widths)?;
            }
            self.totals_of_regions(out)
        })
    }

    fn totals_of_regions(&self, out: &mut Draft) -> fmt::Result {
        if self.of(Space::Shared).next().is_some() {
            region(out, "shared", &self.shared)?;
            write!(out, " a {}", self.options.shared_per.name())?;
            match self.shared_stride_bytes {
                Some(stride) if self.options.shared_per == SharedPer::Thread => {
                    writeln!(out, ", {stride} from one to the next")?;
                }
                _ => out.write_char('\n')?,
            }
        }
        if self.of(Space::Persistent).next().is_some() {
            region(out, "persistent", &self.persistent)?;
            out.write_char('\n')?;
        }
        if self.of(Space::Local).next().is_some() {
            writeln!(out, "local: {} elements, {} bytes", self.local, self.local_bytes)?;
        }
        Ok(())
    }
}

impl BufferRegistry {
    /// The parent's layout as an aligned text table: [`Layout::table`].
    pub fn table(&self, parent: u64) -> Result<String> {
        self.layout(parent)?.table()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::buffer::CUDABuffer;
    use crate::registry::options::{LayoutOptions, Precision};

    #[test]
    fn columns_are_aligned_whatever_the_names() {
        let options =
            LayoutOptions { typed: true, shared_per: SharedPer::Thread, ..LayoutOptions::default() };
        let registry = BufferRegistry::with_options("", options);
        let buffers = [
            CUDABuffer::shared("größe\n", 4).alive(0..12),
            CUDABuffer::shared("b\\", 5).of(Precision::F64),
            CUDABuffer::shared("late", 900).aliasing("b\\").of(Precision::I64).alive(7..9),
            CUDABuffer::local("x", 0),
        ];
        for buffer in &buffers {
            registry.register(1, buffer).unwrap();
        }
        registry.register_child(1, "child", 2, None).unwrap();
        let expected = "\
name              space       offset  length  type   bytes  origin                  alive
größeU+000A       shared           0       4  f32       16  own                     0..12
bU+005C           shared           2       5  f64       40  own
child.shared      shared          56       0  bytes      0  child
late              shared           7     900  i64     7200  fell back from bU+005C  7..9
child.persistent  persistent       0       0  bytes      0  child
x                 local                    1  f32        4  own
shared: 7256 bytes a thread, 7256 from one to the next
persistent: 0 bytes
local: 1 elements, 4 bytes
";
        assert_eq!(registry.table(1).unwrap(), expected);
    }
}
