//! What a command tells whoever gave it.

/// Prints a line. What was done is done, whether or not anybody reads of it.
macro_rules! say {
    ($($line:tt)*) => {
        let _nobody_reads = {
            use std::io::Write as _;
            writeln!(std::io::stdout(), $($line)*)
        };
    };
}

pub(crate) use say;
