//! Compiles each model against the protocol files of `../src`, and against broken copies of them.
//!
//! A *world* is one set of protocol files with the model that uses them. For each model there is the world `real`, whose
//! files are those of the library, and one for each mutant, where named pieces of text have been replaced. A text that is
//! not found exactly once stops the build: then the source has moved on, and the mutant must follow.

use std::fmt::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::{env, fs};

#[path = "table.rs"]
mod table;

use table::{MODELS, Model, Mutant};

fn main() {
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR").unwrap());
    let out = PathBuf::from(env::var("OUT_DIR").unwrap());
    let (mut worlds, mut tests) = (String::new(), String::new());
    for model in MODELS {
        model.files.iter().for_each(|file| println!("cargo::rerun-if-changed=../src/{file}"));
        writeln!(worlds, "pub mod {} {{", model.name).unwrap();
        writeln!(tests, "mod {} {{", model.name).unwrap();
        world(&mut worlds, &here, model, "real", |file| here.join("../src").join(file));
        for scenario in model.scenarios {
            let call = format!("models::{}::real::model::{scenario}()", model.name);
            writeln!(tests, "#[test] fn {scenario}() {{ {call} }}").unwrap();
        }
        writeln!(tests, "mod rejects {{").unwrap();
        for mutant in model.mutants {
            let folder = out.join(model.name).join(mutant.name);
            let changed = folder.join(Path::new(mutant.file).file_name().unwrap());
            fs::create_dir_all(&folder).unwrap();
            fs::write(&changed, mutate(&here, mutant)).unwrap();
            let place = |file: &str| {
                if file == mutant.file { changed.clone() } else { here.join("../src").join(file) }
            };
            world(&mut worlds, &here, model, mutant.name, place);
            let (model, Mutant { name, breaks, .. }) = (model.name, mutant);
            let (test, call) =
                (format!("{model}::rejects::{name}"), format!("models::{model}::{name}::model::{breaks}"));
            writeln!(tests, "#[test] fn {name}() {{ models::harness::rejects(\"{test}\", {call}) }}")
                .unwrap();
        }
        writeln!(tests, "}} }}").unwrap();
        writeln!(worlds, "}}").unwrap();
    }
    fs::write(out.join("worlds.rs"), worlds).unwrap();
    fs::write(out.join("tests.rs"), tests).unwrap();
    println!("cargo::rerun-if-changed=table.rs");
    // As the protocol files expect of a model checker's build.
    println!("cargo::rustc-check-cfg=cfg(loom)");
    println!("cargo::rustc-check-cfg=cfg(feature, values(\"capi\"))");
    println!("cargo::rustc-cfg=loom");
}

fn world(worlds: &mut String, here: &Path, model: &Model, name: &str, place: impl Fn(&str) -> PathBuf) {
    // Silenced, since a mutant leaves imports and branches without a use: that is what it breaks.
    writeln!(
        worlds,
        "#[allow(unused, clippy::all)] pub mod {name} {{ use crate::wait::{{Deadline, Stop, futex}};"
    )
    .unwrap();
    for file in model.files {
        let module = Path::new(file).file_stem().unwrap().to_str().unwrap();
        writeln!(worlds, "#[path = {:?}] pub(crate) mod {module};", place(file)).unwrap();
    }
    let source = here.join("src").join(format!("{}_model.rs", model.name));
    writeln!(worlds, "#[path = {source:?}] pub mod model; }}").unwrap();
}

fn mutate(here: &Path, mutant: &Mutant) -> String {
    let mut source = fs::read_to_string(here.join("../src").join(mutant.file)).unwrap();
    for (find, replace) in mutant.changes {
        let places = places(&source, find);
        let [place] = &places[..] else {
            panic!("mutant {}: {find:?} occurs {} times in src/{}", mutant.name, places.len(), mutant.file)
        };
        source.replace_range(place.clone(), replace);
    }
    source
}

/// Where a piece of text occurs, however it is laid out: white space does not count.
fn places(source: &str, find: &str) -> Vec<Range<usize>> {
    let (at, dense): (Vec<_>, Vec<_>) =
        source.char_indices().filter(|(_, letter)| !letter.is_whitespace()).unzip();
    let find: Vec<_> = find.chars().filter(|letter| !letter.is_whitespace()).collect();
    let starts = (0..dense.len()).filter(|&start| dense[start..].starts_with(&find));
    starts
        .map(|start| at[start]..at[start + find.len() - 1] + dense[start + find.len() - 1].len_utf8())
        .collect()
}
