//! N-d regions: from start, extent, step and strides to a checked plan of contiguous runs.

use bytemuck::Pod;

use crate::error::{AXIS, Error, Result, Status};
use crate::manager::copies::copy_forward::copy;
use crate::manager::shape::{MAX_DIMS, Shape};

/// A region as the caller gives it: one entry per axis, strides in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawRegion<'a> {
    pub(crate) start: &'a [u64],
    pub(crate) extent: &'a [u64],
    pub(crate) step: Option<&'a [i64]>,
    pub(crate) data: *const u8,
    pub(crate) strides: Option<&'a [i64]>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
struct RegionAxis {
    extent: u64,
    /// Bytes from one index to the next, in the state and in the source.
    to: i64,
    from: i64,
}

/// A checked region: plain data, so that it can be stored in the update log.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct RegionRuns {
    /// Byte offset of the first element in the state.
    first: i64,
    element: u64,
    count: u64,
    dims: u64,
    axes: [RegionAxis; MAX_DIMS],
}

/// An N-d part of the state, as in `state[2:5, ::2] = data`; each slice has an entry for each dimension.
///
/// ```
/// use backbuf::{Manager, Timeout, manager::Region};
/// let manager = Manager::<u16>::new(&[2, 4])?;
/// let region = Region { start: &[0, 1], extent: &[2, 2], step: Some(&[1, 2]), data: &[1, 2, 3, 4], strides: None };
/// manager.enqueue_region(&region, Timeout::TRY)?;
/// manager.synchronize(Timeout::FOREVER)?;
/// assert_eq!(manager.front()?.as_slice(), [0, 1, 0, 2, 0, 3, 0, 4]);
/// # Ok::<(), backbuf::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Region<'a, T = u8> {
    /// The first index along each axis.
    pub start: &'a [u64],
    /// The number of indices along each axis.
    pub extent: &'a [u64],
    /// The step along each axis, in elements; negative allowed. None is 1 everywhere.
    pub step: Option<&'a [i64]>,
    /// The source: elements, or bytes if the manager is untyped.
    pub data: &'a [T],
    /// The strides of the source, in entries of `data`; 0 is allowed, negative is not, since `data` begins at its first byte. None is
    /// packed, row-major.
    pub strides: Option<&'a [i64]>,
}

impl<'a, T: Pod> Region<'a, T> {
    /// The same region with its source as bytes. `strides` is memory for the strides.
    pub(crate) fn in_bytes<'b>(&self, strides: &'b mut [i64; MAX_DIMS]) -> Result<Region<'b>>
    where
        'a: 'b,
    {
        let Region { start, extent, step, data, strides: given } = *self;
        let mut region = Region { start, extent, step, data: bytemuck::cast_slice(data), strides: None };
        if let Some(given) = given {
            let memory = strides.get_mut(..given.len()).ok_or_else(|| entries(given.len()))?;
            for (bytes, &elements) in memory.iter_mut().zip(given) {
                *bytes =
                    elements.checked_mul(size_of::<T>() as i64).ok_or_else(|| overflow("region.strides"))?;
            }
            region.strides = Some(memory);
        }
        Ok(region)
    }
}

impl<'a> Region<'a> {
    pub(crate) fn raw(&self, shape: &Shape) -> Result<RawRegion<'a>> {
        let Region { start, extent, step, data, strides } = *self;
        let raw = RawRegion { start, extent, step, data: data.as_ptr(), strides };
        let plan = RegionRuns::checked(shape, &raw)?;
        let mut ends = (0, plan.payload() as i128);
        if let Some(strides) = strides {
            let reach = |wanted: fn(&i64) -> bool| -> i128 {
                let axes = strides.iter().zip(extent).filter(|(stride, _)| wanted(stride));
                axes.map(|(&stride, &extent)| i128::from(stride) * (i128::from(extent) - 1)).sum()
            };
            ends = (reach(|stride| *stride < 0), reach(|stride| *stride > 0) + i128::from(shape.element));
        }
        if plan.count() > 0 && (ends.0 < 0 || ends.1 > data.len() as i128) {
            let end = if ends.0 < 0 { u128::MAX } else { ends.1 as u128 };
            return Err(Error::beyond(
                "region.strides * region.extent",
                end,
                data.len() as u64,
                "bytes of data",
            ));
        }
        Ok(raw)
    }
}

fn entries(count: usize) -> Error {
    let reason = "entries: use one per dimension of the state";
    Error::value(Status::Argument, "region", count as u64, reason)
}

fn overflow(param: &'static str) -> Error {
    Error::param(Status::Range, param, "overflows 64 bits")
}

impl RegionRuns {
    /// Checks a region of a state of that shape, and its data.
    pub(crate) fn checked(shape: &Shape, region: &RawRegion<'_>) -> Result<RegionRuns> {
        let given = [
            Some(region.start.len()),
            Some(region.extent.len()),
            region.step.map(<[_]>::len),
            region.strides.map(<[_]>::len),
        ];
        if let Some(length) = given.into_iter().flatten().find(|&length| length != shape.ndim) {
            return Err(entries(length));
        }
        let plan = RegionRuns::new(shape.lengths(), shape.element, region)?;
        if plan.count() > 0 && region.data.is_null() {
            return Err(Error::param(Status::Null, "region.data", "is NULL, and no extent is 0"));
        }
        Ok(plan)
    }

    /// Checks a region of a state of those lengths.
    pub(crate) fn new(shape: &[u64], element: u64, region: &RawRegion<'_>) -> Result<RegionRuns> {
        let mut plan =
            RegionRuns { first: 0, element, count: 1, dims: 0, axes: [RegionAxis::default(); MAX_DIMS] };
        let empty = region.extent.contains(&0);
        let (mut pitch, mut packed) = (element as i64, element as i64);
        for axis in (0..shape.len()).rev() {
            let (length, start, extent) = (shape[axis], region.start[axis], region.extent[axis]);
            let step = region.step.map_or(1, |step| step[axis]);
            check_axis(length, start, extent, step)?;
            if empty {
                plan.count = 0;
                continue;
            }
            // Within the state, whose bytes were checked at creation, so nothing overflows.
            plan.first += start as i64 * pitch;
            let from = match region.strides {
                Some(strides) => strides[axis],
                None => packed,
            };
            if extent > 1 {
                from.checked_mul(extent as i64 - 1).ok_or_else(|| overflow("region.strides"))?;
                plan.add(RegionAxis { extent, to: step * pitch, from });
            }
            plan.count *= extent;
            packed *= extent as i64;
            pitch = pitch.saturating_mul(length as i64);
        }
        Ok(plan)
    }

    /// Adds the next outer axis, or merges it with the last one if both sides continue without a gap.
    fn add(&mut self, axis: RegionAxis) {
        if let Some(last) = (self.dims as usize).checked_sub(1).map(|last| &mut self.axes[last])
            && axis.to == last.to * last.extent as i64
            && axis.from == last.from.wrapping_mul(last.extent as i64)
        {
            last.extent *= axis.extent;
            return;
        }
        self.axes[self.dims as usize] = axis;
        self.dims += 1;
    }

    /// The same region of a state that begins `offset` bytes before the array.
    pub(crate) fn shifted(self, offset: u64) -> RegionRuns {
        // Both lie within the state, whose bytes were checked at creation.
        RegionRuns { first: self.first + offset as i64, ..self }
    }

    /// Elements in the region.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Bytes of the region.
    pub(crate) fn bytes(&self) -> u64 {
        self.count * self.element
    }

    /// Whether the source is a single element.
    pub(crate) fn is_fill(&self) -> bool {
        self.axes().iter().all(|axis| axis.from == 0)
    }

    fn axes(&self) -> &[RegionAxis] {
        &self.axes[..self.dims as usize]
    }

    /// The same region with a packed source (for a fill: one element).
    pub(crate) fn packed(&self) -> RegionRuns {
        let mut plan = *self;
        let mut packed = self.element as i64;
        for axis in &mut plan.axes[..self.dims as usize] {
            if !self.is_fill() {
                axis.from = packed;
            }
            packed *= axis.extent as i64;
        }
        plan
    }

    /// Calls `visit(offset in the state, offset in the source, bytes)` for each run that is contiguous in both.
    pub(crate) fn for_each_run(&self, mut visit: impl FnMut(usize, isize, usize)) {
        if self.count == 0 {
            return;
        }
        let element = self.element as i64;
        let axes = self.axes();
        let (run, outer) = match axes.first() {
            Some(axis) if axis.to == element && axis.from == element => {
                (axis.extent * self.element, &axes[1..])
            }
            _ => (self.element, axes),
        };
        let mut index = [0u64; MAX_DIMS];
        let (mut to, mut from) = (self.first, 0i64);
        loop {
            visit(to as usize, from as isize, run as usize);
            let mut axis = 0;
            loop {
                let Some(step) = outer.get(axis) else { return };
                index[axis] += 1;
                if index[axis] < step.extent {
                    (to, from) = (to + step.to, from.wrapping_add(step.from));
                    break;
                }
                index[axis] = 0;
                let back = step.extent as i64 - 1;
                (to, from) = (to - step.to * back, from.wrapping_sub(step.from.wrapping_mul(back)));
                axis += 1;
            }
        }
    }

    /// Copies the source into `to`, packed (a fill: its one element).
    ///
    /// # Safety
    /// `data` is readable as the region says; `to` has room for [`RegionRuns::payload`] bytes.
    pub(crate) unsafe fn gather(&self, data: *const u8, to: *mut u8) {
        if self.is_fill() {
            // SAFETY: a fill's source is one element.
            unsafe { std::ptr::copy_nonoverlapping(data, to, self.element as usize) };
            return;
        }
        let mut next = 0;
        self.for_each_run(|_, from, run| {
            // SAFETY: the caller's promise; runs are visited in packed order.
            unsafe { copy(data.offset(from), to.add(next), run) };
            next += run;
        });
    }

    /// Bytes that [`RegionRuns::gather`] writes.
    pub(crate) fn payload(&self) -> u64 {
        if self.is_fill() { self.element.min(self.bytes()) } else { self.bytes() }
    }
}

fn check_axis(length: u64, start: u64, extent: u64, step: i64) -> Result<()> {
    if extent == 0 {
        return if start > length {
            Err(Error::beyond("region.start", u128::from(start), length, AXIS))
        } else {
            Ok(())
        };
    }
    if step == 0 && extent > 1 {
        return Err(Error::param(
            Status::Argument,
            "region.step",
            "is 0 along an axis with more than one index",
        ));
    }
    if start >= length {
        return Err(Error::beyond("region.start", u128::from(start) + 1, length, AXIS));
    }
    let last = i128::from(start) + i128::from(step) * i128::from(extent - 1);
    if last < 0 {
        return Err(Error::value(
            Status::Range,
            "region.step",
            step,
            "the region reaches below index 0 of an axis",
        ));
    }
    if last >= i128::from(length) {
        return Err(Error::beyond("region.start + step * extent", last as u128 + 1, length, AXIS));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The region element by element: (offset in the state, offset in the source), in row-major order.
    fn plainly(shape: &[u64], element: u64, region: &RawRegion<'_>) -> Vec<(i64, i64)> {
        let dims = shape.len();
        let mut out = vec![];
        let total: u64 = region.extent.iter().product();
        for flat in 0..total {
            let (mut rest, mut to, mut from) = (flat, 0, 0);
            let mut packed = element as i64;
            let mut pitch = element as i64;
            for axis in (0..dims).rev() {
                let at = (rest % region.extent[axis]) as i64;
                rest /= region.extent[axis];
                to += (region.start[axis] as i64 + at * region.step.map_or(1, |step| step[axis])) * pitch;
                from += at * region.strides.map_or(packed, |strides| strides[axis]);
                packed *= region.extent[axis] as i64;
                pitch *= shape[axis] as i64;
            }
            out.push((to, from));
        }
        out
    }

    proptest! {
        #[test]
        fn agrees_with_element_by_element(
            axes in prop::collection::vec((1u64..6, any::<prop::sample::Index>(), any::<u8>(), -3i64..4, prop::sample::select(vec![-8i64, 0, 4, 8, 40])), 0..4),
            packed in any::<bool>(),
        ) {
            let shape: Vec<u64> = axes.iter().map(|axis| axis.0).collect();
            let start: Vec<u64> = axes.iter().map(|axis| axis.1.index(axis.0 as usize) as u64).collect();
            let step: Vec<i64> = axes.iter().map(|axis| if axis.3 == 0 { 1 } else { axis.3 }).collect();
            let extent: Vec<u64> = (0..axes.len()).map(|axis| {
                let room = if step[axis] > 0 { (shape[axis] - 1 - start[axis]) as i64 / step[axis] } else { start[axis] as i64 / -step[axis] };
                u64::from(axes[axis].2) % (room as u64 + 2)
            }).collect();
            let strides: Vec<i64> = axes.iter().map(|axis| axis.4).collect();
            let region = RawRegion { start: &start, extent: &extent, step: Some(&step), data: std::ptr::null(), strides: (!packed).then_some(&strides) };
            let plan = RegionRuns::new(&shape, 4, &region).unwrap();
            let mut runs = vec![];
            plan.for_each_run(|to, from, run| {
                for at in (0..run as i64).step_by(4) {
                    runs.push((to as i64 + at, from as i64 + at));
                }
            });
            prop_assert_eq!(&runs, &plainly(&shape, 4, &region));
            if !plan.is_fill() {
                let mut queued = vec![];
                plan.packed().for_each_run(|to, from, run| {
                    for at in (0..run as i64).step_by(4) {
                        queued.push((to as i64 + at, from as i64 + at));
                    }
                });
                for (at, (to, from)) in queued.iter().enumerate() {
                    prop_assert_eq!((*to, *from), (runs[at].0, at as i64 * 4));
                }
            }
        }
    }

    #[test]
    fn what_reaches_outside_is_refused() {
        let check = |start: u64, extent: u64, step: i64| {
            let region = RawRegion {
                start: &[start],
                extent: &[extent],
                step: Some(&[step]),
                data: std::ptr::null(),
                strides: None,
            };
            RegionRuns::new(&[10], 4, &region).map(|plan| plan.count()).map_err(|error| error.status())
        };
        assert_eq!(check(0, 10, 1), Ok(10));
        assert_eq!(check(9, 10, -1), Ok(10));
        assert_eq!(check(10, 0, 1), Ok(0));
        assert_eq!(check(0, 1, 0), Ok(1));
        for (start, extent, step) in [
            (0, 11, 1),
            (1, 10, 1),
            (8, 10, -1),
            (0, 2, i64::MAX),
            (5, u64::MAX, 1),
            (9, 2, i64::MIN),
            (11, 0, 1),
            (u64::MAX, 1, 1),
        ] {
            assert_eq!(check(start, extent, step), Err(Status::Range), "{start} {extent} {step}");
        }
        assert_eq!(check(0, 2, 0), Err(Status::Argument));
    }
}
