//! One region of the SVG picture.

use std::collections::HashMap;
use std::fmt::{self, Display, Write};

use crate::alloc::try_vec;
use crate::error::Result;
use crate::registry::buffer::Lifetime;
use crate::registry::export::table::Printable;
use crate::registry::layout::lifetimes::sweep;
use crate::registry::layout::{Layout, Origin, Placed};
use crate::registry::options::{SharedPer, Space};
use crate::text::Draft;

/// The width of the picture and of its margin in pixels.
pub(crate) const WIDTH: f64 = 960.0;
pub(crate) const MARGIN: f64 = 24.0;
pub(crate) const LINE: f64 = 20.0;
/// The approximate width of a character.
pub(crate) const GLYPH: f64 = 7.3;

/// The x coordinate at which the memory begins, right of the axis.
const LEFT: f64 = MARGIN + 72.0;
/// The width of memory without time; labels stand beside it.
const COLUMN: f64 = 300.0;
const LABEL: f64 = 15.0;
const TITLE: f64 = 26.0;

/// The colour of a buffer by its origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FillStyle {
    Own,
    Aliased,
    FellBack,
    Child,
}

impl FillStyle {
    pub(crate) const ALL: [FillStyle; 4] =
        [FillStyle::Own, FillStyle::Aliased, FillStyle::FellBack, FillStyle::Child];

    fn of(placed: &Placed) -> FillStyle {
        match (placed.child, placed.allocator.origin) {
            (Some(_), _) => FillStyle::Child,
            (None, Origin::Own) => FillStyle::Own,
            (None, Origin::Aliased) => FillStyle::Aliased,
            (None, Origin::FellBack) => FillStyle::FellBack,
        }
    }

    pub(crate) fn class(self) -> &'static str {
        match self {
            FillStyle::Own => "own",
            FillStyle::Aliased => "in",
            FillStyle::FellBack => "back",
            FillStyle::Child => "child",
        }
    }

    pub(crate) fn legend(self) -> &'static str {
        match self {
            FillStyle::Own => "memory of its own",
            FillStyle::Aliased => "slice of another",
            FillStyle::FellBack => "alias that fell back",
            FillStyle::Child => "a child's region",
        }
    }
}

/// A buffer in units of the region.
struct DrawnBuffer<'a> {
    placed: &'a Placed,
    start: u64,
    extent: u64,
    /// The number of alias targets below it.
    depth: u32,
}

impl DrawnBuffer<'_> {
    fn stop(&self) -> u64 {
        self.start + self.extent
    }

    fn alive(&self) -> Lifetime {
        self.placed.buffer.lifetime.unwrap_or(Lifetime::ALWAYS)
    }

    fn length_of_name(&self) -> f64 {
        GLYPH * self.placed.buffer.name.chars().count() as f64
    }
}

/// Name, length and type.
impl Display for DrawnBuffer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let allocator = &self.placed.allocator;
        let element = allocator.precision.map_or("bytes", |precision| precision.name());
        write!(f, "{}: {} {element}", Printable(&self.placed.buffer.name), allocator.length)
    }
}

/// One region, or all local arrays.
pub(crate) struct Panel<'a> {
    layout: &'a Layout,
    space: Space,
    drawn_buffers: Vec<DrawnBuffer<'a>>,
    /// The length of the region, and of what is drawn: with the padding between the regions of two threads.
    extent: u64,
    drawn: u64,
    unit: &'static str,
    /// From the first step to the last, if any buffer has a lifetime.
    steps: Option<Lifetime>,
    /// Buffers that share memory while both are alive. Not marked without steps, where every slice does so.
    clashes: Vec<[usize; 2]>,
}

impl<'a> Panel<'a> {
    pub(crate) fn of(layout: &'a Layout, space: Space) -> Result<Panel<'a>> {
        let region = if space == Space::Persistent { &layout.persistent } else { &layout.shared };
        let in_bytes = space == Space::Local || region.bytes.is_some();
        let mut panel = Panel {
            layout,
            space,
            drawn_buffers: try_vec(layout.buffers.len())?,
            extent: match space {
                Space::Local => layout.local_bytes,
                _ => region.bytes.unwrap_or(region.elements),
            },
            drawn: 0,
            unit: if in_bytes { "bytes" } else { "elements" },
            steps: None,
            clashes: Vec::new(),
        };
        let mut depths = HashMap::new();
        depths.try_reserve(layout.buffers.len())?;
        let mut end = 0;
        for placed in layout.of(space) {
            let allocator = &placed.allocator;
            let target = placed.buffer.aliases.as_deref().filter(|_| allocator.origin == Origin::Aliased);
            let depth = target.and_then(|target| depths.get(target)).map_or(0, |depth| depth + 1);
            depths.insert(placed.buffer.name.as_str(), depth);
            let extent = allocator.length * if in_bytes { allocator.element_bytes() } else { 1 };
            let start = match space {
                Space::Local => end,
                _ => allocator.byte_offset.unwrap_or(allocator.offset),
            };
            end += if space == Space::Local { extent } else { 0 };
            panel.drawn_buffers.push(DrawnBuffer { placed, start, extent, depth });
            if let (Some(alive), false) = (placed.buffer.lifetime, space == Space::Local) {
                let all = panel.steps.get_or_insert(alive);
                all.begin = all.begin.min(alive.begin);
                all.end = all.end.max(alive.end);
            }
        }
        let stride = layout.shared_stride_bytes.filter(|_| space == Space::Shared && in_bytes);
        panel.drawn = panel.extent.max(stride.unwrap_or(0)).max(1);
        if panel.steps.is_some() {
            panel.clashes = panel.find_clashes()?;
        }
        Ok(panel)
    }

    fn find_clashes(&self) -> Result<Vec<[usize; 2]>> {
        let mut clashes = Vec::new();
        let drawn_buffers = &self.drawn_buffers;
        let takes = |index: usize| drawn_buffers[index].start..drawn_buffers[index].stop();
        sweep(drawn_buffers.len(), takes, |a, b| {
            if drawn_buffers[a].alive().meets(drawn_buffers[b].alive()) {
                clashes.try_reserve(1)?;
                clashes.push([a.min(b), a.max(b)]);
            }
            Ok(())
        })?;
        Ok(clashes)
    }

    pub(crate) fn shows(&self, kind: FillStyle) -> bool {
        self.drawn_buffers.iter().any(|block| FillStyle::of(block.placed) == kind)
    }

    pub(crate) fn has_clashes(&self) -> bool {
        !self.clashes.is_empty()
    }

    fn map_height(&self) -> f64 {
        let rows = self.drawn_buffers.len() as f64;
        match self.steps {
            None => (rows * LABEL).max(120.0),
            Some(_) => (rows * 24.0).clamp(160.0, 640.0),
        }
    }

    /// The height with the title and the axis below the map.
    pub(crate) fn height(&self) -> f64 {
        let below = if self.steps.is_some() { LINE * 2.0 } else { LINE };
        TITLE + self.map_height() + below
    }

    fn map_width(&self) -> f64 {
        if self.steps.is_some() { WIDTH - MARGIN - LEFT } else { COLUMN }
    }

    /// The pixels from the top of the map.
    fn down(&self, units: u64) -> f64 {
        units as f64 / self.drawn as f64 * self.map_height()
    }

    /// The left edge and the width of a buffer in pixels.
    fn across(&self, block: &DrawnBuffer) -> (f64, f64) {
        let width = self.map_width();
        let (inset, (from, to)) = match self.steps {
            None => (f64::from(block.depth) * 28.0, (0.0, width)),
            Some(all) => {
                let alive = block.placed.buffer.lifetime.unwrap_or(all);
                let at = |step: u64| (step - all.begin) as f64 / (all.end - all.begin) as f64 * width;
                (f64::from(block.depth) * 4.0, (at(alive.begin), at(alive.end)))
            }
        };
        let inset = inset.min((to - from) / 2.0);
        (LEFT + from + inset, to - from - inset)
    }

    pub(crate) fn draw(&self, out: &mut Draft, top: f64) -> fmt::Result {
        write!(out, "<text x=\"{MARGIN}\" y=\"{:.1}\" font-weight=\"bold\">", top + 12.0)?;
        self.title(out)?;
        out.write_str("</text>\n")?;
        let top = top + TITLE;
        let (width, height) = (self.map_width(), self.map_height());
        writeln!(
            out,
            "<rect class=\"gap\" fill=\"url(#gap)\" x=\"{LEFT}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/>"
        )?;
        self.axis(out, top)?;
        for block in &self.drawn_buffers {
            self.block(out, block, top)?;
        }
        match self.steps {
            Some(steps) => {
                self.clashes.iter().try_for_each(|clash| self.clash(out, *clash, steps, top))?;
                self.drawn_buffers.iter().try_for_each(|block| self.name(out, block, top))?;
                self.time(out, steps, top)
            }
            None => self.labels(out, top),
        }
    }

    fn title(&self, out: &mut Draft) -> fmt::Result {
        let name = self.space.name();
        if self.space == Space::Local {
            return write!(out, "{name}: {} bytes in arrays of their own", self.extent);
        }
        write!(out, "{name}: {} {}", self.extent, self.unit)?;
        if self.space == Space::Shared {
            write!(out, " a {}", self.layout.options.shared_per.name())?;
            if self.layout.options.shared_per == SharedPer::Thread && self.drawn > self.extent {
                write!(out, ", {} from one to the next", self.drawn)?;
            }
        }
        let planned = self.layout.planned && self.steps.is_some();
        out.write_str(if planned { ", planned" } else { "" })
    }

    fn block(&self, out: &mut Draft, block: &DrawnBuffer, top: f64) -> fmt::Result {
        let (x, width) = self.across(block);
        let (y, height) = (top + self.down(block.start), self.down(block.extent).max(1.0));
        let (buffer, kind) = (&block.placed.buffer, FillStyle::of(block.placed));
        write!(
            out,
            "<g><title>{}\n{} {}..{} of {}",
            Escaped(block),
            self.unit,
            block.start,
            block.stop(),
            self.space.name(),
        )?;
        if let Some(target) = &buffer.aliases {
            let how = if kind == FillStyle::Aliased { "slice of" } else { "fell back from" };
            write!(out, "\n{how} {}", Escaped(Printable(target)))?;
        }
        if let Some(alive) = buffer.lifetime {
            write!(out, "\nalive in steps {}..{}", alive.begin, alive.end)?;
        }
        writeln!(
            out,
            "</title><rect class=\"{}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/></g>",
            kind.class()
        )
    }

    /// The mark of memory that two buffers share while both are alive.
    fn clash(&self, out: &mut Draft, clash: [usize; 2], steps: Lifetime, top: f64) -> fmt::Result {
        let [one, other] = clash.map(|index| &self.drawn_buffers[index]);
        let [(x, width), (x2, width2)] = [one, other].map(|block| self.across(block));
        let (left, right) = (x.max(x2), (x + width).min(x2 + width2));
        let [alive, alive2] = [one, other].map(DrawnBuffer::alive);
        let (start, stop) = (one.start.max(other.start), one.stop().min(other.stop()));
        writeln!(
            out,
            "<g><title>{} and {} share {} {start}..{stop}\nin steps {}..{}</title>\
             <rect class=\"clash\" fill=\"url(#clash)\" x=\"{left:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\"/></g>",
            Escaped(Printable(&one.placed.buffer.name)),
            Escaped(Printable(&other.placed.buffer.name)),
            self.unit,
            alive.begin.max(alive2.begin).max(steps.begin),
            alive.end.min(alive2.end).min(steps.end),
            top + self.down(start),
            (right - left).max(1.0),
            self.down(stop - start).max(1.0)
        )
    }

    /// With time, there is no room beside the map: the name stands inside, if it fits.
    fn name(&self, out: &mut Draft, block: &DrawnBuffer, top: f64) -> fmt::Result {
        let ((x, width), height) = (self.across(block), self.down(block.extent));
        if height < 13.0 || width < block.length_of_name() + 10.0 {
            return Ok(());
        }
        let y = top + self.down(block.start) + height / 2.0 + 4.0;
        let name = Escaped(Printable(&block.placed.buffer.name));
        writeln!(out, "<text pointer-events=\"none\" x=\"{:.1}\" y=\"{y:.1}\">{name}</text>", x + 5.0)
    }

    /// Names beside the map, each as near to its buffer as possible.
    fn labels(&self, out: &mut Draft, top: f64) -> fmt::Result {
        let middle = |block: &DrawnBuffer| self.down(block.start) + self.down(block.extent) / 2.0;
        let mut order = try_vec(self.drawn_buffers.len()).map_err(|_| fmt::Error)?;
        order.extend(self.drawn_buffers.iter().enumerate());
        order.sort_unstable_by(|(a, one), (b, other)| middle(one).total_cmp(&middle(other)).then(a.cmp(b)));
        let mut positions: Vec<f64> = try_vec(order.len()).map_err(|_| fmt::Error)?;
        let mut free = LABEL / 2.0;
        for (_, block) in &order {
            positions.push(middle(block).max(free));
            free = positions[positions.len() - 1] + LABEL;
        }
        let mut free = self.map_height() - LABEL / 2.0;
        for position in positions.iter_mut().rev() {
            *position = position.min(free);
            free = *position - LABEL;
        }
        for ((_, block), position) in order.into_iter().zip(positions) {
            let (right, x) = (LEFT + self.map_width(), LEFT + self.map_width() + 36.0);
            let (from, to) = (top + middle(block), top + position);
            write!(
                out,
                "<path class=\"lead\" d=\"M{right:.1} {from:.1}L{:.1} {to:.1}H{:.1}\"/>\
                 <text x=\"{x:.1}\" y=\"{:.1}\">{}",
                right + 20.0,
                right + 30.0,
                to + 4.0,
                Escaped(block)
            )?;
            if let Some(target) = &block.placed.buffer.aliases {
                let how =
                    if FillStyle::of(block.placed) == FillStyle::Aliased { "in" } else { "fell back from" };
                write!(out, "<tspan class=\"dim\" dx=\"8\">{how} {}</tspan>", Escaped(Printable(target)))?;
            }
            out.write_str("</text>\n")?;
        }
        Ok(())
    }

    /// The axis of offsets beside the map.
    fn axis(&self, out: &mut Draft, top: f64) -> fmt::Result {
        let mut figure = |units: u64| {
            let y = top + self.down(units);
            writeln!(
                out,
                "<path class=\"grid\" d=\"M{:.1} {y:.1}H{LEFT}\"/>\
                 <text class=\"dim\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{units}</text>",
                LEFT - 6.0,
                LEFT - 10.0,
                y + 4.0
            )
        };
        let step = tick(self.drawn, self.map_height() / 30.0);
        let mut at = 0;
        while self.down(self.drawn - at) > 14.0 {
            figure(at)?;
            at = match at.checked_add(step) {
                Some(next) if next < self.drawn => next,
                _ => break,
            };
        }
        figure(self.drawn)
    }

    /// The axis of steps below the map.
    fn time(&self, out: &mut Draft, steps: Lifetime, top: f64) -> fmt::Result {
        let (width, bottom) = (self.map_width(), top + self.map_height());
        let count = steps.end - steps.begin;
        let step = tick(count, width / 60.0);
        let mut at = 0;
        loop {
            let x = LEFT + at as f64 / count as f64 * width;
            writeln!(
                out,
                "<path class=\"grid\" d=\"M{x:.1} {bottom:.1}v6\"/>\
                 <text class=\"dim\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                bottom + 18.0,
                steps.begin + at
            )?;
            at = match at.checked_add(step) {
                Some(next) if next <= count => next,
                _ => break,
            };
        }
        writeln!(
            out,
            "<text class=\"dim\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">steps</text>",
            LEFT + width,
            bottom + 34.0
        )
    }
}

/// The distance between the ticks of an axis: a round number that gives at most `most` ticks.
fn tick(extent: u64, most: f64) -> u64 {
    let rounds = |decade: u32| [1, 2, 5].map(|digit| 10u64.checked_pow(decade)?.checked_mul(digit));
    let few = |&step: &u64| extent as f64 / step as f64 <= most;
    (0..20).flat_map(rounds).flatten().find(few).unwrap_or(u64::MAX)
}

/// Text with XML's special characters escaped.
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
