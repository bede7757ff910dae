//! The program `backbuf-layout`: its output, its exit status and its error messages.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const SCRATCH: &str = r#"{"format": "backbuf-layout", "version": 1, "groups": [{"buffers": [
    {"name": "k1", "size": 100, "location": "shared"},
    {"name": "tmp", "size": 30, "location": "local", "aliases": "k1"}]}]}"#;

/// A file in the test's own folder.
fn file(name: &str, text: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("layout_tool");
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// Status, standard output and standard error.
fn run_with(input: &str, words: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_backbuf-layout"));
    command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A refusal does not wait for its input.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn run(words: &[&str]) -> (i32, String, String) {
    run_with(SCRATCH, words)
}

#[test]
fn help_and_version_are_printed() {
    let (status, usage, _) = run(&["--help"]);
    assert_eq!(status, 0);
    for word in ["emit", "check", "diff", "draw", "--namespace", "--arch", "Status:"] {
        assert!(usage.contains(word), "{word} is not in the usage");
    }
    assert_eq!(run(&["emit", "--help"]).1, usage);
    assert_eq!(run(&["--version"]).1, concat!("backbuf-layout ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn it_emits_what_the_library_does() {
    let expected = backbuf::registry::Layout::from_json(SCRATCH).unwrap().emit_cuda_header("a::b").unwrap();
    assert_eq!(run(&["emit", "-", "--namespace", "a::b"]), (0, expected.clone(), String::new()));
    let out = file("scratch.h", "");
    let words = [
        "emit",
        file("scratch.json", SCRATCH).to_str().unwrap(),
        "--namespace=a::b",
        "--output",
        out.to_str().unwrap(),
    ]
    .map(str::to_owned);
    assert_eq!(run(&words.each_ref().map(String::as_str)), (0, String::new(), String::new()));
    assert_eq!(std::fs::read_to_string(out).unwrap(), expected);
}

#[test]
fn it_draws_a_picture_or_a_table() {
    let layout = backbuf::registry::Layout::from_json(SCRATCH).unwrap();
    assert_eq!(run(&["draw", "-"]).1, layout.svg().unwrap());
    assert_eq!(run(&["draw", "-", "--as", "text"]).1, layout.table().unwrap());
}

#[test]
fn it_checks_a_launch() {
    let (status, output, _) = run(&["check", "-", "--arch", "sm_90", "--threads", "256"]);
    assert_eq!(status, 0);
    assert_eq!(
        output,
        "- fits sm_90 with 256 threads: 400 bytes of shared memory a block\n\
         occupancy: 8 blocks, 64 of 64 warps on a multiprocessor, bound by threads\n"
    );
    let words = ["check", "-", "--arch", "7.5", "--threads", "256", "--shared-per", "thread"];
    let (status, output, errors) = run(&words);
    assert_eq!((status, errors.as_str()), (1, ""));
    assert!(
        output
            .starts_with("- does not fit sm_75: the block needs 102400 bytes of shared memory, beyond 65536"),
        "{output}"
    );
}

#[test]
fn diff_lists_what_moved() {
    let (old, same) = (file("old.json", SCRATCH), file("same.json", SCRATCH));
    let new = file("new.json", &SCRATCH.replace("100", "120"));
    let [old, same, new] = [&old, &same, &new].map(|path| path.to_str().unwrap());
    assert_eq!(run(&["diff", old, same]), (0, String::new(), String::new()));
    let (status, output, _) = run(&["diff", old, new]);
    assert_eq!(status, 1);
    assert!(output.starts_with("k1: shared 0..100 f32 -> shared 0..120 f32\n"), "{output}");
}

#[test]
fn a_refusal_is_one_line() {
    let cases: [(&[&str], &str); 15] = [
        (&[], "which command? emit, check, diff or draw; see backbuf-layout --help"),
        (&["emmit"], "unknown command \"emmit\"; see backbuf-layout --help"),
        (&["emit", "-"], "--namespace is missing; see backbuf-layout --help"),
        (&["emit", "-", "--namespace"], "--namespace needs a value; see backbuf-layout --help"),
        (&["emit", "-", "--name", "a"], "unknown option \"--name\"; see backbuf-layout --help"),
        (&["draw", "-", "--as", "svg", "--as=svg"], "--as is given twice"),
        (&["emit", "--namespace", "a"], "expected 1 layout files, got 0; see backbuf-layout --help"),
        (&["diff", "-"], "expected 2 layout files, got 1; see backbuf-layout --help"),
        (&["emit", "no.json", "--namespace", "a"], "no.json: No such file or directory (os error 2)"),
        (
            &["draw", "-", "--output", "/no/such/folder/a"],
            "/no/such/folder/a: No such file or directory (os error 2)",
        ),
        (&["draw", "-", "--as", "png"], "--as = \"png\": use svg or text"),
        (&["check", "-", "--arch", "sm_90"], "--threads is missing; see backbuf-layout --help"),
        (
            &["check", "-", "--arch", "sm_90", "--threads", "-1"],
            "--threads = \"-1\" is no number of that range",
        ),
        (
            &["check", "-", "--arch", "sm_90", "--threads", "0"],
            "-: threads = 0: a block has one thread at least",
        ),
        (
            &["emit", "-", "--namespace", "int"],
            "-: namespace = 'int': means something else in C++ already; give another name",
        ),
    ];
    for (words, why) in cases {
        assert_eq!(run(words), (2, String::new(), format!("backbuf-layout: {why}\n")), "{words:?}");
    }
    let (status, _, errors) = run_with("{\n  \"format\": 7}", &["draw", "-"]);
    assert_eq!(
        (status, errors.as_str()),
        (2, "backbuf-layout: -: json, line 2, column 13: expected a string\n")
    );
}
