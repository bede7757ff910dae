//! Generates include/backbuf.h from src/ffi, with cbindgen.toml and the version in Cargo.toml.

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::{env, fs};

const HELP: &str = "\
Generates include/backbuf.h from src/ffi, with cbindgen.toml and the version in Cargo.toml.

Usage: header [--check]

  --check   write nothing; fail if the committed header differs, and print the first difference
  --help    this text";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let check = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => false,
        ["--check"] => true,
        ["--help" | "-h"] => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("header: unknown arguments {arguments:?}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    match run(&root, check) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("header: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Returns whether the header is up to date.
fn run(root: &Path, check: bool) -> Result<bool, Box<dyn Error>> {
    let header = generate(root)?;
    let path = root.join("include/backbuf.h");
    let committed = fs::read_to_string(&path).unwrap_or_default();
    if committed == header {
        println!("include/backbuf.h is up to date");
        return Ok(true);
    }
    if check {
        eprintln!("header: include/backbuf.h differs from src/ffi; run `make header` and commit it");
        show_difference(&committed, &header);
        return Ok(false);
    }
    fs::create_dir_all(path.parent().ok_or("no folder")?)?;
    fs::write(&path, header)?;
    println!("include/backbuf.h written");
    Ok(true)
}

fn generate(root: &Path) -> Result<String, Box<dyn Error>> {
    let mut config = cbindgen::Config::from_file(root.join("cbindgen.toml"))?;
    let macros = version_macros(&fs::read_to_string(root.join("Cargo.toml"))?)?;
    config.after_includes = Some(format!("{macros}{}", config.after_includes.unwrap_or_default()));
    let builder = PARTS.iter().fold(cbindgen::Builder::new().with_config(config), |builder, part| {
        builder.with_src(root.join(format!("src/ffi/{part}.rs")))
    });
    let mut header = Vec::new();
    builder.generate()?.write(&mut header);
    Ok(String::from_utf8(header)?)
}

/// The files of src/ffi with C declarations, in the order of the header.
const PARTS: [&str; 38] = [
    "handle",
    "status",
    "callback",
    "library",
    "manager",
    "synchronize",
    "update",
    "front",
    "back",
    "manager_info",
    "batch",
    "task",
    "watch",
    "device",
    "driver_table",
    "driver",
    "buffer",
    "request",
    "device_buffer",
    "encoder",
    "staging",
    "readback",
    "reading",
    "dynamic",
    "spsc",
    "sender",
    "receiver",
    "inline",
    "feed",
    "stream",
    "registry_buffer",
    "registry",
    "registry_query",
    "registry_check",
    "plan",
    "registry_plan",
    "field",
    "device_field",
];

/// The version of a manifest as C macros.
fn version_macros(manifest: &str) -> Result<String, Box<dyn Error>> {
    let line = manifest.lines().find_map(|line| line.strip_prefix("version = "));
    let version = line.ok_or("Cargo.toml has no version")?.trim_matches('"');
    let parts: Vec<u32> = version.splitn(3, '.').map(str::parse).collect::<Result<_, _>>()?;
    let [major, minor, patch] = parts[..] else {
        return Err(format!("version = {version}: it must be major.minor.patch").into());
    };
    Ok(format!(
        "\n/**\n * The version of this header; the library's own is bb_version().\n * @{{\n */\n\
         #define BB_VERSION_MAJOR {major}\n#define BB_VERSION_MINOR {minor}\n#define BB_VERSION_PATCH {patch}\n/** @}} */\n"
    ))
}

/// Prints the first lines that differ.
fn show_difference(committed: &str, fresh: &str) {
    let (committed, fresh): (Vec<_>, Vec<_>) = (committed.lines().collect(), fresh.lines().collect());
    let first = committed.iter().zip(&fresh).take_while(|(old, new)| old == new).count();
    eprintln!("first difference, at line {}:", first + 1);
    committed.iter().skip(first).take(3).for_each(|line| eprintln!("- {line}"));
    fresh.iter().skip(first).take(3).for_each(|line| eprintln!("+ {line}"));
}
