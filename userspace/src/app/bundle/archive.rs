//! A tar archive, packed with gzip: plain files in one directory, in the format of POSIX.1-1988 (ustar) that every tar reads.

use std::io::{self, Write};

use flate2::{Compression, write::GzEncoder};

/// The directory that all of it unpacks to.
pub(super) const DIRECTORY: &str = "zcdiag-bundle";
/// Everything in the archive is a multiple of this.
const BLOCK: usize = 512;
/// Where the header's sum is.
const SUM: std::ops::Range<usize> = 148..156;

/// An archive that is being written.
pub(super) struct Archive<W: Write> {
    out: GzEncoder<W>,
    /// Of all files, in seconds since 1970.
    modified: i64,
}

impl<W: Write> Archive<W> {
    pub(super) fn new(out: W, modified: i64) -> Self {
        Self { out: GzEncoder::new(out, Compression::default()), modified: modified.max(0) }
    }

    /// Adds a file that only its owner can read.
    pub(super) fn add(&mut self, name: &str, content: &[u8]) -> io::Result<()> {
        self.out.write_all(&header(name, content.len(), self.modified)?)?;
        self.out.write_all(content)?;
        self.out.write_all(&[0; BLOCK][..content.len().next_multiple_of(BLOCK) - content.len()])
    }

    /// Writes the end.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.out.write_all(&[0; 2 * BLOCK])?;
        self.out.finish()?.flush()
    }
}

fn header(name: &str, size: usize, modified: i64) -> io::Result<[u8; BLOCK]> {
    let fields = [
        (0..100, format!("{DIRECTORY}/{name}")),
        (100..108, "0000600\0".to_owned()),
        // Nobody's in particular.
        (108..116, "0000000\0".to_owned()),
        (116..124, "0000000\0".to_owned()),
        (124..136, format!("{size:011o}\0")),
        (136..148, format!("{modified:011o}\0")),
        // While it is summed up.
        (SUM, " ".repeat(SUM.len())),
        (156..157, "0".to_owned()),
        (257..265, "ustar\x0000".to_owned()),
    ];
    let mut header = [0; BLOCK];
    let mut set = |place: std::ops::Range<usize>, text: &str| {
        let field = header[place].get_mut(..text.len());
        field.ok_or(io::ErrorKind::FileTooLarge)?.copy_from_slice(text.as_bytes());
        Ok::<_, io::Error>(())
    };
    for (place, text) in fields {
        set(place, &text)?;
    }
    let sum: u32 = header.iter().copied().map(u32::from).sum();
    let sum = format!("{sum:06o}\0 ");
    header[SUM].copy_from_slice(sum.as_bytes());
    Ok(header)
}
