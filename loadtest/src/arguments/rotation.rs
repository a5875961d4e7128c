//! What the command line says of rotations beside connections.

use clap::Args;

use super::{CrowdArguments, bounded};
use crate::limits::ROTATIONS_MAX;
use crate::rotation::RotationPlan;

#[derive(Debug, Args)]
pub(crate) struct RotationArguments {
    #[command(flatten)]
    pub(crate) crowd: CrowdArguments,
    /// Rotate so often without connections, and again with them
    #[arg(long, default_value_t = 40)]
    rotations: usize,
}

impl RotationArguments {
    /// How it is to be measured.
    ///
    /// # Errors
    /// With the option that is out of its bounds.
    pub(crate) fn plan(&self) -> anyhow::Result<RotationPlan> {
        Ok(RotationPlan {
            crowd: self.crowd.plan()?,
            rotations: bounded("--rotations", self.rotations, ROTATIONS_MAX)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Arguments, Command};
    use super::*;
    use clap::Parser;

    fn plan(options: &str) -> anyhow::Result<RotationPlan> {
        let words = ["claviger-loadtest", "rotation"].into_iter().chain(options.split_whitespace());
        match Arguments::try_parse_from(words)?.command {
            Some(Command::Rotation(arguments)) => arguments.plan(),
            _ => panic!("another command"),
        }
    }

    #[test]
    fn what_is_out_of_bounds_is_named_with_its_bounds() {
        for (options, said) in [
            ("--connections 0", "--connections 0: give 1 to 9000"),
            ("--rotations 0", "--rotations 0"),
            ("--rotations 50", "--rotations 50: give 1 to 49"),
        ] {
            let error = plan(options).err().unwrap_or_else(|| panic!("{options} is taken"));
            assert!(error.to_string().contains(said), "{options}: {error}");
        }
    }
}
