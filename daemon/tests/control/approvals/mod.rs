//! Approval on the control port: no change slips by, and what is approved is what was shown.

mod access;
mod classes;
mod decided;
mod every_change;
mod parties;
mod policy;
mod shown;
