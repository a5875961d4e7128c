//! What valgrind's callgrind writes: who spent how much. Its format is described in valgrind's manual, "Callgrind Format Specification".

/// Sums of one profile.
#[derive(Clone, Copy, Default, Debug, PartialEq)]
pub(crate) struct Profile {
    /// Instructions of Rust code: our crates, what of other crates is compiled into them, and the standard library.
    pub(crate) own: u64,
    /// Instructions of the cryptographic library.
    pub(crate) library: u64,
    /// Instructions of the system's libraries: copying, allocating, the clock.
    pub(crate) system: u64,
    /// How often memory was allocated, by whomever: since the thread began, because valgrind counts calls whether or not it counts instructions.
    pub(crate) allocations: u64,
}

impl Profile {
    /// Sums up a profile that was written without compressed names, of `program` as valgrind was given it. Lines of no interest are passed over.
    pub(crate) fn parse(text: &str, program: &str) -> Self {
        let mut profile = Self::default();
        let (mut object, mut function, mut callee) = ("", "", "");
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if let Some((key, value)) = line.split_once('=') {
                match key {
                    "ob" => object = value,
                    "fn" => function = value,
                    "cfn" => callee = value,
                    "calls" => {
                        let calls = value.split(' ').next().and_then(|calls| calls.parse().ok()).unwrap_or(0);
                        if ALLOCATING.contains(&callee) {
                            profile.allocations += calls;
                        }
                        // What the callee has spent, which stands with itself as well.
                        lines.next();
                    }
                    _ => {}
                }
            } else if let Some(cost) = cost(line) {
                *profile.place(object == program, function) += cost;
            }
        }
        profile
    }

    /// What this one has more than another; `None` if that is nothing.
    pub(crate) fn over(&self, other: Self) -> Option<Self> {
        let own = self.own.checked_sub(other.own).filter(|own| *own > 0)?;
        // What happens before it is counted, allocates once more or less by chance.
        let allocations = self.allocations.saturating_sub(other.allocations);
        Some(Self {
            own,
            library: self.library.checked_sub(other.library)?,
            system: self.system.checked_sub(other.system)?,
            allocations,
        })
    }

    fn place(&mut self, is_program: bool, function: &str) -> &mut u64 {
        // Names of Rust code have paths; those of C and of assembler have none.
        match (is_program, function.contains("::"), function.contains("aws_lc")) {
            (true, true, false) => &mut self.own,
            (true, _, _) => &mut self.library,
            (false, ..) => &mut self.system,
        }
    }
}

/// The cost of a line `POSITION COST`; none without one. Other lines begin with a word.
fn cost(line: &str) -> Option<u64> {
    let (position, cost) = line.split_once(' ')?;
    position.parse::<u64>().ok()?;
    cost.parse().ok()
}

/// Functions of the system's library that allocate.
const ALLOCATING: [&str; 5] = ["malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc"];

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
version: 1
positions: line
events: Ir
ob=/target/release/instructions
fl=???
fn=claviger_daemon::data_port::session::Session::receive
0 100
cob=/lib/libc.so.6
cfi=???
cfn=malloc
calls=3 0
0 5000
0 7
fn=<aws_lc_rs::aead::LessSafeKey>::seal
0 11
fn=aes_gcm_encrypt_avx512
0 13
cfn=core::ptr::drop_in_place
calls=9 0
0 900
ob=/lib/libc.so.6
fn=malloc
0 17
totals: 148
";

    #[test]
    fn who_spent_it_is_told_apart_and_calls_count_once() {
        let profile = Profile::parse(TEXT, "/target/release/instructions");
        assert_eq!(profile, Profile { own: 107, library: 24, system: 17, allocations: 3 });
    }

    #[test]
    fn what_one_has_more_than_another_must_be_something() {
        let few = Profile { own: 10, library: 5, system: 3, allocations: 2 };
        let many = Profile { own: 30, library: 15, system: 9, allocations: 2 };
        assert_eq!(many.over(few), Some(Profile { own: 20, library: 10, system: 6, allocations: 0 }));
        assert_eq!(few.over(many), None);
        assert_eq!(few.over(few), None, "nothing was counted");
    }

    #[test]
    fn what_is_no_profile_costs_nothing() {
        for text in ["", "fn=", "calls=", "calls=1 0", "0", "0 x", "x 0", "ob=a\nfn=a::b\n0 1"] {
            assert_eq!(Profile::parse(text, "program").own, 0, "{text}");
        }
    }
}
