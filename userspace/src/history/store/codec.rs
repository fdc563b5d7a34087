//! Rows as bytes.

use std::io::{self, Read as _, Write as _};

use flate2::{Compression, bufread::GzDecoder, write::GzEncoder};
use serde::{Serialize, de::DeserializeOwned};

/// Bytes of a row's JSON: with as many senders and causes as the configuration may say, each with culprits.
const LONGEST: u64 = 128 << 20;

/// JSON, compressed.
pub(super) fn pack(row: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut out = GzEncoder::new(Vec::new(), Compression::default());
    serde_json::to_writer(&mut out, row)?;
    out.flush()?;
    out.finish()
}

/// Takes that back.
pub(super) fn unpack<T: DeserializeOwned>(packed: &[u8]) -> io::Result<T> {
    let mut text = Vec::new();
    GzDecoder::new(packed).take(LONGEST).read_to_end(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
}

/// JSON.
pub(super) fn plain(row: &impl Serialize) -> io::Result<Vec<u8>> {
    Ok(serde_json::to_vec(row)?)
}
