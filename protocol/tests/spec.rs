//! The tables of `SPEC.md` and the constants of the code say the same. R-P1.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a panic is how a test reports")]

use claviger_protocol::limits::{
    BATCH_ITEMS_MAX, CIPHERTEXT_OVERHEAD_MAX, FRAME_SIZE_MAX, HELLO_OPTION_SIZE_MAX, HELLO_OPTIONS_MAX, LENGTH_MAX,
    LENGTH_MIN, PING_SIZE_MAX,
};
use claviger_protocol::{Algorithm, Fact, KeyKind, KeyState, KeyVersionState, Limit, Opcode, Retry, Status};

const SPEC: &str = include_str!("../SPEC.md");

/// Cells of the table rows under the heading that begins with `heading`, without its head and its rule.
fn table(heading: &str) -> Vec<Vec<&'static str>> {
    let section = SPEC.split_once(&format!("\n{heading}")).unwrap_or_else(|| panic!("no heading {heading:?}")).1;
    let section = section.split_once("\n#").map_or(section, |(section, _)| section);
    let rows = section.lines().filter(|line| line.starts_with('|')).skip(2);
    let rows: Vec<_> = rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect();
    assert!(!rows.is_empty(), "no table under {heading:?}");
    rows
}

/// A decimal or hexadecimal number.
fn number(cell: &str) -> u64 {
    match cell.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).unwrap(),
        None => cell.parse().unwrap_or_else(|_| panic!("{cell:?} is no number")),
    }
}

#[test]
fn opcodes_are_those_of_section_11_1() {
    let written: Vec<_> = table("### 11.1 ").iter().map(|row| (number(row[0]), row[1])).collect();
    let coded: Vec<_> = Opcode::ALL.iter().map(|opcode| (u64::from(opcode.code()), opcode.name())).collect();
    assert_eq!(coded, written);
}

#[test]
fn statuses_are_those_of_section_6() {
    let rows = table("## 6. ");
    assert_eq!(rows.len(), Status::ALL.len());
    for (row, status) in rows.iter().zip(Status::ALL) {
        assert_eq!((u64::from(status.code()), status.name()), (number(row[0]), row[1]));
        assert_eq!(status.speaks_of_frames(), row[2].contains("frame"), "{status} in a frame");
        assert_eq!(status.speaks_of_items(), row[2].contains("item"), "{status} of an item");
        let retry = match row[3] {
            "now" => Some(Retry::Now),
            "later" => Some(Retry::Later),
            "never" => Some(Retry::Never),
            "resolve" => Some(Retry::Resolve),
            "-" => None,
            advice => panic!("unknown advice {advice:?}"),
        };
        assert_eq!(status.retry(), retry, "{status}");
        assert_eq!(status.ends(Opcode::Ping), row[4] == "yes", "{status}");
    }
}

#[test]
fn kinds_are_those_of_section_11_2() {
    let rows = table("### 11.2 ");
    assert_eq!(rows.len(), KeyKind::ALL.len());
    for (row, kind) in rows.iter().zip(KeyKind::ALL) {
        assert_eq!((u64::from(kind.id()), kind.name()), (number(row[0]), row[1]));
    }
}

#[test]
fn algorithms_are_those_of_section_11_3() {
    let rows = table("### 11.3 ");
    assert_eq!(rows.len(), Algorithm::ALL.len());
    for (row, algorithm) in rows.iter().zip(Algorithm::ALL.iter().copied()) {
        assert_eq!((u64::from(algorithm.id()), algorithm.name()), (number(row[0]), row[1]));
        assert_eq!(algorithm.row().kind.name(), row[2], "{algorithm}");
        let operations =
            Opcode::ALL.into_iter().filter(|opcode| opcode.needs().is_some_and(|it| algorithm.row().does(it)));
        assert_eq!(operations.map(Opcode::name).collect::<Vec<_>>().join(", "), row[3], "{algorithm}");
        assert_eq!(algorithm.row().output_size.to_string(), row[4], "{algorithm}");
        let digest_size = algorithm.row().digest_size.map_or(String::new(), |size| size.to_string());
        assert_eq!(digest_size, row[5], "{algorithm}");
        let use_limit = algorithm.row().use_limit.map_or(String::new(), |limit| limit.to_string());
        assert_eq!(use_limit, row[6], "{algorithm}");
    }
}

/// `RSA-*-OAEP-SHA256` stands for all names that differ at the star.
#[test]
fn section_10_says_of_every_mac_signature_and_asymmetric_ciphertext_what_its_bytes_are() {
    let rows = table("## 10. ");
    for algorithm in Algorithm::ALL.iter().copied() {
        let (name, row) = (algorithm.name(), algorithm.row());
        let is_named = |cell: &str| match cell.split_once('*') {
            Some((before, after)) => name.starts_with(before) && name.ends_with(after),
            None => name == cell,
        };
        let named = rows.iter().filter(|cells| is_named(cells[0])).count();
        let expected = matches!(row.kind, KeyKind::Mac | KeyKind::Asymmetric);
        assert_eq!(named, usize::from(expected), "{name}");
    }
}

#[test]
fn limits_are_those_of_section_11_4() {
    let rows = table("### 11.4 ");
    assert_eq!(rows.len(), Limit::ALL.len());
    for (row, limit) in rows.iter().zip(Limit::ALL) {
        assert_eq!(u64::from(limit.code()), number(row[0]));
        assert_eq!(format!("{limit:?}"), row[1]);
        assert_eq!(limit.default_value(), number(row[2]), "{limit:?}");
    }
}

#[test]
fn facts_are_those_of_section_11_5() {
    let written: Vec<_> = table("### 11.5 ").iter().map(|row| (number(row[0]), row[1])).collect();
    let coded: Vec<_> = Fact::ALL.iter().map(|fact| (u64::from(fact.code()), fact.name())).collect();
    assert_eq!(coded, written);
}

#[test]
fn states_are_those_of_sections_11_6_and_11_7() {
    let written: Vec<_> = table("### 11.6 ").iter().map(|row| (number(row[0]), row[1])).collect();
    let coded: Vec<_> = KeyState::ALL.iter().map(|state| (u64::from(state.code()), state.name())).collect();
    assert_eq!(coded, written);
    let written: Vec<_> = table("### 11.7 ").iter().map(|row| (number(row[0]), row[1])).collect();
    let coded: Vec<_> = KeyVersionState::ALL.iter().map(|state| (u64::from(state.code()), state.name())).collect();
    assert_eq!(coded, written);
}

#[test]
fn header_fields_of_section_2_add_up_to_the_header() {
    let rows = table("## 2. ");
    let mut offset = 0;
    for row in &rows[..rows.len() - 1] {
        assert_eq!(number(row[0]), offset, "{}", row[2]);
        offset += number(row[1]);
    }
    assert_eq!(number(rows[rows.len() - 1][0]), offset, "the body");
    assert_eq!(usize::try_from(offset).unwrap(), claviger_protocol::limits::HEADER_SIZE);
}

/// Bounds that stand in sentences instead of tables.
#[test]
fn bounds_in_the_text_are_the_limits() {
    let thousands = |number: usize| {
        let digits = number.to_string();
        let groups: Vec<_> =
            digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap()).collect();
        groups.join(",")
    };
    for sentence in [
        format!("{LENGTH_MIN}..={}", thousands(LENGTH_MAX)),
        format!("The whole frame is at most {} bytes", thousands(FRAME_SIZE_MAX)),
        format!("item_count is 1..={}", thousands(BATCH_ITEMS_MAX)),
        format!("option_count is at most {HELLO_OPTIONS_MAX}, a value at most {HELLO_OPTION_SIZE_MAX} bytes"),
        format!("More than {PING_SIZE_MAX} is Malformed"),
        format!("Encrypting adds up to {CIPHERTEXT_OVERHEAD_MAX} bytes to each item"),
    ] {
        assert!(SPEC.contains(&sentence), "SPEC.md does not say {sentence:?}");
    }
}
