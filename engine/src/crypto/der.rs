//! Just enough DER (ITU-T X.690) to see how keys are put together. What the values mean, the cryptographic library says.

/// An INTEGER.
pub(super) const INTEGER: u8 = 0x02;
/// A BIT STRING.
pub(super) const BIT_STRING: u8 = 0x03;
/// An OCTET STRING.
pub(super) const OCTET_STRING: u8 = 0x04;
/// An OBJECT IDENTIFIER.
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
/// A SEQUENCE.
pub(super) const SEQUENCE: u8 = 0x30;

/// Unread DER. Borrows, never allocates, never panics.
#[derive(Clone, Copy)]
pub(super) struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// Reads from the first of `bytes`.
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The content of the next element, if it has this tag and its size is in the one form that DER allows.
    pub(super) fn element(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (size, rest) = match self.0 {
            [found, size @ ..=0x7f, rest @ ..] if *found == tag => (usize::from(*size), rest),
            [found, 0x81, size, rest @ ..] if *found == tag && *size > 0x7f => (usize::from(*size), rest),
            [found, 0x82, high, low, rest @ ..] if *found == tag && *high > 0 => {
                (usize::from(u16::from_be_bytes([*high, *low])), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(size)?;
        self.0 = rest;
        Some(content)
    }

    /// As [`Der::element`], where there may be none.
    pub(super) fn optional(&mut self, tag: u8) -> Option<Option<&'a [u8]>> {
        if self.0.first() == Some(&tag) { self.element(tag).map(Some) } else { Some(None) }
    }

    /// Ends reading: nothing may be left over.
    pub(super) fn finish(self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

/// The one element that `bytes` are, with this tag.
pub(super) fn whole(bytes: &[u8], tag: u8) -> Option<&[u8]> {
    let mut der = Der::new(bytes);
    let content = der.element(tag)?;
    der.finish()?;
    Some(content)
}

/// The public exponent of an RSAPublicKey (RFC 8017 appendix A.1.1), big-endian.
pub(super) fn rsa_exponent(rsa_public_key: &[u8]) -> Option<&[u8]> {
    let mut fields = Der::new(whole(rsa_public_key, SEQUENCE)?);
    fields.element(INTEGER)?;
    let exponent = fields.element(INTEGER)?;
    fields.finish()?;
    Some(exponent)
}

/// The key in a SubjectPublicKeyInfo (RFC 5280 section 4.1).
pub(super) fn subject_public_key(der: &[u8]) -> Option<&[u8]> {
    let mut fields = Der::new(whole(der, SEQUENCE)?);
    fields.element(SEQUENCE)?;
    let key = fields.element(BIT_STRING)?;
    fields.finish()?;
    // The first byte says how many bits of the last one are not used.
    key.strip_prefix(&[0])
}

/// 65,537, as DER writes it.
pub(super) const EXPONENT_65537: &[u8] = &[1, 0, 1];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_elements_of_each_form_of_size() {
        for size in [0, 1, 0x7f, 0x80, 0xff, 0x100, 4_000] {
            let content = vec![7; size];
            let header = match size {
                0..=0x7f => vec![OCTET_STRING, u8::try_from(size).unwrap()],
                0x80..=0xff => vec![OCTET_STRING, 0x81, u8::try_from(size).unwrap()],
                _ => [&[OCTET_STRING, 0x82][..], &u16::try_from(size).unwrap().to_be_bytes()].concat(),
            };
            let bytes = [&header[..], &content].concat();
            assert_eq!(whole(&bytes, OCTET_STRING), Some(&content[..]), "{size}");
            assert_eq!(whole(&bytes, SEQUENCE), None, "another tag");
            assert_eq!(whole(&[&bytes[..], &[0]].concat(), OCTET_STRING), None, "a byte behind");
            assert_eq!(whole(&bytes[..bytes.len() - 1], OCTET_STRING), None, "cut");
        }
    }

    #[test]
    fn refuses_sizes_that_could_be_said_shorter_and_those_beyond_the_end() {
        for bad in [
            &[4][..],
            &[4, 1],
            &[4, 0x80],
            &[4, 0x81, 1, 7],
            &[4, 0x82, 0, 1, 7],
            &[4, 0x82, 1],
            &[4, 0x83, 0, 0, 1, 7],
        ] {
            assert_eq!(whole(bad, OCTET_STRING), None, "{bad:02x?}");
        }
    }

    #[test]
    fn exponents_are_read_and_nothing_behind_them_is_passed_over() {
        let good = [0x30, 8, 2, 1, 35, 2, 3, 1, 0, 1];
        assert_eq!(rsa_exponent(&good), Some(EXPONENT_65537));
        assert_eq!(rsa_exponent(&[0x30, 6, 2, 1, 35, 2, 1, 3]), Some(&[3][..]));
        for bad in [&good[..9], &[0x30, 3, 2, 1, 35], &[0x30, 10, 2, 1, 35, 2, 3, 1, 0, 1, 5, 0]] {
            assert_eq!(rsa_exponent(bad), None, "{bad:02x?}");
        }
    }
}
