//! Output made for eyes: short, aligned, in colour on a terminal only.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

/// Standard output.
pub(super) struct Screen {
    colour: bool,
}

impl Screen {
    pub(super) fn new() -> Self {
        // https://no-color.org
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { colour: io::stdout().is_terminal() && !refused }
    }

    pub(super) fn title(&self, name: &str, warning: &str) {
        line(format_args!("{}   {}\n", self.paint(BOLD, name), self.paint(RED, warning)));
    }

    pub(super) fn fact(&self, name: &str, value: &dyn Display, remark: &str) {
        line(format_args!("  {name:<13} {:<28} {}", value.to_string(), self.paint(DIM, remark)));
    }

    pub(super) fn heading(&self, text: &str) {
        line(format_args!("\n{}", self.paint(BOLD, text)));
    }

    /// A table's heading with the names of its columns of times.
    pub(super) fn columns(&self, text: &str, columns: &[&str]) {
        let columns: String = columns.iter().map(|column| format!("{column:>10}")).collect();
        line(format_args!("\n{}{}", self.paint(BOLD, &format!("{text:<58}")), self.paint(DIM, &columns)));
    }

    /// What was done, and how long it took in each column.
    pub(super) fn done(&self, what: &str, times: &[Duration]) {
        let times: String = times.iter().map(|time| format!("{:>10}", readable(*time))).collect();
        line(format_args!("  {what:<56}{times}"));
    }

    pub(super) fn failed(&self, what: &str, error: &dyn Display) {
        line(format_args!("  {} {what}: {error}", self.paint(RED, "failed:")));
    }

    pub(super) fn command(&self, command: &str) {
        line(format_args!("  {command}"));
    }

    pub(super) fn end(&self, text: &str) {
        line(format_args!("\n{}", self.paint(BOLD, text)));
    }

    fn paint(&self, style: &str, text: &str) -> String {
        if self.colour { format!("{style}{text}{PLAIN}") } else { text.to_owned() }
    }
}

fn line(text: std::fmt::Arguments<'_>) {
    // Whoever has closed the output does not want to read it; the daemon serves on.
    let _ = writeln!(io::stdout(), "{text}");
}

/// Three digits and a unit.
fn readable(time: Duration) -> String {
    let microseconds = time.as_micros();
    match microseconds {
        0..1_000 => format!("{microseconds} us"),
        1_000..10_000 => format!("{:.1} ms", time.as_secs_f64() * 1e3),
        10_000..1_000_000 => format!("{} ms", time.as_millis()),
        _ => format!("{:.1} s", time.as_secs_f64()),
    }
}

const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const RED: &str = "\x1b[31m";
const PLAIN: &str = "\x1b[0m";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_readable_at_every_size() {
        for (microseconds, expected) in [
            (0, "0 us"),
            (999, "999 us"),
            (1_250, "1.2 ms"),
            (10_000, "10 ms"),
            (999_999, "999 ms"),
            (1_500_000, "1.5 s"),
        ] {
            assert_eq!(readable(Duration::from_micros(microseconds)), expected);
        }
    }
}
