//! Counts tests from what libtest prints.

/// Tests that passed and failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) passed: u64,
    pub(super) failed: u64,
}

impl Tally {
    pub(super) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// Reads output as it comes, in pieces of any size.
#[derive(Default)]
pub(super) struct Reader {
    line: Vec<u8>,
    pub(super) tally: Tally,
}

impl Reader {
    pub(super) fn read(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if byte == b'\n' {
                self.tally.add(result_of(&String::from_utf8_lossy(&self.line)).unwrap_or_default());
                self.line.clear();
            } else {
                self.line.push(byte);
            }
        }
    }
}

/// The numbers of a line like `test result: ok. 3 passed; 0 failed; 1 ignored; …`.
fn result_of(line: &str) -> Option<Tally> {
    let (_, numbers) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let number = |what: &str| {
        let mut parts = numbers.split("; ").map(str::trim);
        parts.find_map(|part| part.strip_suffix(what)?.trim_end().parse().ok())
    };
    Some(Tally { passed: number("passed")?, failed: number("failed")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_several_runners_are_added_up() {
        let output = "running 3 tests\ntest a ... ok\n\n\
            test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
            test result: FAILED. 10 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out; finished in 1.2s\n";
        for size in [1, 7, 1000] {
            let mut reader = Reader::default();
            output.as_bytes().chunks(size).for_each(|piece| reader.read(piece));
            assert_eq!(reader.tally, Tally { passed: 13, failed: 2 });
        }
    }

    #[test]
    fn other_lines_count_nothing() {
        for line in
            ["test result: ok", "3 passed; 0 failed", "test a ... ok", "test result: ok. x passed; y failed"]
        {
            assert_eq!(result_of(line), None, "{line:?}");
        }
    }
}
