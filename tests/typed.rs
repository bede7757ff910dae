//! Typed managers: every form of update against a plain array, conversions, and refusals.

#[path = "common/cell.rs"]
mod cell;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use backbuf::manager::{BackMode, Config, Kernel, Region};
use backbuf::{DType, Manager, Status, Timeout, bytemuck};
use bytemuck::{Pod, Zeroable};
use proptest::prelude::*;

use cell::{Cell, cell};

const ROWS: usize = 5;
const COLUMNS: usize = 7;
const ELEMENTS: usize = ROWS * COLUMNS;

trait Numbered: Pod + PartialEq + std::fmt::Debug + Send + Sync {
    fn numbered(number: u16) -> Self;
}

impl Numbered for f64 {
    fn numbered(number: u16) -> f64 {
        f64::from(number) + 0.25
    }
}

impl Numbered for u8 {
    fn numbered(number: u16) -> u8 {
        number as u8
    }
}

impl Numbered for Cell {
    fn numbered(number: u16) -> Cell {
        cell(number)
    }
}

/// One step of a script: which form of update, at which element, how many elements, and their first number.
#[derive(Clone, Copy, Debug)]
struct Step {
    form: usize,
    offset: usize,
    count: usize,
    number: u16,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (0..9_usize, 0..=ELEMENTS, 0..=ELEMENTS, 0..1000_u16)
        .prop_map(|(form, offset, count, number)| Step { form, offset, count, number });
    prop::collection::vec(step, 1..20)
}

/// Runs the script on a manager and on an array. Ranges beyond the state must be refused and change nothing.
fn follows_the_model<T: Numbered>(steps: &[Step]) {
    let manager = Manager::<T>::new(&[ROWS as u64, COLUMNS as u64]).unwrap();
    let mut model = vec![T::zeroed(); ELEMENTS];
    for &Step { form, offset, count, number } in steps {
        let data: Vec<T> = (0..count as u16).map(|k| T::numbered(number.wrapping_add(k))).collect();
        let element = T::numbered(number);
        let (at, many, now) = (offset as u64, count as u64, Timeout::FOREVER);
        let result = match form {
            0 => manager.enqueue(at, &data, now),
            1 => manager.enqueue_updates(&[(0, &[element]), (at, &data)], now),
            2 => manager.enqueue_fill(at, many, element, now),
            3 => manager.enqueue_borrowed(at, data.clone(), now),
            4 | 5 => manager.kernel(at, many, move |back, _| back.fill(element)).and_then(|kernel| {
                let (any_thread, overwrites) = (form == 5, form == 5);
                Ok(manager.enqueue_kernel(Kernel { any_thread, overwrites, ..kernel }, now)?)
            }),
            6 => manager.batch().and_then(|mut batch| {
                batch.update(at, &data)?;
                batch.fill(0, 1, element)?;
                batch.commit(now)
            }),
            7 => {
                // A column, from a source whose elements lie `2` apart.
                let (rows, column) = (count % (ROWS + 2), offset % COLUMNS);
                let apart: Vec<T> =
                    (0..2 * rows as u16).map(|k| T::numbered(number.wrapping_add(k))).collect();
                let region = Region {
                    start: &[0, column as u64],
                    extent: &[rows as u64, 1],
                    step: None,
                    data: &apart,
                    strides: Some(&[2, 1]),
                };
                let result = manager.enqueue_region(&region, now);
                assert_eq!(result.is_ok(), rows <= ROWS, "{result:?}");
                for row in (0..rows).filter(|_| result.is_ok()) {
                    model[row * COLUMNS + column] = apart[2 * row];
                }
                continue;
            }
            _ => {
                let mut back = manager.reserve_back(BackMode::Keep, now).unwrap();
                assert!(back.as_mut_slice() == model, "the back copy has every update");
                if let Some(range) = back.as_mut_slice().get_mut(offset..offset + count) {
                    range.copy_from_slice(&data);
                }
                if number % 2 == 0 {
                    drop(back);
                    continue;
                }
                back.commit(at)
            }
        };
        if offset + count > ELEMENTS {
            if form < 8 {
                assert_eq!(result.unwrap_err().status(), Status::Range, "form {form}");
            }
            continue;
        }
        result.unwrap();
        match form {
            2 | 4 | 5 => model[offset..][..count].fill(element),
            _ => {
                if form == 1 {
                    model[0] = element;
                }
                model[offset..][..count].copy_from_slice(&data);
                if form == 6 {
                    model[0] = element;
                }
            }
        }
        if number % 3 == 0 {
            manager.synchronize(now).unwrap();
        }
    }
    manager.synchronize(Timeout::FOREVER).unwrap();
    let front = manager.front().unwrap();
    assert_eq!(front.as_slice(), model);
    assert_eq!(front.bytes(), bytemuck::cast_slice::<T, u8>(&model));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn doubles_follow_the_model(steps in steps()) {
        follows_the_model::<f64>(&steps);
    }

    #[test]
    fn bytes_follow_the_model(steps in steps()) {
        follows_the_model::<u8>(&steps);
    }

    #[test]
    fn structs_follow_the_model(steps in steps()) {
        follows_the_model::<Cell>(&steps);
    }
}

#[test]
fn offsets_whose_bytes_overflow_are_refused() {
    let manager = Manager::<u64>::new(&[8]).unwrap();
    // 2⁶¹ elements of 8 bytes are 2⁶⁴ bytes: an offset of 0 if the product wrapped.
    for offset in [1 << 61, (1 << 61) + 1, u64::MAX] {
        let refused = |error: backbuf::Error| {
            assert_eq!(error.status(), Status::Range);
            assert!(error.to_string().contains("beyond 8 (the elements of the state)"), "{error}");
        };
        refused(manager.enqueue(offset, &[1], Timeout::TRY).unwrap_err());
        refused(manager.enqueue_fill(offset, 1, 1, Timeout::TRY).unwrap_err());
        refused(manager.enqueue_fill(1, offset, 1, Timeout::TRY).unwrap_err());
        refused(manager.kernel(offset, 1, |_, _| ()).unwrap_err());
        refused(manager.enqueue_borrowed(offset, [1], Timeout::TRY).unwrap_err());
        refused(manager.batch().unwrap().update(offset, &[1]).unwrap_err());
    }
    let error = manager.enqueue_updates(&[(0, &[1]), (8, &[2])], Timeout::TRY).unwrap_err();
    assert!(error.to_string().starts_with("updates[1]: out of bounds: offset + data ends at 9"), "{error}");
    let strides = Region { start: &[0], extent: &[2], step: None, data: &[1, 2], strides: Some(&[i64::MAX]) };
    assert_eq!(manager.enqueue_region(&strides, Timeout::TRY).unwrap_err().status(), Status::Range);
    let axes = Region { start: &[0], extent: &[1], step: None, data: &[1], strides: Some(&[1; 20]) };
    assert_eq!(manager.enqueue_region(&axes, Timeout::TRY).unwrap_err().status(), Status::Argument);
    manager.synchronize(Timeout::FOREVER).unwrap();
    assert_eq!(manager.front().unwrap().as_slice(), [0; 8]);
}

#[test]
fn element_types_that_a_state_cannot_hold_are_refused() {
    #[derive(Clone, Copy)]
    #[repr(C, align(128))]
    struct Wide([u8; 128]);
    // SAFETY: plain data without padding, for which zero is a legal value.
    unsafe impl Zeroable for Wide {}
    // SAFETY: as above.
    unsafe impl Pod for Wide {}

    let error = Manager::<Wide>::new(&[1]).unwrap_err();
    assert_eq!(error.status(), Status::Align);
    let error = Manager::<()>::new(&[1]).unwrap_err();
    assert_eq!(error.to_string(), "the size of an element = 0: use 1 to 2147483647 bytes");
    assert_eq!(Manager::untyped(DType::Opaque(0), &[1]).unwrap_err().status(), Status::Argument);
    let dropped = Arc::new(AtomicUsize::new(0));
    let flush: backbuf::manager::Flush = Box::new({
        let dropped = dropped.clone();
        move || {
            dropped.fetch_add(1, SeqCst);
            Ok(())
        }
    });
    let config = Config { flush: Some(flush), ..Config::default() };
    let refused = Manager::<()>::with_config(&[1], config).unwrap_err();
    refused.value.expect("the flush is the caller's again")().unwrap();
    assert_eq!(dropped.load(SeqCst), 1);
}

#[test]
fn a_manager_converts_to_the_type_that_it_has() {
    fn converts<T: Pod>(dtype: DType) -> bool {
        Manager::untyped(dtype, &[2]).unwrap().typed::<T>().is_ok()
    }
    assert!(converts::<f32>(DType::F32) && !converts::<f32>(DType::I32) && !converts::<f32>(DType::F64));
    assert!(converts::<[f64; 2]>(DType::C128) && converts::<u16>(DType::F16) && converts::<u8>(DType::Bool));
    assert!(converts::<Cell>(DType::Opaque(12)) && !converts::<Cell>(DType::Opaque(8)));
    assert!(!converts::<u64>(DType::C64) && !converts::<()>(DType::U8));
    let refused = Manager::untyped(DType::I32, &[2]).unwrap().typed::<f32>().unwrap_err();
    assert_eq!(
        refused.to_string(),
        "T is another number than the elements of the state; use the type that `dtype` names"
    );
    let manager = refused.value.typed::<i32>().unwrap();
    manager.enqueue(1, &[-5], Timeout::TRY).unwrap();
    let manager = manager.into_untyped();
    manager.synchronize(Timeout::FOREVER).unwrap();
    assert_eq!(manager.front().unwrap().bytes()[4..], (-5_i32).to_ne_bytes());
}

#[test]
fn debug_output_names_what_a_reader_wants_to_know() {
    let config = Config { label: "flood", ..Config::default() };
    let manager = Manager::<f32>::with_config(&[3, 2], config).unwrap();
    let text = format!("{manager:?}");
    assert_eq!(text, "Manager { label: \"flood\", dtype: F32, shape: [3, 2], epoch: 0, state: Open, .. }");
    let (front, batch) = (manager.front().unwrap(), manager.batch().unwrap());
    assert_eq!(format!("{front:?}"), "Front { dtype: F32, shape: [3, 2], epoch: 0, tag: 0, .. }");
    assert_eq!(format!("{batch:?}"), "Batch { label: \"flood\", dtype: F32, shape: [3, 2], bytes: 0, .. }");
    let back = manager.reserve_back(BackMode::Keep, Timeout::TRY).unwrap();
    assert_eq!(format!("{back:?}"), "Back { label: \"flood\", dtype: F32, shape: [3, 2], epoch: 0, .. }");
}
