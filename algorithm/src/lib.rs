//! Which algorithms there are and what each may do: one table, read by the engine, the wire and the tools alike.
//!
//! A new algorithm is a new row in [`table`](Algorithm); a file in the engine's `crypto/` if its [`Primitive`] is new too; and its vectors.
//! Data only: nothing here computes with keys, and nothing depends on another crate.

#![forbid(unsafe_code)]

mod cost;
mod kind;
mod operation;
mod primitive;
mod row;
mod table;

pub use cost::{Cost, CostClass, Generation, MEDIUM_COST_NANOSECONDS};
pub use kind::KeyKind;
pub use operation::{Operation, Operations};
pub use primitive::{Curve, Hash, MlDsaParameters, Primitive, RsaPadding, RsaSize};
pub use row::{AlgorithmRow, OutputSize};
pub use table::Algorithm;
