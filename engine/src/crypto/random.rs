//! Where random bytes come from: an argument, so that tests can choose them.

use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};
use zeroize::Zeroizing;

/// A source of random bytes for keys, nonces and ids.
pub trait Random: Send + Sync {
    /// Fills all of `out` with fresh random bytes.
    ///
    /// # Errors
    /// [`EntropyError`] if the source gives none. `out` is then undefined and must not be used.
    fn fill(&self, out: &mut [u8]) -> Result<(), EntropyError>;
}

/// No random bytes were to be had, or the cryptographic library failed for want of memory.
///
/// Nothing was produced. Trying again later is safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system gave the cryptographic library no random bytes or no memory")]
pub struct EntropyError;

/// The random generator of the cryptographic library (CTR_DRBG, NIST SP 800-90A), seeded by the system.
///
/// The library mixes the processor's own generator into every call, so that a machine resumed twice from one
/// snapshot does not draw the same bytes twice. Where the processor has none, bytes of `getrandom` are added to every
/// call. They come from the guest's kernel, which a snapshot repeats as well unless the hypervisor tells it; hence
/// [`SystemRandom::has_hardware_generator`], by which health warns against cloning an unlocked machine.
#[derive(Clone, Copy, Debug)]
pub struct SystemRandom {
    has_hardware_generator: bool,
}

impl SystemRandom {
    /// Looks once at what the processor offers.
    pub fn new() -> Self {
        Self { has_hardware_generator: processor_has_generator() }
    }

    /// Whether the processor has a random generator of its own (x86-64 RDRAND, AArch64 RNDR).
    pub fn has_hardware_generator(&self) -> bool {
        self.has_hardware_generator
    }
}

impl Default for SystemRandom {
    fn default() -> Self {
        Self::new()
    }
}

impl Random for SystemRandom {
    fn fill(&self, out: &mut [u8]) -> Result<(), EntropyError> {
        aws_lc_rs::rand::fill(out).map_err(|_| EntropyError)?;
        if self.has_hardware_generator { Ok(()) } else { add_kernel_bytes(out) }
    }
}

/// Adds kernel bytes by exclusive or: the sum of two independent sources is at least as good as the better one.
fn add_kernel_bytes(out: &mut [u8]) -> Result<(), EntropyError> {
    let mut kernel_bytes = Zeroizing::new([0; KERNEL_BYTES_SIZE]);
    let mut rest = out;
    while !rest.is_empty() {
        let wanted = rest.len().min(KERNEL_BYTES_SIZE);
        let (wanted_bytes, _) = kernel_bytes.split_at_mut(wanted);
        let given = match getrandom(wanted_bytes, GetRandomFlags::empty()) {
            Ok(0) => return Err(EntropyError),
            Ok(given) => given,
            Err(Errno::INTR) => continue,
            Err(_) => return Err(EntropyError),
        };
        let (filled, unfilled) = rest.split_at_mut_checked(given).ok_or(EntropyError)?;
        filled.iter_mut().zip(kernel_bytes.iter()).for_each(|(byte, kernel_byte)| *byte ^= kernel_byte);
        rest = unfilled;
    }
    Ok(())
}

/// `getrandom(2)` answers up to 256 bytes whole, uninterrupted by signals.
const KERNEL_BYTES_SIZE: usize = 256;

#[cfg(target_arch = "x86_64")]
fn processor_has_generator() -> bool {
    std::arch::is_x86_feature_detected!("rdrand")
}

#[cfg(target_arch = "aarch64")]
fn processor_has_generator() -> bool {
    std::arch::is_aarch64_feature_detected!("rand")
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn processor_has_generator() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_every_size_to_its_end_with_and_without_a_hardware_generator() {
        for has_hardware_generator in [false, true] {
            let random = SystemRandom { has_hardware_generator };
            for size in [0, 1, 24, 255, 256, 257, 1_000] {
                // A position that stays zero in 16 draws has a chance of 2^-128 to be random.
                let mut seen = vec![0; size];
                for _ in 0..16 {
                    let mut out = vec![0; size];
                    random.fill(&mut out).unwrap();
                    seen.iter_mut().zip(&out).for_each(|(seen, byte)| *seen |= byte);
                }
                assert!(seen.iter().all(|byte| *byte != 0), "size {size}, hardware generator {has_hardware_generator}");
            }
        }
    }

    #[test]
    fn kernel_bytes_are_added_to_what_was_there() {
        let mut twice = [0; 64];
        add_kernel_bytes(&mut twice).unwrap();
        let once = twice;
        add_kernel_bytes(&mut twice).unwrap();
        assert_ne!(once, [0; 64]);
        assert_ne!(twice, once);
    }
}
