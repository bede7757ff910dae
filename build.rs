//! Names the shared library and keeps it loaded: the soname carries the ABI, and `nodelete` keeps thread-exit hooks valid.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let part = |name: &str| std::env::var(name).expect("cargo sets it");
    let (major, minor) = (part("CARGO_PKG_VERSION_MAJOR"), part("CARGO_PKG_VERSION_MINOR"));
    let abi = if major == "0" { format!("0.{minor}") } else { major };
    // For the C artefacts, which `cargo rustc --crate-type` asks for; other outputs ignore both.
    if std::env::var_os("CARGO_FEATURE_CAPI").is_some() {
        println!("cargo::rustc-link-arg=-Wl,-soname,libbackbuf.so.{abi}");
        println!("cargo::rustc-link-arg=-Wl,-z,nodelete");
    }
    println!("cargo::rustc-env=BACKBUF_TARGET={}", part("TARGET"));
    println!("cargo::rustc-env=BACKBUF_PROFILE={}", part("PROFILE"));
}
