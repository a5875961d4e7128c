//! Whatever is altered in an encrypted file, it is refused, and nothing is left that looks complete. `docs/FILE_FORMAT.md`.

use crate::support::{Daemon, Files, bytes};
use std::path::Path;

const HEADER: usize = 48;
const RECORD: usize = 32_768;

/// An encrypted file, taken apart.
#[derive(Clone)]
struct Parts {
    header: Vec<u8>,
    records: Vec<Vec<u8>>,
}

impl Parts {
    /// Encrypts this much.
    fn of(daemon: &Daemon, key: &str, plaintext: &[u8]) -> Self {
        let encrypted = daemon.claviger(["encrypt", "--store", "demo", "--key", key]).input(plaintext).done();
        let (header, mut rest) = encrypted.output().split_at(HEADER);
        let mut records = Vec::new();
        while !rest.is_empty() {
            let size = u32::from_be_bytes(rest[1..5].try_into().unwrap());
            let (record, after) = rest.split_at(5 + usize::try_from(size).unwrap());
            records.push(record.to_vec());
            rest = after;
        }
        Self { header: header.to_vec(), records }
    }

    fn together(&self) -> Vec<u8> {
        [&self.header[..], &self.records.concat()].concat()
    }

    fn with(&self, change: impl FnOnce(&mut Self)) -> Vec<u8> {
        let mut changed = self.clone();
        change(&mut changed);
        changed.together()
    }
}

/// Refusals of one test.
struct Refusing {
    daemon: std::sync::Arc<Daemon>,
    files: Files,
}

impl Refusing {
    fn new() -> Self {
        Self { daemon: Daemon::shared(), files: Files::new() }
    }

    /// The file is refused with these words, which end with a remedy, and no output is left.
    fn check(&self, file: &[u8], words: &str) {
        let path = self.files.with("altered", file);
        self.decrypt(&path, "records", words);
    }

    fn decrypt(&self, path: &Path, key: &str, words: &str) {
        let out = self.files.path("out");
        let command = self.daemon.claviger(["decrypt", "--store", "demo", "--key", key]);
        let done = command.paths([path, &out]).refused(words);
        assert_eq!(self.files.names(), ["altered"], "{}", done.error());
    }
}

/// Three full records and a last one of 17 bytes.
fn four_records(daemon: &Daemon) -> Parts {
    let parts = Parts::of(daemon, "records", &bytes(3 * RECORD + 17));
    assert_eq!(parts.records.len(), 4);
    parts
}

// R-K19
#[test]
fn refuses_a_file_that_is_cut_anywhere() {
    let refusing = Refusing::new();
    let parts = four_records(&refusing.daemon);
    let whole = parts.together();
    let mut start = HEADER;
    for (number, record) in parts.records.iter().enumerate() {
        refusing.check(&whole[..start], &format!("it is cut: it ends after {number} records"));
        for size in [1, 5, record.len() - 1] {
            refusing
                .check(&whole[..start + size], &format!("it is cut: it ends within record {number} (byte {start})"));
        }
        start += record.len();
    }
    refusing.check(&whole[..HEADER - 1], "it is cut: it ends within its header");
}

#[test]
fn refuses_a_file_that_was_cut_and_given_a_last_mark() {
    let refusing = Refusing::new();
    let parts = four_records(&refusing.daemon);
    for last in 0..3 {
        let cut = parts.with(|parts| {
            parts.records.truncate(last + 1);
            parts.records[last][0] = 1;
        });
        let words = if last == 0 { "it cannot be decrypted" } else { "cannot be decrypted: it was altered, or moved" };
        refusing.check(&cut, words);
    }
    let unmarked = parts.with(|parts| parts.records[3][0] = 0);
    refusing.check(&unmarked, "record 3 (byte 98649) cannot be decrypted");
    refusing.check(&parts.with(|parts| parts.records[3][0] = 2), "altered at the beginning of record 3");
}

#[test]
fn refuses_records_in_another_order() {
    let refusing = Refusing::new();
    let parts = four_records(&refusing.daemon);
    for first in 0..4 {
        for second in first + 1..4 {
            let swapped = parts.with(|parts| parts.records.swap(first, second));
            refusing.check(&swapped, "cannot be decrypted");
            // With the marks where they were, so that only the number is wrong.
            let swapped = parts.with(|parts| {
                let marks: Vec<u8> = parts.records.iter().map(|record| record[0]).collect();
                parts.records.swap(first, second);
                parts.records.iter_mut().zip(marks).for_each(|(record, mark)| record[0] = mark);
            });
            refusing.check(&swapped, "cannot be decrypted");
        }
    }
}

#[test]
fn refuses_a_record_left_out_or_repeated() {
    let refusing = Refusing::new();
    let parts = four_records(&refusing.daemon);
    for number in 0..4 {
        let left_out = parts.with(|parts| drop(parts.records.remove(number)));
        refusing.check(&left_out, if number == 3 { "it is cut" } else { "cannot be decrypted" });
        let repeated = parts.with(|parts| parts.records.insert(number, parts.records[number].clone()));
        refusing.check(&repeated, if number == 3 { "it was extended" } else { "cannot be decrypted" });
    }
}

#[test]
fn refuses_bytes_after_the_last_record() {
    let refusing = Refusing::new();
    let parts = four_records(&refusing.daemon);
    let whole = parts.together();
    let extended = format!("it was extended: bytes follow its last record (byte {})", whole.len());
    refusing.check(&[&whole[..], &[0]].concat(), &extended);
    refusing.check(&[&whole[..], &parts.records[3]].concat(), &extended);
    refusing.check(&[&whole[..], &whole[..]].concat(), &extended);
}

#[test]
fn refuses_pieces_of_two_files_put_together() {
    let refusing = Refusing::new();
    let [first, second] = [(); 2].map(|()| four_records(&refusing.daemon));
    for number in 0..4 {
        let one_record = first.with(|parts| parts.records[number] = second.records[number].clone());
        refusing.check(&one_record, "cannot be decrypted");
    }
    let beginning_of_one = first.with(|parts| parts.records[2..].clone_from_slice(&second.records[2..]));
    refusing.check(&beginning_of_one, "record 2 (byte 65782) cannot be decrypted");
    let header_of_one = first.with(|parts| parts.records = second.records.clone());
    refusing.check(&header_of_one, "it cannot be decrypted");
    let one_after_the_other = first.with(|parts| parts.records.splice(3.., second.records.clone()).for_each(drop));
    refusing.check(&one_after_the_other, "record 3");
}

#[test]
fn refuses_a_header_altered_in_any_field() {
    let refusing = Refusing::new();
    let parts = Parts::of(&refusing.daemon, "records", &bytes(RECORD + 1));
    // Of the ids, whose bytes are alike, first and last.
    for index in (0..16).chain([16, 31, 32, 47]) {
        let words = match index {
            0..5 => "it is no file that `claviger encrypt` made",
            5..8 => "as binary",
            8..16 => "its header was altered (",
            16..32 => "it cannot be decrypted",
            _ => "it was encrypted with the key of id ",
        };
        refusing.check(&parts.with(|parts| parts.header[index] ^= 1), words);
    }
    // A smaller record size, by which the first record would be too large; and one that only the context tells.
    refusing.check(&parts.with(|parts| parts.header[14] = 0x40), "altered at the beginning of record 0");
    refusing.check(&parts.with(|parts| parts.header[14..16].copy_from_slice(&[0x7F, 0xFF])), "it cannot be decrypted");
}

#[test]
fn refuses_a_record_altered_in_any_field() {
    let refusing = Refusing::new();
    let parts = Parts::of(&refusing.daemon, "records", &bytes(RECORD + 100));
    // Size; then format, algorithm, version, key id, nonce (both halves), commitment, body, tag: SPEC.md section 9.
    let size = parts.records[1].len();
    for index in [1, 4, 5, 6, 7, 10, 11, 27, 39, 51, 82, 83, size - 16, size - 1] {
        refusing.check(&parts.with(|parts| parts.records[1][index] ^= 1), "record 1");
    }
    refusing.check(&parts.with(|parts| parts.records[0][200] ^= 1), "it cannot be decrypted");
}

// R-K19
#[test]
fn refuses_another_context_and_another_key() {
    let refusing = Refusing::new();
    let store = ["encrypt", "--store", "demo", "--key", "records", "--context", "tenant=7"];
    let encrypted = refusing.daemon.claviger(store).input(b"text").done();
    let path = refusing.files.with("altered", encrypted.output());
    refusing.decrypt(&path, "records", "give the same --context as when it was encrypted");
    for context in ["tenant=8", "tenant=", "Tenant=7", "tenan=t7"] {
        let command =
            refusing.daemon.claviger(["decrypt", "--store", "demo", "--key", "records", "--context", context]);
        command.paths([&*path, &*refusing.files.path("out")]).refused("give the same --context");
    }
    refusing.decrypt(&path, "others", "not with demo/others of id ");
    refusing.decrypt(&path, "webhooks", "a key of HMAC-SHA-256 does not decrypt: use a symmetric one");
}

// R-K19: the key id in the header is changed to that of the key that is named; the records tell.
#[test]
fn refuses_a_file_whose_header_was_given_another_key() {
    let refusing = Refusing::new();
    let parts = Parts::of(&refusing.daemon, "records", b"text");
    let other = Parts::of(&refusing.daemon, "others", b"text");
    let relabelled = parts.with(|parts| parts.header[32..].copy_from_slice(&other.header[32..]));
    let path = refusing.files.with("altered", &relabelled);
    refusing.decrypt(&path, "others", "it cannot be decrypted");
}

#[test]
fn standard_output_gets_what_is_verified_and_the_exit_code_tells_the_rest() {
    let daemon = Daemon::shared();
    let plaintext = bytes(40 * RECORD + 5);
    let parts = Parts::of(&daemon, "records", &plaintext);
    let decrypt = |file: &[u8], words| {
        let command = daemon.claviger(["decrypt", "--store", "demo", "--key", "records"]);
        command.input(file).refused(words)
    };
    let cut = parts.with(|parts| parts.records.truncate(33));
    assert!(decrypt(&cut, "standard input: it is cut").output() == &plaintext[..33 * RECORD]);
    let altered = parts.with(|parts| parts.records[20][1_000] ^= 1);
    let released = decrypt(&altered, "record 20");
    assert!(plaintext.starts_with(released.output()) && released.output().len() <= 20 * RECORD);
}
