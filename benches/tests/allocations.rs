//! How often memory is allocated by what a daemon does between reading requests and writing replies. Counted on the thread that does it, after warm-up.
//!
//! The cryptographic library allocates by malloc, which is not seen here; `cargo xtask instructions` counts that, too.

use claviger_benches::session::{Asked, SessionWork, Workload};

// R-P2
#[test]
fn no_encrypted_item_allocates_and_no_frame() {
    for size in [64, 1_024] {
        for (batch, frames) in [(1, 1), (1, 128), (16, 1), (16, 8), (64, 1), (64, 4)] {
            // The burst, the uses that are gathered, and the additional authenticated data: once for all that one read of a socket brings.
            let count = allocations(Asked::Encrypt, size, batch, frames);
            assert!(count <= 3, "{count} for {frames} frames of {batch} items of {size} bytes");
        }
    }
}

// R-P2
#[test]
fn no_item_that_is_decrypted_with_others_of_its_burst_allocates() {
    for (batch, frames) in [(1, 1), (1, 128), (16, 1), (16, 8), (64, 1), (64, 4)] {
        // The additional authenticated data, once for each frame.
        let count = allocations(Asked::DecryptOneBurst, 1_024, batch, frames);
        assert!(count <= frames as u64, "{count} for {frames} frames of {batch} items");
    }
}

#[test]
fn an_item_that_is_decrypted_without_others_of_its_burst_allocates_no_more_than_twice() {
    for (batch, frames) in [(1, 128), (4, 8), (16, 8), (64, 4)] {
        // The derived key that is remembered; and for each frame as much again as before.
        let count = allocations(Asked::DecryptOtherBursts, 1_024, batch, frames);
        println!("{count} for {frames} frames of {batch}");
        assert!(count <= (2 * batch * frames + 2 * frames) as u64, "{count} for {frames} frames of {batch} items");
    }
}

#[test]
fn a_signature_allocates_once() {
    for (batch, frames) in [(1, 1), (1, 32), (4, 1), (4, 8)] {
        let count = allocations(Asked::SignEd25519, 64, batch, frames);
        assert!(count <= (batch * frames) as u64, "{count} for {frames} frames of {batch} items");
    }
}

/// Allocations for one read of a socket that brings so many frames of so many items.
fn allocations(asked: Asked, size: usize, batch: usize, frames: usize) -> u64 {
    let mut work = SessionWork::new(&Workload::new("counted", asked, size, batch, frames));
    allocation_counter::measure(|| work.once()).count_total
}
