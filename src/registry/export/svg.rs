//! A layout as an SVG picture: memory downwards, and time to the right if buffers have lifetimes.

use std::fmt::{self, Write};

use crate::alloc::try_vec;
use crate::error::Result;
use crate::registry::export::svg_panel::{FillStyle, GLYPH, LINE, MARGIN, Panel, WIDTH};
use crate::registry::layout::Layout;
use crate::registry::options::Space;
use crate::registry::registry::BufferRegistry;
use crate::text::{Draft, compose};

/// Fills, borders and text for light and dark pages. The plain rules come first, for viewers without media queries.
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

/// A colour and its meaning.
struct LegendEntry {
    class: &'static str,
    fill: &'static str,
    text: &'static str,
    x: f64,
    row: u32,
}

/// The colours in the picture, in rows of its width.
fn legend(panels: &[Panel]) -> Result<Vec<LegendEntry>> {
    let kinds = FillStyle::ALL.into_iter().filter(|&kind| panels.iter().any(|panel| panel.shows(kind)));
    let kinds = kinds.map(|kind| (kind.class(), "", kind.legend()));
    let clash = ("clash", " fill=\"url(#clash)\"", "shared while both are alive");
    let clash = panels.iter().any(Panel::has_clashes).then_some(clash);
    let gap = ("gap", " fill=\"url(#gap)\"", "nothing there");
    let mut keys = try_vec(FillStyle::ALL.len() + 2)?;
    let (mut x, mut row) = (MARGIN, 0);
    for (class, fill, text) in kinds.chain(clash).chain([gap]) {
        let width = 24.0 + GLYPH * text.len() as f64;
        if x + width > WIDTH - MARGIN {
            (x, row) = (MARGIN, row + 1);
        }
        keys.push(LegendEntry { class, fill, text, x, row });
        x += width + 24.0;
    }
    Ok(keys)
}

impl LegendEntry {
    fn draw(&self, out: &mut Draft, top: f64) -> fmt::Result {
        let LegendEntry { class, fill, text, x, row } = self;
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
    /// A picture of the layout as SVG: each region with its buffers, slices and gaps to scale. If buffers have lifetimes, it
    /// shows memory over time, and marks where two share memory while both are alive. Tooltips have the figures. It works on
    /// light and dark pages and embeds no fonts.
    ///
    /// ```
    /// use backbuf::registry::{CUDABuffer, BufferRegistry};
    /// let registry = BufferRegistry::new();
    /// registry.register(1, &CUDABuffer::shared("k1", 100))?;
    /// registry.register(1, &CUDABuffer::shared("tmp", 30).aliasing("k1"))?;
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

impl BufferRegistry {
    /// A picture of the parent's layout: [`Layout::svg`].
    pub fn svg(&self, parent: u64) -> Result<String> {
        self.layout(parent)?.svg()
    }
}
