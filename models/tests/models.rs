//! Every scenario holds, and every mutant is rejected: made by build.rs from table/.

include!(concat!(env!("OUT_DIR"), "/tests.rs"));
