//! `backbuf-layout`: stored layouts from the command line, so that a CUDA build needs neither Python nor a program of its own.

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

use backbuf::registry::{Arch, CheckError, Launch, Layout, Registry, SharedPer, diff};

const USAGE: &str = "\
usage: backbuf-layout COMMAND FILE... [OPTION VALUE]...

Reads layouts as the registry stores them (JSON); - reads standard input.

  emit FILE --namespace NAME      CUDA C++ for a kernel to include, with all in that namespace
  check FILE --arch ARCH --threads N
                                  whether blocks of N threads fit the device (sm_90, 9.0, ...), and what they take; options
                                  --registers N (of a thread), --static-shared N (bytes that the kernel declares beside it)
                                  and --shared-per thread|block (if not what the layout says)
  diff OLD NEW                    what moved, changed, came and went; nothing if nothing did
  draw FILE                       a picture: SVG, or with --as text an aligned table

  --output PATH                   write there instead of to standard output (emit, draw)
  --help, --version

Status: 0; 1 if check says that it does not fit, or diff that the layouts differ; 2 if the question was malformed, a file
could not be read or written, or a layout is refused.
";

/// What ends the program: a sentence, or a verdict that has been told.
enum End {
    Told(u8),
    Failed(String),
}

type Outcome<T = ()> = Result<T, End>;

fn failed<T>(why: impl Display) -> Outcome<T> {
    Err(End::Failed(why.to_string()))
}

/// The words behind the command: files, and options with their values.
struct Words {
    files: Vec<String>,
    options: Vec<(String, String)>,
}

impl Words {
    fn read(mut words: impl Iterator<Item = String>, files: usize, known: &[&str]) -> Outcome<Words> {
        let mut read = Words { files: Vec::new(), options: Vec::new() };
        while let Some(word) = words.next() {
            if word == "-" || !word.starts_with('-') {
                read.files.push(word);
                continue;
            }
            let (name, value) = match word.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (word, None),
            };
            if !known.contains(&name.as_str()) {
                return failed(format_args!("unknown option \"{name}\"; see backbuf-layout --help"));
            }
            if read.option(&name).is_some() {
                return failed(format_args!("{name} is given twice"));
            }
            match value.or_else(|| words.next()) {
                Some(value) => read.options.push((name, value)),
                None => return failed(format_args!("{name} needs a value; see backbuf-layout --help")),
            }
        }
        if read.files.len() != files {
            let given = read.files.len();
            return failed(format_args!(
                "expected {files} layout files, got {given}; see backbuf-layout --help"
            ));
        }
        Ok(read)
    }

    fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().find(|(option, _)| option == name).map(|(_, value)| value.as_str())
    }

    fn required(&self, name: &str) -> Outcome<&str> {
        self.option(name)
            .map_or_else(|| failed(format_args!("{name} is missing; see backbuf-layout --help")), Ok)
    }

    fn number<N: std::str::FromStr>(&self, name: &str) -> Outcome<Option<N>> {
        let Some(text) = self.option(name) else { return Ok(None) };
        text.parse()
            .map(Some)
            .or_else(|_| failed(format_args!("{name} = \"{text}\" is no number of that range")))
    }

    /// The text of a file.
    fn text(&self, file: usize) -> Outcome<String> {
        let path = &self.files[file];
        let text = if path == "-" {
            std::io::read_to_string(std::io::stdin())
        } else {
            std::fs::read_to_string(path)
        };
        text.or_else(|error| failed(format_args!("{path}: {error}")))
    }

    fn layout(&self, file: usize) -> Outcome<Layout> {
        let text = self.text(file)?;
        Layout::from_json(&text).or_else(|error| failed(format_args!("{}: {error}", self.files[file])))
    }

    /// Writes what a command makes to where it was asked for.
    fn write(&self, text: &str) -> Outcome {
        let Some(path) = self.option("--output") else { return print(text) };
        std::fs::write(path, text).or_else(|error| failed(format_args!("{path}: {error}")))
    }
}

fn print(text: &str) -> Outcome {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.or_else(|error| failed(format_args!("standard output: {error}")))
}

fn emit(words: &Words) -> Outcome {
    let namespace = words.required("--namespace")?;
    let header = words.layout(0)?.emit_cuda_header(namespace);
    words.write(&header.or_else(|error| failed(format_args!("{}: {error}", words.files[0])))?)
}

fn check(words: &Words) -> Outcome {
    let arch: Arch = words.required("--arch")?.parse().or_else(failed)?;
    words.required("--threads")?;
    let launch = Launch {
        threads: words.number("--threads")?.unwrap_or(0),
        registers_per_thread: words.number("--registers")?.unwrap_or(0),
        static_shared_bytes: words.number("--static-shared")?.unwrap_or(0),
        shared_per: words.option("--shared-per").map(SharedPer::from_name).transpose().or_else(failed)?,
    };
    let (path, text) = (&words.files[0], words.text(0)?);
    let registry = Registry::new();
    registry.load_json(0, &text).or_else(|error| failed(format_args!("{path}: {error}")))?;
    match registry.check(0, &arch.limits(), &launch) {
        Ok(fit) => {
            let there = fit.occupancy;
            print(&format!(
                "{path} fits {arch} with {} threads: {} bytes of shared memory a block{}\n\
                 occupancy: {} blocks, {} of {} warps on a multiprocessor, bound by {}\n",
                launch.threads,
                fit.shared_bytes,
                if fit.needs_opt_in { ", to which the kernel must opt in" } else { "" },
                there.blocks_per_sm,
                there.warps_per_sm,
                there.max_warps_per_sm,
                there.bound.name()
            ))
        }
        Err(CheckError::Unfit(unfit)) => {
            print(&format!("{path} does not fit {arch}: {unfit}\n"))?;
            Err(End::Told(1))
        }
        Err(CheckError::Call(error)) => failed(format_args!("{path}: {error}")),
    }
}

fn compare(words: &Words) -> Outcome {
    let difference = diff(&words.layout(0)?, &words.layout(1)?).or_else(failed)?;
    if difference.is_empty() {
        return Ok(());
    }
    print(&difference.to_string())?;
    Err(End::Told(1))
}

fn draw(words: &Words) -> Outcome {
    let layout = words.layout(0)?;
    let drawn = match words.option("--as").unwrap_or("svg") {
        "svg" => layout.svg(),
        "text" => layout.table(),
        other => return failed(format_args!("--as = \"{other}\": use svg or text")),
    };
    words.write(&drawn.or_else(failed)?)
}

fn run() -> Outcome {
    let mut words = Vec::new();
    for word in std::env::args_os().skip(1) {
        words.push(word.into_string().or_else(|word| failed(format_args!("{word:?} is not UTF-8")))?);
    }
    if words.iter().any(|word| word == "--help" || word == "-h") {
        return print(USAGE);
    }
    let mut words = words.into_iter();
    match words.next().as_deref() {
        Some("--version") => print(concat!("backbuf-layout ", env!("CARGO_PKG_VERSION"), "\n")),
        Some("emit") => emit(&Words::read(words, 1, &["--namespace", "--output"])?),
        Some("check") => {
            let known = ["--arch", "--threads", "--registers", "--static-shared", "--shared-per"];
            check(&Words::read(words, 1, &known)?)
        }
        Some("diff") => compare(&Words::read(words, 2, &[])?),
        Some("draw") => draw(&Words::read(words, 1, &["--as", "--output"])?),
        Some(other) => failed(format_args!("unknown command \"{other}\"; see backbuf-layout --help")),
        None => failed("which command? emit, check, diff or draw; see backbuf-layout --help"),
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(End::Told(status)) => status.into(),
        Err(End::Failed(why)) => {
            // Whoever does not listen does not change the verdict.
            let _ = writeln!(std::io::stderr(), "backbuf-layout: {why}");
            ExitCode::from(2)
        }
    }
}
