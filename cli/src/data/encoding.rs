//! Bytes as people pass them on: as they are, in hexadecimal digits, or in base64.

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use serde::Serialize;
use zeroize::Zeroizing;

/// How bytes are written. Raw unless asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::Args)]
#[group(multiple = false)]
pub(super) struct Encoding {
    /// Hexadecimal digits instead of raw bytes
    #[arg(long)]
    hex: bool,
    /// Base64 (RFC 4648, with padding) instead of raw bytes
    #[arg(long)]
    base64: bool,
}

impl Encoding {
    /// Whether the result is text.
    pub(super) const fn is_text(self) -> bool {
        self.hex || self.base64
    }

    /// The bytes so written; text ends with a line end.
    pub(super) fn encode(self, bytes: &[u8]) -> Zeroizing<Vec<u8>> {
        // Room for all of it at once: what grows leaves copies behind, and the bytes may be secret.
        let mut text = String::with_capacity(2 * bytes.len() + 4);
        match self {
            Self { hex: true, .. } => HEXLOWER.encode_append(bytes, &mut text),
            Self { base64: true, .. } => STANDARD.encode_string(bytes, &mut text),
            _ => return Zeroizing::new(bytes.to_vec()),
        }
        text.push('\n');
        Zeroizing::new(text.into_bytes())
    }

    /// The bytes that were so written; spaces and line ends in text do not count.
    ///
    /// # Errors
    /// The text is none of this form.
    pub(super) fn decode(self, text: &[u8]) -> anyhow::Result<Vec<u8>> {
        if !self.is_text() {
            return Ok(text.to_vec());
        }
        let digits: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
        if self.hex {
            return HEXLOWER_PERMISSIVE.decode(&digits).context("not hexadecimal digits, two for each byte");
        }
        STANDARD.decode(digits).context("not base64 with padding")
    }
}

/// JSON with `size` confidential bytes in it, which leaves no copy of them behind.
///
/// # Errors
/// The message is none for JSON.
pub(super) fn confidential_json(message: &impl Serialize, size: usize) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    // Room for all of it at once: what grows leaves copies behind.
    let mut text = Zeroizing::new(Vec::with_capacity(2 * size + JSON_SIZE_MAX));
    serde_json::to_writer_pretty(&mut *text, message)?;
    text.push(b'\n');
    Ok(text)
}

/// Two lowercase digits for each byte.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

/// Bytes of the JSON text around confidential ones, at most.
const JSON_SIZE_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    const RAW: Encoding = Encoding { hex: false, base64: false };
    const HEX: Encoding = Encoding { hex: true, base64: false };
    const BASE64: Encoding = Encoding { hex: false, base64: true };

    #[test]
    fn every_byte_comes_back_in_every_form() {
        let bytes: Vec<u8> = (0..=255).collect();
        for encoding in [RAW, HEX, BASE64] {
            assert_eq!(encoding.decode(&encoding.encode(&bytes)).unwrap(), bytes);
        }
    }

    #[test]
    fn text_ends_with_a_line_end_and_raw_bytes_do_not() {
        assert_eq!(*HEX.encode(b"\x01\xaf"), b"01af\n");
        assert_eq!(*BASE64.encode(b"\x01\xaf"), b"Aa8=\n");
        assert_eq!(*RAW.encode(b"\x01\n"), b"\x01\n");
    }

    #[test]
    fn wrapped_lines_and_capital_digits_are_read() {
        assert_eq!(HEX.decode(b" 01\r\nAF \n").unwrap(), b"\x01\xaf");
        assert_eq!(BASE64.decode(b"Aa\n8=\n").unwrap(), b"\x01\xaf");
    }

    #[test]
    fn refuses_what_is_not_of_the_form() {
        for text in ["1", "0g", "+1", "-1", "\u{e4}"] {
            assert!(HEX.decode(text.as_bytes()).is_err(), "{text:?}");
        }
        for text in ["A", "Aa8", "Aa8==", "Aa9=", "A-8_", "\u{e4}"] {
            assert!(BASE64.decode(text.as_bytes()).is_err(), "{text:?}");
        }
    }
}
