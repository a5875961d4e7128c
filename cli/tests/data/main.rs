//! The data operations of `claviger` against a real daemon, as a person or a script runs them.

#![expect(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "tests may be blunt")]

mod altered_files;
mod asymmetric;
mod files;
mod keys;
mod outside;
mod signatures;
mod support;
