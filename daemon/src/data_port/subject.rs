//! The subject of a certificate as text (RFC 4514), so that every client and every log writes it alike.

use std::fmt::Write;

use claviger_engine::key::text::is_shown;
use x509_parser::asn1_rs::ToDer;
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

use crate::limits::SUBJECT_SIZE_MAX;

/// The string form of a distinguished name: the last part first (RFC 4514 section 2.1). `None` if it would have more than [`SUBJECT_SIZE_MAX`] bytes.
pub(super) fn subject_text(subject: &X509Name<'_>) -> Option<String> {
    let mut text = String::new();
    let parts: Vec<_> = subject.iter().collect();
    for (index, part) in parts.iter().rev().enumerate() {
        for (place, attribute) in part.iter().enumerate() {
            match (index, place) {
                (0, 0) => {}
                (_, 0) => text.push(','),
                (_, _) => text.push('+'),
            }
            write_attribute(&mut text, attribute);
            // Looked at after each, so that what is left out is not put together first.
            if text.len() > SUBJECT_SIZE_MAX {
                return None;
            }
        }
    }
    Some(text)
}

/// `type=value`; the value in hexadecimal digits where the type has no short name or the value is no string (RFC 4514 sections 2.3 and 2.4).
fn write_attribute(text: &mut String, attribute: &AttributeTypeAndValue<'_>) {
    let oid = attribute.attr_type().to_id_string();
    let short = SHORT_NAMES.iter().find(|(id, _)| *id == oid).map(|(_, name)| *name);
    text.push_str(short.unwrap_or(&oid));
    text.push('=');
    match (short, attribute.as_str()) {
        (Some(_), Ok(value)) => write_escaped(text, value),
        _ => {
            text.push('#');
            let der = attribute.attr_value().to_der_vec().unwrap_or_default();
            der.iter().for_each(|byte| write_hex(text, "", *byte));
        }
    }
}

/// RFC 4514 section 2.4. Control and format characters are written as hexadecimal digits as well, so that a subject does not break a line of a log.
fn write_escaped(text: &mut String, value: &str) {
    let last = value.chars().count().saturating_sub(1);
    for (index, character) in value.chars().enumerate() {
        let at_edge = (character == ' ' && (index == 0 || index == last)) || (character == '#' && index == 0);
        if !is_shown(character) {
            character.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| write_hex(text, "\\", byte));
        } else {
            if at_edge || "\"+,;<>\\".contains(character) {
                text.push('\\');
            }
            text.push(character);
        }
    }
}

fn write_hex(text: &mut String, before: &str, byte: u8) {
    // Writing to a string does not fail.
    let _ = write!(text, "{before}{byte:02x}");
}

/// The names of RFC 4514 section 3.
const SHORT_NAMES: [(&str, &str); 9] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.6", "C"),
    ("2.5.4.9", "STREET"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("0.9.2342.19200300.100.1.1", "UID"),
];

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, KeyPair};
    use x509_parser::prelude::{FromDer, X509Certificate};

    use super::*;

    fn check(parts: &[(DnType, &str)], expected: Option<&str>) {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        for (kind, value) in parts {
            params.distinguished_name.push(kind.clone(), DnValue::Utf8String((*value).to_owned()));
        }
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let (_, parsed) = X509Certificate::from_der(certificate.der()).unwrap();
        assert_eq!(subject_text(parsed.subject()).as_deref(), expected);
    }

    #[test]
    fn the_last_part_comes_first() {
        let parts = [(DnType::CountryName, "CH"), (DnType::OrganizationName, "Acme"), (DnType::CommonName, "billing")];
        check(&parts, Some("CN=billing,O=Acme,C=CH"));
        check(&[], Some(""));
    }

    #[test]
    fn nothing_in_a_value_can_be_taken_for_another_part() {
        check(&[(DnType::CommonName, "a,O=Acme")], Some("CN=a\\,O=Acme"));
        check(&[(DnType::CommonName, "a+b\"c\\d<e>f;g")], Some("CN=a\\+b\\\"c\\\\d\\<e\\>f\\;g"));
        check(&[(DnType::CommonName, "#a# ")], Some("CN=\\#a#\\ "));
        check(&[(DnType::CommonName, " ")], Some("CN=\\ "));
        check(&[(DnType::CommonName, "a\nb\0c\u{85}")], Some("CN=a\\0ab\\00c\\c2\\85"));
        check(&[(DnType::CommonName, "a\u{202e}b")], Some("CN=a\\e2\\80\\aeb"));
    }

    #[test]
    fn unknown_types_are_numbers_with_their_value_in_hexadecimal_digits() {
        check(&[(DnType::CustomDnType(vec![1, 2, 3, 4]), "ab")], Some("1.2.3.4=#0c026162"));
    }

    // R-P3
    #[test]
    fn a_subject_of_any_size_is_bounded() {
        check(&[(DnType::CommonName, &"x".repeat(SUBJECT_SIZE_MAX))], None);
        check(&[(DnType::CommonName, &",".repeat(SUBJECT_SIZE_MAX / 2))], None);
        let fits = "x".repeat(SUBJECT_SIZE_MAX - 3);
        check(&[(DnType::CommonName, &fits)], Some(&format!("CN={fits}")));
    }
}
