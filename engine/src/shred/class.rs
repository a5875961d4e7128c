//! The kinds of places in which secrets stand.

use std::fmt;

/// What a destruction is worth: in what kind of place the secrets stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ShredClass {
    /// Files on disks that were chosen for it. Overwriting a file does not erase flash cells, copy-on-write file systems, volume snapshots and machine images.
    File = 2,
    /// Files, to try things out: nobody has looked at what is beneath them.
    Development = 3,
}

impl fmt::Display for ShredClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File => "file",
            Self::Development => "development",
        })
    }
}

impl ShredClass {
    /// The number by which records tell it.
    #[must_use]
    pub const fn id(self) -> u8 {
        self as u8
    }

    /// The class of this number, if there is one.
    #[must_use]
    pub fn from_id(id: u8) -> Option<Self> {
        [Self::File, Self::Development].into_iter().find(|class| class.id() == id)
    }
}
