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
    for word in ["emit", "check", "diff", "draw", "plan", "--namespace", "--arch", "Status:"] {
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
        (&[], "which command? emit, check, diff, draw or plan; see backbuf-layout --help"),
        (&["emmit"], "unknown command \"emmit\"; see backbuf-layout --help"),
        (&["emit", "-"], "--namespace is missing; see backbuf-layout --help"),
        (&["emit", "-", "--namespace"], "--namespace needs a value; see backbuf-layout --help"),
        (&["emit", "-", "--name", "a"], "unknown option \"--name\"; see backbuf-layout --help"),
        (&["draw", "-", "--as", "svg", "--as=svg"], "--as is given twice"),
        (&["emit", "--namespace", "a"], "expected 1 files, got 0; see backbuf-layout --help"),
        (&["diff", "-"], "expected 2 files, got 1; see backbuf-layout --help"),
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

const TABLE: &str = "id,lower,upper,size\na,0,3,4\nb,3,9,4\n\nc, 0,9 ,4\nd,9,21,4\ne,0,21,4\n";

/// The lines of a planned table, split at commas.
fn offsets(output: &str) -> Vec<u64> {
    output.lines().skip(1).map(|line| line.rsplit(',').next().unwrap().parse().unwrap()).collect()
}

#[test]
fn it_plans_a_table() {
    let (status, output, errors) = run_with(TABLE, &["plan", "-"]);
    assert_eq!((status, errors.as_str()), (0, "-: 5 items need 12 bytes, which is proven to be the least\n"));
    assert!(output.starts_with("id,lower,upper,size,offset\na,0,3,4,"), "{output}");
    let items: Vec<_> = [(0, 3), (3, 9), (0, 9), (9, 21), (0, 21)]
        .map(|(start, end)| backbuf::planner::Item::new(start, end, 4))
        .into();
    assert_eq!(backbuf::planner::check(&items, &offsets(&output)), Ok(12));

    let out = file("planned.csv", "");
    let words = ["plan", "-", "--align", "8", "--budget=0", "--output", out.to_str().unwrap()];
    let (status, output, errors) = run_with(TABLE, &words);
    assert_eq!((status, output.as_str()), (0, ""), "{errors}");
    assert!(offsets(&std::fs::read_to_string(out).unwrap()).iter().all(|offset| offset % 8 == 0));

    let table = "size,upper,lower,alignment\n10,1,0,1\n10,1,0,64\n";
    let (status, output, _) = run_with(table, &["plan", "-", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&output).unwrap();
    assert_eq!((status, json["height"].as_u64(), json["exact"].as_bool()), (0, Some(20), Some(true)));
    assert_eq!(json["items"][1], serde_json::json!({"id": "1", "offset": 0}));
}

#[test]
fn a_plan_beyond_its_target_is_written_and_has_status_1() {
    let (status, output, errors) = run_with(TABLE, &["plan", "-", "--target", "11"]);
    assert_eq!((status, offsets(&output).len()), (1, 5));
    assert_eq!(
        errors,
        "-: 5 items need 12 bytes, beyond the target of 11, which is proven to be the least\n"
    );
    assert_eq!(run_with(TABLE, &["plan", "-", "--target", "12", "--threads", "2", "--seed=5"]).0, 0);
}

#[test]
fn a_malformed_table_is_refused_by_line_and_column() {
    let refused = |table: &str, why: &str| {
        let (status, output, errors) = run_with(table, &["plan", "-"]);
        assert_eq!(
            (status, output.as_str(), errors.as_str()),
            (2, "", format!("backbuf-layout: -: {why}\n").as_str())
        );
    };
    refused("", "is empty: the first line names the columns");
    refused("id,lower,upper\n", "line 1: the column size is missing");
    refused(
        "begin,lower,upper,size\n",
        "line 1: \"begin\" is no column; use id, lower, upper, size and alignment",
    );
    refused("lower,upper,size,size\n", "line 1: the column size is there twice");
    refused("lower,upper,size\n1,2\n", "line 2: 2 entries, and 3 columns");
    refused("lower,upper,size\n\n1,2,-4\n", "line 3: size = \"-4\": use a number from 0 to 2^64 - 1");
    refused(
        "lower,upper,size\n1,2,4\n5,5,4\n",
        "upper[1] = 5: must be greater than lower: an item ends after it begins",
    );
    refused(
        "lower,upper,size,alignment\n1,2,4,6\n",
        "alignment[0] = 6: must be a power of two; 1 for no alignment",
    );
    for (words, why) in [
        (&["plan", "-", "--budget", "-1"], "--budget = \"-1\": use a number of seconds"),
        (&["plan", "-", "--target", "1e9"], "--target = \"1e9\" is no number of that range"),
        (&["plan", "-", "--align", "3"], "-: alignment[0] = 3: must be a power of two; 1 for no alignment"),
    ] {
        assert_eq!(
            run_with(TABLE, words),
            (2, String::new(), format!("backbuf-layout: {why}\n")),
            "{words:?}"
        );
    }
}
