//! Layouts as text: JSON, CUDA C++, SVG and tables.

pub(crate) mod cuda;
pub(crate) mod cuda_names;
pub(crate) mod cuda_order;
pub(crate) mod json;
pub(crate) mod json_load;
pub(crate) mod json_value;
pub(crate) mod svg;
pub(crate) mod svg_panel;
pub(crate) mod table;
