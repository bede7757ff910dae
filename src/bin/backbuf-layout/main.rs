//! `backbuf-layout`: CUDA headers, checks, differences and pictures of stored layouts, and memory plans, for builds without Python.

mod plan;

use std::ffi::OsString;
use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;
use std::str::FromStr;

use backbuf::registry::{Arch, BufferRegistry, CheckError, Launch, Layout, SharedPer, diff};
use lexopt::{Arg, Parser};

const USAGE: &str = "\
usage: backbuf-layout COMMAND FILE... [OPTION VALUE]...

Reads layouts as the registry stores them (JSON), or a table (CSV); - reads standard input.

  emit FILE --namespace NAME      write a CUDA C++ header with everything in that namespace
  check FILE --arch ARCH --threads N
                                  check whether blocks of N threads fit the device (sm_90, 9.0, ...) and print what they
                                  need; options --registers N (per thread), --static-shared N (bytes that the kernel
                                  declares itself) and --shared-per thread|block (overrides the layout's option)
  diff OLD NEW                    list the buffers that differ; print nothing if none does
  draw FILE                       write a picture: SVG, or with --as text an aligned table
  plan FILE.csv                   place items of known size and lifetime in as little memory as possible. The first line
                                  names the columns: lower, upper, size (the item is alive from step lower up to but not
                                  including step upper), and if wanted id and alignment. Writes the table with a column
                                  offset, or with --json an object; options --align N (for all items), --budget SECONDS
                                  (1 by default, 0 for a quick plan), --nodes N (search steps), --target BYTES (a height
                                  that is good enough), --threads N, --seed N

  --output PATH                   write to a file instead of standard output (emit, draw, plan)
  --help, --version

Status: 0; 1 if check finds that the launch does not fit, diff that the layouts differ, or plan no plan within --target; 2 if
the arguments are malformed, a file cannot be read or written, or a layout or a table is refused.
";

/// Why the program ends early.
enum Exit {
    /// Help was asked for.
    Help,
    /// The negative answer of `check`, `diff` or `plan` has been printed.
    Negative,
    /// An error, as one line.
    Failed(String),
}

type ExitResult<T = ()> = Result<T, Exit>;

fn failed<T>(message: impl Display) -> ExitResult<T> {
    Err(Exit::Failed(message.to_string()))
}

fn utf8(text: OsString) -> ExitResult<String> {
    text.into_string().or_else(|text| failed(format_args!("{text:?} is not UTF-8")))
}

/// Options without a value.
const FLAGS: [&str; 1] = ["json"];

/// The arguments of a command: files, and options with their values.
struct Arguments {
    files: Vec<String>,
    options: Vec<(&'static str, String)>,
}

impl Arguments {
    fn read(mut parser: Parser, files: usize, known: &[&'static str]) -> ExitResult<Arguments> {
        let mut read = Arguments { files: Vec::new(), options: Vec::new() };
        while let Some(argument) = parser.next().or_else(failed)? {
            let name = match argument {
                Arg::Value(file) => {
                    read.files.push(utf8(file)?);
                    continue;
                }
                Arg::Short('h') | Arg::Long("help") => return Err(Exit::Help),
                Arg::Long(name) => match known.iter().find(|known| **known == name) {
                    Some(known) => *known,
                    None => {
                        return failed(format_args!(
                            "unknown option \"--{name}\"; see backbuf-layout --help"
                        ));
                    }
                },
                Arg::Short(name) => {
                    return failed(format_args!("unknown option \"-{name}\"; see backbuf-layout --help"));
                }
            };
            if read.has(name) {
                return failed(format_args!("--{name} is given twice"));
            }
            if FLAGS.contains(&name) {
                read.options.push((name, String::new()));
                continue;
            }
            match parser.value() {
                Ok(value) => read.options.push((name, utf8(value)?)),
                Err(_) => {
                    return failed(format_args!("--{name} needs a value; see backbuf-layout --help"));
                }
            }
        }
        if read.files.len() != files {
            let given = read.files.len();
            return failed(format_args!("expected {files} files, got {given}; see backbuf-layout --help"));
        }
        Ok(read)
    }

    fn has(&self, name: &str) -> bool {
        self.option(name).is_some()
    }

    fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().find(|(option, _)| *option == name).map(|(_, value)| value.as_str())
    }

    fn required(&self, name: &str) -> ExitResult<&str> {
        self.option(name)
            .map_or_else(|| failed(format_args!("--{name} is missing; see backbuf-layout --help")), Ok)
    }

    fn number<N: FromStr>(&self, name: &str) -> ExitResult<Option<N>> {
        let Some(text) = self.option(name) else { return Ok(None) };
        text.parse()
            .map(Some)
            .or_else(|_| failed(format_args!("--{name} = \"{text}\" is no number of that range")))
    }

    /// The text of a file.
    fn text(&self, file: usize) -> ExitResult<String> {
        let path = &self.files[file];
        let text = if path == "-" {
            std::io::read_to_string(std::io::stdin())
        } else {
            std::fs::read_to_string(path)
        };
        text.or_else(|error| failed(format_args!("{path}: {error}")))
    }

    fn layout(&self, file: usize) -> ExitResult<Layout> {
        let text = self.text(file)?;
        Layout::from_json(&text).or_else(|error| failed(format_args!("{}: {error}", self.files[file])))
    }

    /// Writes the output of a command to `--output` or to standard output.
    fn write(&self, text: &str) -> ExitResult {
        let Some(path) = self.option("output") else { return print(text) };
        std::fs::write(path, text).or_else(|error| failed(format_args!("{path}: {error}")))
    }
}

fn print(text: &str) -> ExitResult {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.or_else(|error| failed(format_args!("standard output: {error}")))
}

fn emit(arguments: &Arguments) -> ExitResult {
    let namespace = arguments.required("namespace")?;
    let header = arguments.layout(0)?.emit_cuda_header(namespace);
    arguments.write(&header.or_else(|error| failed(format_args!("{}: {error}", arguments.files[0])))?)
}

fn check(arguments: &Arguments) -> ExitResult {
    let arch: Arch = arguments.required("arch")?.parse().or_else(failed)?;
    arguments.required("threads")?;
    let shared_per = arguments.option("shared-per").map(SharedPer::from_name);
    let launch = Launch {
        threads: arguments.number("threads")?.unwrap_or(0),
        registers_per_thread: arguments.number("registers")?.unwrap_or(0),
        static_shared_bytes: arguments.number("static-shared")?.unwrap_or(0),
        shared_per: shared_per.transpose().or_else(failed)?,
    };
    let (path, text) = (&arguments.files[0], arguments.text(0)?);
    let registry = BufferRegistry::new();
    registry.load_json(0, &text).or_else(|error| failed(format_args!("{path}: {error}")))?;
    match registry.check(0, &arch.limits(), &launch) {
        Ok(fit) => {
            let occupancy = fit.occupancy;
            print(&format!(
                "{path} fits {arch} with {} threads: {} bytes of shared memory a block{}\n\
                 occupancy: {} blocks, {} of {} warps on a multiprocessor, bound by {}\n",
                launch.threads,
                fit.shared_bytes,
                if fit.needs_opt_in { ", to which the kernel must opt in" } else { "" },
                occupancy.blocks_per_sm,
                occupancy.warps_per_sm,
                occupancy.max_warps_per_sm,
                occupancy.bound.name()
            ))
        }
        Err(CheckError::Unfit(unfit)) => {
            print(&format!("{path} does not fit {arch}: {unfit}\n"))?;
            Err(Exit::Negative)
        }
        Err(CheckError::Call(error)) => failed(format_args!("{path}: {error}")),
    }
}

fn compare(arguments: &Arguments) -> ExitResult {
    let difference = diff(&arguments.layout(0)?, &arguments.layout(1)?).or_else(failed)?;
    if difference.is_empty() {
        return Ok(());
    }
    print(&difference.to_string())?;
    Err(Exit::Negative)
}

fn draw(arguments: &Arguments) -> ExitResult {
    let layout = arguments.layout(0)?;
    let drawn = match arguments.option("as").unwrap_or("svg") {
        "svg" => layout.svg(),
        "text" => layout.table(),
        other => return failed(format_args!("--as = \"{other}\": use svg or text")),
    };
    arguments.write(&drawn.or_else(failed)?)
}

fn run() -> ExitResult {
    let mut parser = Parser::from_env();
    let command = match parser.next().or_else(failed)? {
        None => return failed("which command? emit, check, diff, draw or plan; see backbuf-layout --help"),
        Some(Arg::Short('h') | Arg::Long("help")) => return Err(Exit::Help),
        Some(Arg::Long("version")) => {
            return print(concat!("backbuf-layout ", env!("CARGO_PKG_VERSION"), "\n"));
        }
        Some(Arg::Value(command)) => utf8(command)?,
        Some(Arg::Long(name)) => format!("--{name}"),
        Some(Arg::Short(name)) => format!("-{name}"),
    };
    match command.as_str() {
        "emit" => emit(&Arguments::read(parser, 1, &["namespace", "output"])?),
        "check" => {
            let known = ["arch", "threads", "registers", "static-shared", "shared-per"];
            check(&Arguments::read(parser, 1, &known)?)
        }
        "diff" => compare(&Arguments::read(parser, 2, &[])?),
        "plan" => plan::run(&Arguments::read(parser, 1, &plan::OPTIONS)?),
        "draw" => draw(&Arguments::read(parser, 1, &["as", "output"])?),
        other => failed(format_args!("unknown command \"{other}\"; see backbuf-layout --help")),
    }
}

fn main() -> ExitCode {
    let result = run().or_else(|exit| match exit {
        Exit::Help => print(USAGE),
        other => Err(other),
    });
    match result {
        Ok(()) | Err(Exit::Help) => ExitCode::SUCCESS,
        Err(Exit::Negative) => ExitCode::FAILURE,
        Err(Exit::Failed(message)) => {
            // A closed standard error does not change the status.
            let _ = writeln!(std::io::stderr(), "backbuf-layout: {message}");
            ExitCode::from(2)
        }
    }
}
