//! Cuts a plaintext into batches of records, and an encrypted file into batches of sealed ones. Blocking; bounded.

use super::fault::FileFault;
use super::format::{HEADER_SIZE, Header, RECORD_PREFIX_SIZE, RecordPrefix};
use crate::data::limits::RECORDS_OF_BATCH;
use std::io::{self, Read};
use zeroize::Zeroizing;

/// Consecutive records of a plaintext.
pub(super) struct PlainBatch {
    /// Number of the first one.
    pub(super) first: u64,
    plaintext: Zeroizing<Vec<u8>>,
    record_size: usize,
    /// Whether they end with the last record of the file.
    last: bool,
}

/// A record of a plaintext.
pub(super) struct PlainRecord<'b> {
    pub(super) number: u64,
    pub(super) last: bool,
    pub(super) plaintext: &'b [u8],
}

/// A record of an encrypted file.
pub(super) struct SealedRecord {
    pub(super) number: u64,
    /// Where it begins in the file.
    pub(super) offset: u64,
    pub(super) last: bool,
    pub(super) ciphertext: Vec<u8>,
}

/// Cuts a plaintext into batches. It reads one ahead, to know which is the last.
pub(super) struct PlainBatches<R> {
    input: R,
    record_size: usize,
    number: u64,
    ahead: Option<Zeroizing<Vec<u8>>>,
    ended: bool,
}

/// Cuts an encrypted file, whose header has been read, into batches. What comes before a fault is given out before it.
pub(super) struct SealedBatches<R> {
    input: R,
    header: Header,
    number: u64,
    offset: u64,
    ended: bool,
    fault: Option<anyhow::Error>,
}

impl SealedRecord {
    /// Bytes that it takes in the file.
    pub(super) fn size_in_file(&self) -> usize {
        RECORD_PREFIX_SIZE + self.ciphertext.len()
    }
}

impl PlainBatch {
    /// Its records: at least one, which is empty if the file is.
    pub(super) fn records(&self) -> impl Iterator<Item = PlainRecord<'_>> {
        let empty = self.plaintext.is_empty().then_some(&[][..]);
        let mut plaintexts =
            empty.into_iter().chain(self.plaintext.chunks(self.record_size)).zip(self.first..).peekable();
        std::iter::from_fn(move || {
            let (plaintext, number) = plaintexts.next()?;
            Some(PlainRecord { number, last: self.last && plaintexts.peek().is_none(), plaintext })
        })
    }
}

impl<R: Read> PlainBatches<R> {
    pub(super) fn new(input: R, header: &Header) -> Self {
        Self { input, record_size: header.record_size(), number: 0, ahead: None, ended: false }
    }

    fn batch_size(&self) -> usize {
        self.record_size * RECORDS_OF_BATCH
    }

    fn read(&mut self) -> io::Result<Zeroizing<Vec<u8>>> {
        let mut plaintext = Zeroizing::new(vec![0; self.batch_size()]);
        let size = read_full(&mut self.input, &mut plaintext)?;
        plaintext.truncate(size);
        Ok(plaintext)
    }

    fn read_batch(&mut self) -> io::Result<PlainBatch> {
        let plaintext = match self.ahead.take() {
            Some(plaintext) => plaintext,
            None => self.read()?,
        };
        // After a read that came short, the input has ended: asking it again would wait for a terminal's next line.
        if plaintext.len() == self.batch_size() {
            let ahead = self.read()?;
            self.ended = ahead.is_empty();
            self.ahead = (!ahead.is_empty()).then_some(ahead);
        } else {
            self.ended = true;
        }
        let (first, record_size) = (self.number, self.record_size);
        self.number += RECORDS_OF_BATCH as u64;
        Ok(PlainBatch { first, plaintext, record_size, last: self.ended })
    }
}

impl<R: Read> Iterator for PlainBatches<R> {
    type Item = io::Result<PlainBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let batch = self.read_batch();
        self.ended |= batch.is_err();
        Some(batch)
    }
}

/// Reads the header of an encrypted file.
///
/// # Errors
/// [`FileFault`]s of headers, and those of the input.
pub(super) fn read_header(input: &mut impl Read) -> anyhow::Result<Header> {
    let mut bytes = [0; HEADER_SIZE];
    let size = read_full(input, &mut bytes)?;
    if size < HEADER_SIZE {
        // What is there tells whether it is worth to speak of a cut.
        let whole = Header::decode(&bytes);
        return Err(if whole == Err(FileFault::NotEncrypted) {
            FileFault::NotEncrypted
        } else {
            FileFault::CutInHeader
        }
        .into());
    }
    Ok(Header::decode(&bytes)?)
}

impl<R: Read> SealedBatches<R> {
    pub(super) fn new(input: R, header: Header) -> Self {
        Self { input, header, number: 0, offset: HEADER_SIZE as u64, ended: false, fault: None }
    }

    fn read_record(&mut self) -> anyhow::Result<SealedRecord> {
        let (number, offset) = (self.number, self.offset);
        let mut prefix = [0; RECORD_PREFIX_SIZE];
        match read_full(&mut self.input, &mut prefix)? {
            RECORD_PREFIX_SIZE => {}
            0 => return Err(FileFault::CutBeforeLast { records: number, offset }.into()),
            _ => return Err(FileFault::CutInRecord { number, offset }.into()),
        }
        let RecordPrefix { last, size } =
            RecordPrefix::decode(prefix, &self.header).ok_or(FileFault::RecordPrefix { number, offset })?;
        let mut ciphertext = vec![0; size];
        if read_full(&mut self.input, &mut ciphertext)? < size {
            return Err(FileFault::CutInRecord { number, offset }.into());
        }
        self.number += 1;
        let record = SealedRecord { number, offset, last, ciphertext };
        self.offset += record.size_in_file() as u64;
        Ok(record)
    }

    /// Makes sure that nothing follows the last record.
    fn check_end(&mut self) -> anyhow::Result<()> {
        if read_full(&mut self.input, &mut [0])? > 0 {
            return Err(FileFault::Extended { offset: self.offset }.into());
        }
        Ok(())
    }
}

impl<R: Read> Iterator for SealedBatches<R> {
    type Item = anyhow::Result<Vec<SealedRecord>>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut batch = Vec::with_capacity(RECORDS_OF_BATCH);
        while batch.len() < RECORDS_OF_BATCH && !self.ended {
            match self.read_record() {
                Ok(record) => {
                    if record.last {
                        self.ended = true;
                        self.fault = self.check_end().err();
                    }
                    batch.push(record);
                }
                Err(fault) => {
                    self.ended = true;
                    self.fault = Some(fault);
                }
            }
        }
        if batch.is_empty() { self.fault.take().map(Err) } else { Some(Ok(batch)) }
    }
}

/// Fills the buffer as far as the input goes, and says how far that was.
fn read_full(input: &mut impl Read, mut buffer: &mut [u8]) -> io::Result<usize> {
    let mut total = 0;
    while !buffer.is_empty() {
        match input.read(buffer) {
            Ok(0) => break,
            Ok(size) => {
                total += size;
                buffer = buffer.split_at_mut_checked(size).map_or(&mut [], |(_, rest)| rest);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use claviger_client::KeyId;

    const RECORD: usize = 32_768;
    const BATCH: usize = RECORD * RECORDS_OF_BATCH;

    fn header() -> Header {
        Header::new([1; 16], KeyId([2; 16]))
    }

    /// Gives at most 1,000 bytes at a time, as a pipe may.
    struct Trickle<'b>(&'b [u8]);

    impl Read for Trickle<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let size = buffer.len().min(1_000);
            self.0.read(&mut buffer[..size])
        }
    }

    /// Number, size and mark of the first and last record, and how many there are.
    fn cut(size: usize) -> (Vec<(u64, usize, bool)>, usize) {
        let plaintext = vec![7; size];
        let batches: Vec<_> = PlainBatches::new(Trickle(&plaintext), &header()).map(Result::unwrap).collect();
        let records: Vec<_> = batches
            .iter()
            .flat_map(|batch| batch.records().map(|record| (record.number, record.plaintext.len(), record.last)))
            .collect();
        assert_eq!(records.iter().map(|record| record.1).sum::<usize>(), size);
        assert!(records.iter().zip(0..).all(|(record, number)| record.0 == number), "numbered in order");
        assert_eq!(records.iter().filter(|record| record.2).count(), 1, "one last record");
        (vec![*records.first().unwrap(), *records.last().unwrap()], records.len())
    }

    #[test]
    fn plaintext_is_cut_into_full_records_and_a_last_one() {
        assert_eq!(cut(0), (vec![(0, 0, true); 2], 1));
        assert_eq!(cut(1), (vec![(0, 1, true); 2], 1));
        assert_eq!(cut(RECORD), (vec![(0, RECORD, true); 2], 1));
        assert_eq!(cut(RECORD + 1), (vec![(0, RECORD, false), (1, 1, true)], 2));
        assert_eq!(cut(BATCH), (vec![(0, RECORD, false), (7, RECORD, true)], 8));
        assert_eq!(cut(BATCH + 1), (vec![(0, RECORD, false), (8, 1, true)], 9));
        assert_eq!(cut(2 * BATCH), (vec![(0, RECORD, false), (15, RECORD, true)], 16));
    }

    #[test]
    fn an_input_that_fails_is_told_once() {
        struct Failing;
        impl Read for Failing {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("broken"))
            }
        }
        let mut batches = PlainBatches::new(Failing, &header());
        assert!(batches.next().is_some_and(|batch| batch.is_err()));
        assert!(batches.next().is_none());
    }

    /// Records of these marks with one byte each.
    fn sealed(marks: &[u8]) -> Vec<u8> {
        marks.iter().flat_map(|&mark| [mark, 0, 0, 0, 1, 0xCC]).collect()
    }

    /// How many records come, and the fault at the end.
    fn read(bytes: &[u8]) -> (usize, Option<FileFault>) {
        let mut count = 0;
        for batch in SealedBatches::new(Trickle(bytes), header()) {
            match batch {
                Ok(batch) => count += batch.len(),
                Err(error) => return (count, Some(error.downcast().unwrap())),
            }
        }
        (count, None)
    }

    #[test]
    fn records_are_read_up_to_the_last() {
        assert_eq!(read(&sealed(&[1])), (1, None));
        assert_eq!(read(&sealed(&[0, 0, 1])), (3, None));
        assert_eq!(read(&[sealed(&[0; 16]), sealed(&[1])].concat()), (17, None));
    }

    #[test]
    fn faults_come_after_the_records_before_them() {
        let offset = |records: u64| 48 + 6 * records;
        let (number, records) = (2, 2);
        assert_eq!(read(&[]), (0, Some(FileFault::CutBeforeLast { records: 0, offset: 48 })));
        assert_eq!(read(&sealed(&[0, 0])), (2, Some(FileFault::CutBeforeLast { records, offset: offset(2) })));
        for cut in 1..6 {
            let bytes = sealed(&[0, 0, 1]);
            let fault = FileFault::CutInRecord { number, offset: offset(2) };
            assert_eq!(read(&bytes[..12 + cut]), (2, Some(fault)));
        }
        assert_eq!(read(&sealed(&[0, 0, 2])), (2, Some(FileFault::RecordPrefix { number, offset: offset(2) })));
        assert_eq!(read(&sealed(&[0, 1, 1])), (2, Some(FileFault::Extended { offset: offset(2) })));
        let many = read(&[sealed(&[0; 16]), vec![9]].concat());
        assert_eq!(many, (16, Some(FileFault::CutInRecord { number: 16, offset: offset(16) })));
    }

    #[test]
    fn a_header_that_is_short_is_cut_or_none() {
        let fault = |bytes: &[u8]| read_header(&mut Trickle(bytes)).unwrap_err().downcast::<FileFault>().unwrap();
        assert_eq!(fault(&header().encode()[..47]), FileFault::CutInHeader);
        assert_eq!(fault(&header().encode()[..8]), FileFault::CutInHeader);
        assert_eq!(fault(b""), FileFault::NotEncrypted);
        assert_eq!(fault(b"hello"), FileFault::NotEncrypted);
    }
}
