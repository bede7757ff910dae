//! Every scenario holds, and every mutant is rejected: made by build.rs from table.rs.

include!(concat!(env!("OUT_DIR"), "/tests.rs"));
