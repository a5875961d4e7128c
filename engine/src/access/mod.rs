//! Who may come in to a key store: rows of authentication data, and how they change.
//!
//! `table` all rows of a store in memory, as admissions ask for them · `joined` what several rows permit together · `change` rows and methods come and change ·
//! `due` what the clock does with rows · `uses` when rows were last used.
//!
//! A row lets in, and never keeps out: what is not let in by a row of each method that the store sets stays outside. So a row that cannot be read takes nothing away but itself.

mod change;
mod due;
mod joined;
mod table;
mod uses;

pub use change::{AccessPage, NewAccess, NewPermit};
pub use joined::JoinedPermit;
pub use table::{AccessTable, HeldRow};
pub(crate) use uses::AccessUses;
