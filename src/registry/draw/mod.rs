//! A layout as a picture: memory downwards, and, where buffers have lifetimes, time to the right.

pub(crate) mod panel;

use std::fmt::{self, Display, Write};

use panel::{Kind, Panel};

use super::layout::{Layout, Space};
use super::registry::Registry;
use crate::alloc::try_vec;
use crate::error::{Error, Result, Status};
use crate::text::{Draft, compose};

/// Of the whole picture, and of its margin, in pixels.
const WIDTH: f64 = 960.0;
const MARGIN: f64 = 24.0;
const LINE: f64 = 20.0;
/// The width of a character, near enough.
const GLYPH: f64 = 7.3;

/// Fills, borders and text for a light and for a dark page. The plain rules come first: not every viewer knows the query.
const STYLE: &str = "\
<style>
.page{fill:#ffffff} text{fill:#1b1f24} .dim{fill:#59636e} .grid{stroke:#d1d9e0} .lead{stroke:#8c959f;fill:none}
.own{fill:#b6d9fb;stroke:#0b62b0} .in{fill:#ffdf9e;stroke:#9a5b00;stroke-dasharray:4 2}
.back{fill:#e4cbf7;stroke:#7a3ea8;stroke-dasharray:1 2} .child{fill:#bfe8c2;stroke:#1f7a33}
.hatch{fill:none;stroke:#afb8c1} .gap{stroke:#8c959f} .clash{stroke:#c4161c}
@media (prefers-color-scheme:dark){
.page{fill:#0d1117} text{fill:#f0f6fc} .dim{fill:#9aa4ae} .grid{stroke:#30363d} .lead{stroke:#6e7681}
.own{fill:#14406b;stroke:#58a6ff} .in{fill:#5c4008;stroke:#e3a83b} .back{fill:#45226b;stroke:#c297ff}
.child{fill:#12472a;stroke:#4cc96f} .hatch{stroke:#484f58} .gap{stroke:#6e7681} .clash{stroke:#ff7b72}
}
</style>
<defs><pattern id=\"gap\" width=\"8\" height=\"8\" patternUnits=\"userSpaceOnUse\"><path class=\"hatch\" d=\"M-2 2l4-4M0 8l8-8M6 10l4-4\"/></pattern>
<pattern id=\"clash\" width=\"8\" height=\"8\" patternUnits=\"userSpaceOnUse\"><path class=\"clash\" fill=\"none\" d=\"M-2 6l4 4M0 0l8 8M6-2l4 4\"/></pattern></defs>
";

/// A text as XML.
struct Escaped<T>(T);

impl<T: Display> Display for Escaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        struct Escape<'a, 'b>(&'a mut fmt::Formatter<'b>);
        impl Write for Escape<'_, '_> {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                for character in text.chars() {
                    match character {
                        '&' => self.0.write_str("&amp;")?,
                        '<' => self.0.write_str("&lt;")?,
                        '>' => self.0.write_str("&gt;")?,
                        '"' => self.0.write_str("&quot;")?,
                        _ => self.0.write_char(character)?,
                    }
                }
                Ok(())
            }
        }
        write!(Escape(f), "{}", self.0)
    }
}

/// What a colour means.
struct Key {
    class: &'static str,
    fill: &'static str,
    text: &'static str,
    x: f64,
    row: u32,
}

/// The colours in the picture, in rows as wide as it is.
fn legend(panels: &[Panel]) -> Result<Vec<Key>> {
    let kinds = Kind::ALL.into_iter().filter(|&kind| panels.iter().any(|panel| panel.shows(kind)));
    let kinds = kinds.map(|kind| (kind.class(), "", kind.legend()));
    let clash = ("clash", " fill=\"url(#clash)\"", "shared while both are alive");
    let clash = panels.iter().any(Panel::has_clashes).then_some(clash);
    let gap = ("gap", " fill=\"url(#gap)\"", "nothing there");
    let mut keys = try_vec(Kind::ALL.len() + 2)?;
    let (mut x, mut row) = (MARGIN, 0);
    for (class, fill, text) in kinds.chain(clash).chain([gap]) {
        let width = 24.0 + GLYPH * text.len() as f64;
        if x + width > WIDTH - MARGIN {
            (x, row) = (MARGIN, row + 1);
        }
        keys.push(Key { class, fill, text, x, row });
        x += width + 24.0;
    }
    Ok(keys)
}

impl Key {
    fn draw(&self, out: &mut Draft, top: f64) -> fmt::Result {
        let Key { class, fill, text, x, row } = self;
        let y = top + LINE * f64::from(*row);
        writeln!(
            out,
            "<rect class=\"{class}\"{fill} x=\"{x}\" y=\"{}\" width=\"18\" height=\"12\"/>\
             <text x=\"{}\" y=\"{y}\">{text}</text>",
            y - 10.0,
            x + 24.0
        )
    }
}

impl Layout {
    /// A picture of the layout as SVG: each region with its buffers, slices and gaps to scale; where buffers have lifetimes,
    /// memory over time, and a mark where two share memory while both are alive. Each tells its figures where the pointer
    /// rests. For light and dark pages, without fonts of its own.
    ///
    /// ```
    /// use backbuf::registry::{Buffer, Registry};
    /// let registry = Registry::new();
    /// registry.register(1, &Buffer::shared("k1", 100))?;
    /// registry.register(1, &Buffer::shared("tmp", 30).aliasing("k1"))?;
    /// assert!(registry.svg(1)?.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""));
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn svg(&self) -> Result<String> {
        let mut panels: Vec<Panel> = try_vec(3)?;
        for space in [Space::Shared, Space::Persistent, Space::Local] {
            if self.of(space).next().is_some() {
                panels.push(Panel::of(self, space)?);
            }
        }
        let keys = legend(&panels)?;
        let rows = 1 + keys.last().map_or(0, |key| key.row);
        let maps = panels.iter().map(|panel| panel.height() + LINE).sum::<f64>();
        let height = MARGIN * 2.0 + maps + LINE * f64::from(rows);
        compose(|out| {
            writeln!(
                out,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" width=\"{WIDTH}\" height=\"{height:.0}\" \
                 viewBox=\"0 0 {WIDTH} {height:.0}\" font-family=\"ui-monospace, Menlo, Consolas, monospace\" font-size=\"12\">"
            )?;
            writeln!(out, "<title>Memory layout {:016x}</title>", self.hash)?;
            out.write_str(STYLE)?;
            writeln!(out, "<rect class=\"page\" width=\"100%\" height=\"100%\"/>")?;
            let mut y = MARGIN;
            for panel in &panels {
                panel.draw(out, y)?;
                y += panel.height() + LINE;
            }
            keys.iter().try_for_each(|key| key.draw(out, y + LINE))?;
            out.write_str("</svg>\n")
        })
    }
}

impl Registry {
    /// A picture of the parent's layout: [`Layout::svg`].
    pub fn svg(&self, parent: u64) -> Result<String> {
        self.layout(parent)?.svg()
    }
}

fn out_of_memory(_: std::collections::TryReserveError) -> Error {
    Error::of(Status::OutOfMemory)
}
