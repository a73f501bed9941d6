//! The chunked form of a body (RFC 9112, 7.1), piece by piece as its bytes come.

/// Bytes of a body's chunk extensions and trailers, which are read and dropped.
const CHUNK_EXTRA_BYTES_MAX: usize = 16 * 1024;
/// Digits of a chunk's size: those of 64 bits.
const SIZE_DIGITS_MAX: u32 = 16;

/// The place in a chunked body.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    at: ChunkPlace,
    /// Of extensions and trailers, so far.
    extra_bytes: usize,
}

#[derive(Debug, Clone, Copy)]
enum ChunkPlace {
    /// In the size of the next chunk.
    Size { size: u64, digits: u32 },
    /// Behind a chunk's size, before its extensions.
    SizeEnd { size: u64 },
    /// In a chunk's extensions.
    Extension { size: u64 },
    /// Before the line feed behind a chunk's size.
    SizeLineFeed { size: u64 },
    /// Before so many bytes of a chunk.
    Data { left: u64 },
    /// Behind a chunk's bytes.
    DataEnd,
    /// Before the line feed behind a chunk's bytes.
    DataLineFeed,
    /// At the beginning of a trailer, or of the line that ends the body.
    TrailerStart,
    /// In a trailer.
    Trailer,
    /// Before a trailer's line feed.
    TrailerLineFeed,
    /// Before the body's last line feed.
    EndLineFeed,
    /// Behind the body.
    End,
}

impl Default for ChunkPlace {
    fn default() -> Self {
        Self::Size { size: 0, digits: 0 }
    }
}

/// What a piece of a chunked body is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Chunk {
    /// So many of the bytes are framing.
    Framing(usize),
    /// So many of the bytes are data.
    Data(usize),
}

impl Chunks {
    /// Reads from the beginning of `bytes`: data, or framing until the next data or the body's end. It is called again with the rest, until
    /// the body is over.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<Chunk, String> {
        if let ChunkPlace::Data { left } = self.at {
            let many = left.min(bytes.len() as u64);
            self.at = if many == left { ChunkPlace::DataEnd } else { ChunkPlace::Data { left: left - many } };
            return Ok(Chunk::Data(many as usize));
        }
        for (index, byte) in bytes.iter().enumerate() {
            if matches!(self.at, ChunkPlace::Data { .. } | ChunkPlace::End) {
                return Ok(Chunk::Framing(index));
            }
            self.at = self.step(*byte)?;
        }
        Ok(Chunk::Framing(bytes.len()))
    }

    /// Whether the body has ended.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.at, ChunkPlace::End)
    }

    /// The place behind a byte that is no data.
    fn step(&mut self, byte: u8) -> Result<ChunkPlace, String> {
        Ok(match (self.at, byte) {
            (ChunkPlace::Size { size, digits }, byte) if byte.is_ascii_hexdigit() => {
                if digits == SIZE_DIGITS_MAX {
                    return Err(format!("a chunk's size has more than {SIZE_DIGITS_MAX} digits"));
                }
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                ChunkPlace::Size { size: size << 4 | u64::from(digit), digits: digits + 1 }
            }
            (ChunkPlace::Size { size, digits: 1.. } | ChunkPlace::SizeEnd { size }, b' ' | b'\t') => {
                self.extra()?;
                ChunkPlace::SizeEnd { size }
            }
            (ChunkPlace::Size { size, digits: 1.. } | ChunkPlace::SizeEnd { size }, b';') => {
                ChunkPlace::Extension { size }
            }
            (
                ChunkPlace::Size { size, digits: 1.. }
                | ChunkPlace::SizeEnd { size }
                | ChunkPlace::Extension { size },
                b'\r',
            ) => ChunkPlace::SizeLineFeed { size },
            (ChunkPlace::Extension { size }, byte) if byte != b'\n' => {
                self.extra()?;
                ChunkPlace::Extension { size }
            }
            (ChunkPlace::SizeLineFeed { size: 0 }, b'\n') => ChunkPlace::TrailerStart,
            (ChunkPlace::SizeLineFeed { size }, b'\n') => ChunkPlace::Data { left: size },
            (ChunkPlace::DataEnd, b'\r') => ChunkPlace::DataLineFeed,
            (ChunkPlace::DataLineFeed, b'\n') => ChunkPlace::default(),
            (ChunkPlace::TrailerStart, b'\r') => ChunkPlace::EndLineFeed,
            (ChunkPlace::Trailer, b'\r') => ChunkPlace::TrailerLineFeed,
            (ChunkPlace::TrailerStart | ChunkPlace::Trailer, byte) if byte != b'\n' => {
                self.extra()?;
                ChunkPlace::Trailer
            }
            (ChunkPlace::TrailerLineFeed, b'\n') => ChunkPlace::TrailerStart,
            (ChunkPlace::EndLineFeed, b'\n') => ChunkPlace::End,
            _ => return Err(format!("its chunks are wrong at the byte {:?}", char::from(byte))),
        })
    }

    fn extra(&mut self) -> Result<(), String> {
        self.extra_bytes += 1;
        if self.extra_bytes > CHUNK_EXTRA_BYTES_MAX {
            return Err(format!(
                "its chunk extensions and trailers have more than CHUNK_EXTRA_BYTES_MAX ({CHUNK_EXTRA_BYTES_MAX}) bytes"
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The body, and the bytes behind it, when the bytes come in pieces of this size.
    fn read(bytes: &[u8], piece: usize) -> Result<(Vec<u8>, bool), String> {
        let (mut chunks, mut body) = (Chunks::default(), Vec::new());
        for piece in bytes.chunks(piece.max(1)) {
            let mut rest = piece;
            while !rest.is_empty() && !chunks.is_over() {
                match chunks.read(rest)? {
                    Chunk::Framing(many) => rest = &rest[many..],
                    Chunk::Data(many) => {
                        body.extend_from_slice(&rest[..many]);
                        rest = &rest[many..];
                    }
                }
            }
        }
        Ok((body, chunks.is_over()))
    }

    #[test]
    fn what_is_wrong_is_said() {
        for bytes in [
            &b"zz\r\n"[..],
            b"\r\n",
            b";x\r\n",
            b"-1\r\n",
            b"2\n{}",
            b"2\r{}",
            b"2\r\n{}x",
            b"2\r\n{}\n",
            b"2\r\n{}\rx",
            b"0\r\n\n",
            b"0\r\nx: y\n",
            b"0\r\nx: y\rz",
            b"0\r\n\rx",
            b"1;a\n",
            b"00000000000000001\r\n",
        ] {
            for piece in 1..bytes.len() {
                assert!(read(bytes, piece).is_err(), "{bytes:?}");
            }
        }
        for flood in [&b"1;"[..], b"1 ", b"0\r\n"] {
            let bytes = [flood, &vec![b' '; CHUNK_EXTRA_BYTES_MAX + 1]].concat();
            assert!(read(&bytes, 1_000).unwrap_err().contains("CHUNK_EXTRA_BYTES_MAX"));
        }
    }

    proptest! {
        #[test]
        fn a_body_is_read_whatever_its_pieces(
            parts in prop::collection::vec((prop::collection::vec(any::<u8>(), 1..40), "(;[a-z=\" ]{0,5})?"), 0..8),
            trailers in prop::collection::vec("[a-z]{1,5}: [a-z]{0,5}", 0..3),
            piece in 1_usize..60,
        ) {
            let mut bytes = Vec::new();
            for (part, extension) in &parts {
                bytes.extend(format!("{:X}{extension}\r\n", part.len()).into_bytes());
                bytes.extend(part);
                bytes.extend(b"\r\n");
            }
            bytes.extend(b"0\r\n");
            trailers.iter().for_each(|trailer| bytes.extend(format!("{trailer}\r\n").into_bytes()));
            bytes.extend(b"\r\n");
            let body: Vec<u8> = parts.iter().flat_map(|(part, _)| part.clone()).collect();
            prop_assert_eq!(read(&bytes, piece), Ok((body, true)));
            // It does not end before its end.
            prop_assert_eq!(read(&bytes[..bytes.len() - 1], piece).map(|read| read.1), Ok(false));
        }
    }
}
