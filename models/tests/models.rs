//! Every scenario holds and every mutant is rejected. `build.rs` generates the tests from `table/`.

include!(concat!(env!("OUT_DIR"), "/tests.rs"));
