//! Builds the two C seeds as shared libraries of their own, which the harness opens like any other peer.

use std::path::Path;

fn main() {
    let source = Path::new("../seed/seed.c");
    let out = std::env::var("OUT_DIR").expect("cargo sets it");
    println!("cargo::rerun-if-changed={}", source.display());
    println!("cargo::rustc-env=SEEDS={out}");
    for (name, define) in [("seed_c", None), ("seed_c_correct", Some("-DFULL_COPY"))] {
        let library = Path::new(&out).join(format!("lib{name}.so"));
        let mut command = cc::Build::new().opt_level(2).pic(true).get_compiler().to_command();
        command.args(["-std=c11", "-shared", "-pthread", "-o"]).arg(library).arg(source).args(define);
        assert!(command.status().is_ok_and(|status| status.success()), "{command:?} failed");
    }
}
