//! What can be measured beside one run: a command each.

use clap::Subcommand;

use super::{
    AccessArguments, BesideArguments, CompareArguments, PopulationArguments, RotationArguments, RoundsArguments,
};
use crate::compare::SPIN;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Measure a table: encryption at several batch sizes and signatures of three algorithms, on both transports
    #[command(
        after_help = "Example:\n  claviger-loadtest table --pin-daemon 0 --pin-load 1 --seconds 5 --rounds 5 --json table.json --plot table.svg"
    )]
    Table(RoundsArguments),
    /// Measure a fast operation, encryption, alone and then beside each slow one on another connection
    #[command(
        after_help = "Examples:\n  claviger-loadtest beside --pin-daemon 0 --pin-load 1 --json beside.json --plot beside.svg\n  claviger-loadtest beside --algorithm ML-DSA-65,RSA-4096-OAEP-SHA256 --rate 20000 --transport quic\n  claviger-loadtest beside --algorithm RSA-4096-PKCS1-SHA256 --flood-store --flood-connections 8 --batch 1 --pin-daemon 0 --pin-load 1"
    )]
    Beside(BesideArguments),
    /// Measure how long a rotation takes to be in force, alone and while many connections use the key
    #[command(
        after_help = "Example:\n  claviger-loadtest rotation --connections 1000 --transport quic --json rotation.json"
    )]
    Rotation(RotationArguments),
    /// Measure how long changes of access take to be in force on many connections, and that nobody is served after their answer
    #[command(
        after_help = "Example:\n  claviger-loadtest access --connections 1000 --transport quic --rounds 10 --json access.json"
    )]
    Access(AccessArguments),
    /// Compare the daemon with the same operations in process and with an echo on the same transport, in turn
    #[command(
        after_help = "Examples:\n  claviger-loadtest compare --json compare.json --plot compare.svg\n  claviger-loadtest compare --only encrypt-16,latency --rounds 7\n  claviger-loadtest compare --only start --keys 100000\n  claviger-loadtest compare --quick"
    )]
    Compare(CompareArguments),
    /// Spin until standard input ends: what `compare` starts in the idle class
    #[command(hide = true, name = SPIN)]
    Spin,
    /// Measure what very many keys cost: creation, start, memory, list, first use
    #[command(
        after_help = "Examples:\n  claviger-loadtest keys --json keys.json\n  claviger-loadtest keys --count 10000 --used 1000"
    )]
    Keys(PopulationArguments),
}
