//! What the command line says of changes of access beside connections.

use clap::Args;

use super::{CrowdArguments, bounded};
use crate::access::AccessPlan;
use crate::limits::ACCESS_ROUNDS_MAX;

#[derive(Debug, Args)]
pub(crate) struct AccessArguments {
    #[command(flatten)]
    pub(crate) crowd: CrowdArguments,
    /// Make each change so often
    #[arg(long, default_value_t = 10)]
    rounds: usize,
}

impl AccessArguments {
    /// How it is to be measured.
    ///
    /// # Errors
    /// With the option that is out of its bounds.
    pub(crate) fn plan(&self) -> anyhow::Result<AccessPlan> {
        Ok(AccessPlan { crowd: self.crowd.plan()?, rounds: bounded("--rounds", self.rounds, ACCESS_ROUNDS_MAX)? })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Arguments, Command};
    use super::*;
    use clap::Parser;

    fn plan(options: &str) -> anyhow::Result<AccessPlan> {
        let words = ["claviger-loadtest", "access"].into_iter().chain(options.split_whitespace());
        match Arguments::try_parse_from(words)?.command {
            Some(Command::Access(arguments)) => arguments.plan(),
            _ => panic!("another command"),
        }
    }

    #[test]
    fn what_is_out_of_bounds_is_named_with_its_bounds() {
        for (options, said) in [
            ("--connections 0", "--connections 0: give 1 to 9000"),
            ("--rounds 0", "--rounds 0"),
            ("--rounds 25", "--rounds 25: give 1 to 24"),
        ] {
            let error = plan(options).err().unwrap_or_else(|| panic!("{options} is taken"));
            assert!(error.to_string().contains(said), "{options}: {error}");
        }
    }
}
