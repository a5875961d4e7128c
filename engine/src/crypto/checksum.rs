//! SHA-256 (FIPS 180-4): as a checksum against accidents, and in the chain of the audit log.

use aws_lc_rs::digest::{Context, SHA256};

/// SHA-256 of `parts`, one after the other.
pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    let mut sum = [0; 32];
    sum.copy_from_slice(context.finish().as_ref());
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_hashed_as_one() {
        // FIPS 180-4, example of one block.
        let sum = sha256(&[b"a", b"", b"bc"]);
        assert_eq!(sum[..8], [0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea]);
        assert_eq!(sum, sha256(&[b"abc"]));
    }
}
