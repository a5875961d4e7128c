//! How far something is that takes a while.

use std::io::{self, IsTerminal, Write};

/// Says how far it is, on a line that is written anew; an empty one takes it away. Nothing where nobody looks.
pub(crate) fn progress(line: &str) {
    let mut errors = io::stderr();
    if errors.is_terminal() {
        // What cannot be shown is not missed.
        let _ = write!(errors, "\r\x1b[K{line}");
    }
}
