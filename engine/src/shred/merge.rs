//! Bringing mirrors to one state: each slot as it was written last on any of them.
//!
//! So a mirror that was away gets what was written meanwhile, and loses what was destroyed; a slot that is damaged is healed by the others; and an old copy of a mirror beside a newer one
//! brings nothing back.

use std::collections::BTreeSet;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::disk::MirrorFile;
use super::error::MirrorError;
use super::slot::{Head, SLOT_SIZE, Slot, head};
use super::space::Space;
use crate::key::id::KeyId;
use crate::limits::SHRED_MERGE_SLOTS;

/// A mirror that takes part.
pub(super) struct Part {
    pub(super) file: Arc<dyn MirrorFile>,
    /// Writes to it have failed: nothing that it shows is known to be durable, so all of it is written again.
    pub(super) is_tainted: bool,
}

/// What all parts hold in the end.
#[derive(Default)]
pub(super) struct Merged {
    /// The highest sequence number.
    pub(super) sequence: u64,
    pub(super) space: Space,
    /// Slots that are damaged on all parts, ascending. They count as taken.
    pub(super) damaged: Vec<Slot>,
    /// Slots that are taken by keys of which the parts do not know.
    pub(super) reserved: BTreeSet<Slot>,
    /// Slots that these keys name, and in which the parts have what was another key's before.
    pub(super) contested: BTreeSet<(Slot, KeyId)>,
    /// The parts are older than the storage: they have been at the writing of this number, or further.
    pub(super) behind: Option<u64>,
}

/// Why a merge was given up. Nothing is worse than before: what was written already is what would be written again.
pub(super) enum MergeError {
    /// The part of this number cannot be read or written: go on without it.
    Part(usize, MirrorError),
    /// Two parts, by their numbers, differ in a slot, and it is not certain that the newer one knew the other.
    Disagree(Slot, usize, usize),
}

/// Merges the mirrors of `parts`. When it returns they are equal, and durable.
pub(super) fn merge(parts: &[Part], installation: &[u8; 16]) -> Result<Merged, MergeError> {
    let mut merged = Merged::default();
    let mut written: Vec<bool> = parts.iter().map(|part| part.is_tainted).collect();
    let mut chunks: Vec<_> = parts.iter().map(|_| Zeroizing::new(vec![0; CHUNK_SLOTS * SLOT_SIZE])).collect();
    let mut first = 1;
    loop {
        let mut longest = 0;
        let mut sizes = Vec::with_capacity(parts.len());
        for (number, (part, chunk)) in parts.iter().zip(&mut chunks).enumerate() {
            let offset = u64::from(first) * SLOT_SIZE as u64;
            let read = part.file.read_at(chunk, offset);
            let size = read.map_err(|error| MergeError::Part(number, MirrorError::system("read")(error)))?;
            // What is not there is no slot, and what is there in part is a damaged one.
            chunk.iter_mut().skip(size).for_each(|byte| *byte = 0);
            sizes.push(size);
            longest = longest.max(size.div_ceil(SLOT_SIZE));
        }
        let known_damaged = merged.damaged.len();
        let mut result = merge_chunk(&chunks, first, longest, installation, &mut merged)?;
        let damaged = merged.damaged.get(known_damaged..).unwrap_or_default();
        for (number, (part, chunk)) in parts.iter().zip(&chunks).enumerate() {
            // Left as it is on each, byte for byte: there may be something to be learned from it.
            for index in damaged.iter().map(|slot| (slot.get() - first) as usize * SLOT_SIZE) {
                let range = index..index + SLOT_SIZE;
                if let (Some(place), Some(bytes)) = (result.get_mut(range.clone()), chunk.get(range)) {
                    place.copy_from_slice(bytes);
                }
            }
            let bytes = result.get(..longest * SLOT_SIZE).unwrap_or_default();
            let is_equal = sizes.get(number) == Some(&bytes.len()) && chunk.get(..bytes.len()) == Some(bytes);
            if bytes.is_empty() || is_equal && !part.is_tainted {
                continue;
            }
            let wrote = part.file.write_at(bytes, u64::from(first) * SLOT_SIZE as u64);
            wrote.map_err(|error| MergeError::Part(number, MirrorError::system("written")(error)))?;
            written.iter_mut().skip(number).take(1).for_each(|written| *written = true);
        }
        if longest < CHUNK_SLOTS {
            break;
        }
        first += SHRED_MERGE_SLOTS;
    }
    for (number, (part, _)) in parts.iter().zip(&written).enumerate().filter(|(_, (_, written))| **written) {
        part.file.sync().map_err(|error| MergeError::Part(number, MirrorError::system("written")(error)))?;
    }
    Ok(merged)
}

/// Merges the slots from `first` on that `chunks` hold, `count` of them; gives their bytes.
fn merge_chunk(
    chunks: &[Zeroizing<Vec<u8>>],
    first: u32,
    count: usize,
    installation: &[u8; 16],
    merged: &mut Merged,
) -> Result<Zeroizing<Vec<u8>>, MergeError> {
    let mut result = Zeroizing::new(vec![0; CHUNK_SLOTS * SLOT_SIZE]);
    let places = result.as_chunks_mut::<SLOT_SIZE>().0.iter_mut();
    for (index, (place, number)) in places.zip(first..).take(count).enumerate() {
        let Some(slot) = Slot::new(number) else { continue };
        let held = chunks.iter().filter_map(|chunk| chunk.as_chunks::<SLOT_SIZE>().0.get(index));
        // Nearly all are alike everywhere: they are checked once.
        let mut others = held.clone();
        let is_alike = others.next().is_some_and(|one| others.all(|other| other == one));
        let held = held.take(if is_alike { 1 } else { chunks.len() }).enumerate();
        let read = |(part, bytes)| Some((part, head(bytes, slot, installation)?, bytes));
        let Some((winner, newest, bytes)) = held.clone().filter_map(read).max_by_key(|(_, head, _)| head.sequence)
        else {
            merged.space.take(slot);
            merged.damaged.push(slot);
            continue;
        };
        let differs = |(_, head, other): &(usize, Head, &[u8; SLOT_SIZE])| {
            head.sequence == newest.sequence && *other != bytes
                || head.is_taken() && head.holder(installation) != newest.holder(installation)
        };
        let mut others = held.filter(|(part, _)| *part != winner).filter_map(read);
        if let Some((other, ..)) = others.find(differs) {
            return Err(MergeError::Disagree(slot, winner.min(other), winner.max(other)));
        }
        *place = *bytes;
        merged.sequence = merged.sequence.max(newest.sequence);
        if newest.is_taken() {
            merged.space.take(slot);
        }
    }
    Ok(result)
}

/// Slots that are merged at once.
const CHUNK_SLOTS: usize = SHRED_MERGE_SLOTS as usize;
