//! Typed fields: every form of update against plain arrays, conversions, refusals by name, and fields on a device.

#[path = "common/cell.rs"]
mod cell;

use backbuf::bytemuck::Zeroable;
use backbuf::device::{Device, HostConfig};
use backbuf::manager::{BackMode, Config, FieldSpec, Kernel, Region};
use backbuf::{DType, Manager, Status, Timeout};
use proptest::prelude::*;

use cell::{Cell, cell};

const NOW: Timeout = Timeout::FOREVER;
const ROWS: usize = 3;
const COLUMNS: usize = 5;
const CELLS: usize = ROWS * COLUMNS;

fn specs() -> [FieldSpec<'static>; 4] {
    const SHAPE: &[u64] = &[ROWS as u64, COLUMNS as u64];
    [
        FieldSpec::new("step", DType::U8, &[]),
        FieldSpec::new("qpos", DType::F64, &[7]),
        FieldSpec::new("cells", DType::Opaque(12), SHAPE),
        FieldSpec::new("ids", DType::U16, &[4]),
    ]
}

fn manager() -> Manager {
    Manager::with_fields(&specs(), Config::default()).unwrap()
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
    let step = (0..12_usize, 0..=CELLS, 0..=CELLS, 0..1000_u16)
        .prop_map(|(form, offset, count, number)| Step { form, offset, count, number });
    prop::collection::vec(step, 1..20)
}

/// The same update of the field `cells` by any form. Returns whether it was accepted.
fn apply(manager: &Manager, step: Step) -> Result<(), backbuf::Error> {
    let Step { form, offset, count, number } = step;
    let cells = manager.field::<Cell>("cells")?;
    let data: Vec<Cell> = (0..count as u16).map(|k| cell(number.wrapping_add(k))).collect();
    let element = cell(number);
    let (at, many) = (offset as u64, count as u64);
    match form {
        0 => cells.enqueue(at, &data, NOW),
        1 => cells.enqueue_updates(&[(0, &[element]), (at, &data)], NOW),
        2 => cells.enqueue_fill(at, many, element, NOW),
        3 => cells.enqueue_borrowed(at, data, NOW),
        4 | 5 => {
            let kernel = cells.kernel(at, many, move |back, _| back.fill(element))?;
            let (any_thread, overwrites) = (form == 5, form == 5);
            Ok(cells.enqueue_kernel(Kernel { any_thread, overwrites, ..kernel }, NOW)?)
        }
        6 | 7 => {
            let strides = (form == 7).then_some(&[1_i64, 0][..]);
            let (start, extent) = ([(offset / COLUMNS) as u64, 0], [1, many]);
            let region = Region { start: &start, extent: &extent, step: None, data: &data, strides };
            cells.enqueue_region(&region, NOW)
        }
        _ => {
            let kernel = cells.kernel(at, many, move |back, _| back.fill(element));
            let mut batch = manager.batch()?;
            batch.field::<u8>("step")?.fill(0, 1, number as u8)?;
            let mut cells = batch.field::<Cell>("cells")?;
            match form {
                8 => cells.update(at, &data)?,
                9 => cells.fill(at, many, element)?,
                10 => cells.kernel(kernel?)?,
                _ => {
                    let (start, extent) = ([(offset / COLUMNS) as u64, 0], [1, many]);
                    cells.region(&Region {
                        start: &start,
                        extent: &extent,
                        step: None,
                        data: &data,
                        strides: None,
                    })?;
                }
            }
            batch.commit(NOW)
        }
    }
}

/// What [`apply`] does, on an array. Returns whether it must be accepted.
fn model(cells: &mut [Cell], step: Step) -> bool {
    let Step { form, offset, count, number } = step;
    let regions = [6, 7, 11].contains(&form);
    let row = if regions { offset / COLUMNS * COLUMNS } else { offset };
    let fits = if regions { count <= COLUMNS && row < CELLS } else { offset + count <= CELLS };
    if !fits {
        return false;
    }
    if form == 1 {
        cells[0] = cell(number);
    }
    for (k, to) in cells[row..row + count].iter_mut().enumerate() {
        let same = [2, 4, 5, 7, 9, 10].contains(&form);
        *to = cell(number.wrapping_add(if same { 0 } else { k as u16 }));
    }
    true
}

proptest! {
    #[test]
    fn every_form_of_update_agrees_with_an_array(steps in steps()) {
        let manager = manager();
        let mut cells = [cell(0); CELLS];
        cells.fill(Cell::zeroed());
        for step in steps {
            let (result, fits) = (apply(&manager, step), model(&mut cells, step));
            prop_assert_eq!(result.is_ok(), fits, "{:?}: {:?}", step, result);
            if let Err(error) = result {
                prop_assert_eq!(error.status(), Status::Range);
                prop_assert!(error.to_string().contains("field 'cells': "), "{}", error);
            }
            manager.synchronize(NOW).unwrap();
            let front = manager.front().unwrap();
            prop_assert_eq!(front.field::<Cell>("cells").unwrap().as_slice(), &cells);
            // The fields beside it stay as they were.
            prop_assert_eq!(front.field::<f64>("qpos").unwrap().as_slice(), &[0.0; 7]);
            prop_assert_eq!(front.field::<u16>("ids").unwrap().as_slice(), &[0; 4]);
        }
    }
}

#[test]
fn another_element_type_is_refused_by_the_name_of_the_field() {
    let manager = manager();
    let mut batch = manager.batch().unwrap();
    let refused = |error: backbuf::Error, text: &str| {
        assert_eq!(error.status(), Status::Argument, "{error}");
        let message = error.to_string();
        assert!(message.starts_with("field 'qpos': ") && message.contains(text), "{message}");
    };
    for text in ["T", "number"] {
        refused(manager.field::<i64>("qpos").unwrap_err(), text);
        refused(batch.field::<u64>("qpos").unwrap_err(), text);
        refused(manager.front().unwrap().field::<u64>("qpos").unwrap_err(), text);
    }
    refused(manager.field::<f32>("qpos").unwrap_err(), "size_of::<T>()");
    let mut back = manager.reserve_back(BackMode::Keep, NOW).unwrap();
    refused(back.field::<u64>("qpos").unwrap_err(), "number");
    drop(back);
    for error in [
        manager.field::<f64>("qvel").map(drop).unwrap_err(),
        batch.field::<f64>("qvel").map(drop).unwrap_err(),
        manager.front().unwrap().field::<f64>("qvel").map(drop).unwrap_err(),
    ] {
        assert_eq!(error.status(), Status::NoName, "{error}");
        assert!(error.to_string().contains("qvel"), "{error}");
    }
}

#[test]
fn a_type_that_is_no_number_may_be_of_the_same_size() {
    let fields = [FieldSpec::new("points", DType::C64, &[3]), FieldSpec::new("mask", DType::Bool, &[2])];
    let manager = Manager::with_fields(&fields, Config::default()).unwrap();
    manager.field::<[f32; 2]>("points").unwrap().enqueue(2, &[[1.0, 2.0]], NOW).unwrap();
    manager.field::<u8>("mask").unwrap().enqueue(1, &[1], NOW).unwrap();
    manager.synchronize(NOW).unwrap();
    let front = manager.front().unwrap();
    assert_eq!(front.field::<[f32; 2]>("points").unwrap()[1..], [[0.0, 0.0], [1.0, 2.0]]);
    assert_eq!(front.field::<u8>("mask").unwrap().as_slice(), [0, 1]);
}

#[test]
fn the_reserved_back_copy_gives_fields_beside_their_fronts() {
    let manager = manager();
    manager.field::<f64>("qpos").unwrap().enqueue(0, &[1.0; 7], NOW).unwrap();
    manager.synchronize(NOW).unwrap();
    let mut back = manager.reserve_back(BackMode::Keep, NOW).unwrap();
    let (qpos, last) = back.field::<f64>("qpos").unwrap();
    assert_eq!(last, [1.0; 7]);
    qpos.iter_mut().zip(last).for_each(|(next, last)| *next = last + 1.0);
    back.field::<u16>("ids").unwrap().0[3] = 7;
    back.commit(5).unwrap();
    manager.synchronize(NOW).unwrap();
    let front = manager.front().unwrap();
    assert_eq!((front.tag(), front.field::<f64>("qpos").unwrap().as_slice()), (5, &[2.0; 7][..]));
    assert_eq!(front.field::<u16>("ids").unwrap().as_slice(), [0, 0, 0, 7]);
}

#[test]
fn fields_of_a_manager_on_a_device_are_uploaded_together() {
    let device = Device::host(HostConfig::default()).unwrap();
    let config = Config { device: Some(&device), ..Config::default() };
    let manager = Manager::with_fields(&specs(), config).unwrap();
    for number in 1..6_u16 {
        manager.field::<u16>("ids").unwrap().enqueue_fill(0, 4, number, NOW).unwrap();
        manager.field::<Cell>("cells").unwrap().enqueue(14, &[cell(number)], NOW).unwrap();
        manager.synchronize(NOW).unwrap();
        let front = manager.device_front().unwrap();
        assert_eq!(front.field::<u16>("ids").unwrap().as_slice(), [number; 4]);
        assert_eq!(front.field::<f64>("ids").unwrap_err().status(), Status::Argument);
        let cells = front.field::<Cell>("cells").unwrap();
        // SAFETY: the buffer of a host device is memory, with all bytes of the state, and is not written during the lease.
        let uploaded = unsafe {
            let start = (front.native().0 as *const u8).add(cells.byte_offset() as usize);
            std::slice::from_raw_parts(start.cast::<Cell>(), CELLS)
        };
        assert_eq!((uploaded, uploaded[14]), (cells.as_slice(), cell(number)));
    }
}
