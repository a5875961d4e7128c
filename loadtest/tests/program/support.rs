//! The program as a process, and what it leaves behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// What a process that has ended said.
pub(crate) struct Ended {
    pub(crate) success: bool,
    pub(crate) output: String,
    pub(crate) errors: String,
}

/// The load test with these options, separated by spaces.
pub(crate) fn loadtest(options: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_claviger-loadtest"));
    command.args(options.split_whitespace());
    command
}

/// Runs it to its end.
pub(crate) fn run(command: &mut Command) -> Ended {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { success: status.success(), output: text(stdout), errors: text(stderr) }
}

/// Runs something for a short time, in seconds; for longer if the machine was too busy to answer anything in it.
pub(crate) fn run_briefly(run: impl Fn(&str) -> Ended) -> Ended {
    let ended = run("0.2");
    if ended.errors.contains("nothing was answered") { run("5") } else { ended }
}

/// The daemon, which is built beside the load test.
pub(crate) fn clavigerd() -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_claviger-loadtest")).with_file_name("clavigerd");
    assert!(path.exists(), "{} is missing: `cargo build -p claviger-daemon` makes it", path.display());
    path
}

pub(crate) fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// A file that an XML parser takes for an SVG; how many lines of measured points it has.
pub(crate) fn lines_drawn(path: &Path) -> usize {
    let script = "import sys, xml.etree.ElementTree as tree
root = tree.parse(sys.argv[1]).getroot()
space = '{http://www.w3.org/2000/svg}'
assert root.tag == space + 'svg', root.tag
print(sum(line.get('points') != '' for line in root.iter(space + 'polyline')))";
    let parsed = Command::new("python3").args(["-c", script]).arg(path).output();
    let parsed = parsed.expect("python3 must be installed: see `cargo xtask test --install`");
    assert!(parsed.status.success(), "{}", String::from_utf8_lossy(&parsed.stderr));
    String::from_utf8(parsed.stdout).unwrap().trim().parse().unwrap()
}

impl Ended {
    /// It has measured, and found every answer right.
    pub(crate) fn passed(self) -> Self {
        assert!(self.success, "{}\n{}", self.errors, self.output);
        self
    }

    /// It has failed, says why in one line with these words, and calls nothing right.
    pub(crate) fn refused(self, words: &str) -> Self {
        let Self { success, output, errors } = &self;
        assert!(!success && !output.contains("all right"), "passed, where it should say {words:?}:\n{output}");
        assert!(errors.starts_with("claviger-loadtest: ") && errors.lines().count() == 1, "one line: {errors}");
        assert!(errors.contains(words), "{words:?} is missing: {errors}");
        self
    }
}
