//! Whether a client passes the access methods of a key store: the same judgement for admissions of the data port, and for whoever asks on the control port why a client is refused.

mod certificate;
mod judge;

pub(crate) use certificate::{Path, ShownCertificate, sha256};
pub(crate) use judge::{Failure, Passed, Shown, judge};
