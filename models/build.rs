//! Compiles each model against the protocol files of `../src`, and against broken copies of them.
//!
//! A *world* is one set of protocol files with the model that uses them. Each model has the world `real`, whose files are those
//! of the library, and one world for each mutant, in which named texts are replaced. The build fails if a text is not found exactly
//! once: the source has changed, and the mutant must follow.

use std::fmt::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::{env, fs};

#[path = "table/mod.rs"]
mod table;

use table::{Model, Mutant, models};

fn main() {
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR").unwrap());
    let out = PathBuf::from(env::var("OUT_DIR").unwrap());
    let (mut worlds, mut tests) = (String::new(), String::new());
    for model in models() {
        model.files.iter().for_each(|file| println!("cargo::rerun-if-changed=../src/{file}"));
        writeln!(worlds, "pub mod {} {{", model.name).unwrap();
        writeln!(tests, "mod {} {{", model.name).unwrap();
        world(&mut worlds, &here, &out, model, "real", model.files[0], &[]);
        for scenario in model.scenarios {
            writeln!(worlds, "pub use self::real::model::{scenario};").unwrap();
            let call = format!("models::{}::{scenario}()", model.name);
            writeln!(tests, "#[test] fn {scenario}() {{ {call} }}").unwrap();
        }
        writeln!(tests, "mod rejects {{").unwrap();
        for mutant in model.mutants {
            world(&mut worlds, &here, &out, model, mutant.name, mutant.file, mutant.changes);
            let (model, Mutant { name, breaks, .. }) = (model.name, mutant);
            // Only what is called is visible, so that only that is compiled to the end.
            writeln!(worlds, "pub use self::{name}::model::{breaks} as {name};").unwrap();
            let (test, call) = (format!("{model}::rejects::{name}"), format!("models::{model}::{name}"));
            writeln!(tests, "#[test] fn {name}() {{ models::harness::rejects(\"{test}\", {call}) }}")
                .unwrap();
        }
        writeln!(tests, "}} }}").unwrap();
        writeln!(worlds, "}}").unwrap();
    }
    fs::write(out.join("worlds.rs"), worlds).unwrap();
    fs::write(out.join("tests.rs"), tests).unwrap();
    println!("cargo::rerun-if-changed=table");
    // As the protocol files expect of a model checker's build.
    println!("cargo::rustc-check-cfg=cfg(loom)");
    println!("cargo::rustc-check-cfg=cfg(feature, values(\"capi\", \"gl\", \"wgpu\"))");
    println!("cargo::rustc-cfg=loom");
}

/// One world: the files of the model, with `changes` in one of them and the replacements that every world has.
fn world(
    worlds: &mut String,
    here: &Path,
    out: &Path,
    model: &Model,
    name: &str,
    changed: &str,
    changes: &[(&str, &str)],
) {
    // Lints are off, because a mutant leaves imports and branches unused.
    writeln!(worlds, "#[allow(unused, clippy::all)] mod {name} {{").unwrap();
    for file in model.files {
        let what = format!("{}::{name} in src/{file}", model.name);
        let given = if *file == model.files[0] { model.given } else { &[] };
        let changes = if *file == changed { changes } else { &[] };
        let source = fs::read_to_string(here.join("../src").join(file)).unwrap();
        let source = change(&what, change(&what, beside(file, source), given), changes);
        let path = out.join(model.name).join(name).join(Path::new(file).file_name().unwrap());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, source).unwrap();
        let module = Path::new(file).file_stem().unwrap().to_str().unwrap();
        writeln!(worlds, "#[path = {path:?}] pub(crate) mod {module};").unwrap();
    }
    let source = here.join("src").join(format!("{}_model.rs", model.name));
    // The files find the stand-ins that the model defines.
    writeln!(worlds, "#[path = {source:?}] pub mod model; use model::*; }}").unwrap();
}

/// The source of a file that finds the others of its folder in its own world. `sync` stands in for the whole folder of that name.
fn beside(file: &str, source: String) -> String {
    match Path::new(file).parent().and_then(Path::to_str) {
        None | Some("sync") => source,
        Some(folder) => source.replace(&format!("crate::{}::", folder.replace('/', "::")), "super::"),
    }
}

fn change(what: &str, mut source: String, changes: &[(&str, &str)]) -> String {
    for (find, replace) in changes {
        let places = places(&source, find);
        let [place] = &places[..] else { panic!("{what}: {find:?} occurs {} times", places.len()) };
        source.replace_range(place.clone(), replace);
    }
    source
}

/// The ranges where a text occurs, however it is laid out: white space does not count.
fn places(source: &str, find: &str) -> Vec<Range<usize>> {
    let (at, dense): (Vec<_>, Vec<_>) =
        source.char_indices().filter(|(_, letter)| !letter.is_whitespace()).unzip();
    let find: Vec<_> = find.chars().filter(|letter| !letter.is_whitespace()).collect();
    let starts = (0..dense.len()).filter(|&start| dense[start..].starts_with(&find));
    starts
        .map(|start| at[start]..at[start + find.len() - 1] + dense[start + find.len() - 1].len_utf8())
        .collect()
}
