//! Blocks of a compressed file: what every reader of gzip reads, and what can be added to.
//!
//! The format is BGZF (section 4.1 of the SAM specification, <https://samtools.github.io/hts-specs/SAMv1.pdf>): a gzip file of members of
//! at most 64 KiB, each of which has its own size in an extra field. So the end of the last whole block is found by leaping from head to
//! head, without decompressing.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use flate2::{Compress, Compression, Crc, FlushCompress, Status};

/// Uncompressed bytes of a block. Fewer than 64 KiB, so that bytes that do not shrink fit, too.
const BLOCK_BYTES_MAX: usize = 65_280;
/// A block's head: that of gzip with one extra field of two bytes.
const HEAD_BYTES: usize = 18;
/// Behind the compressed bytes: their checksum, and how many they are without compression.
const TAIL_BYTES: usize = 8;

/// These bytes as blocks.
pub(super) fn write(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut blocks = Vec::with_capacity(bytes.len() / 4);
    for part in bytes.chunks(BLOCK_BYTES_MAX) {
        let deflated = deflate(part)?;
        let size = u16::try_from(HEAD_BYTES + deflated.len() + TAIL_BYTES - 1).map_err(io::Error::other)?;
        let mut crc = Crc::new();
        crc.update(part);
        blocks.extend([0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, 6, 0, b'B', b'C', 2, 0]);
        blocks.extend(size.to_le_bytes());
        blocks.extend(deflated);
        blocks.extend(crc.sum().to_le_bytes());
        blocks.extend(crc.amount().to_le_bytes());
    }
    Ok(blocks)
}

fn deflate(part: &[u8]) -> io::Result<Vec<u8>> {
    for level in [Compression::default(), Compression::none()] {
        let mut compress = Compress::new(level, false);
        let mut deflated = Vec::with_capacity(0x1_0000 - HEAD_BYTES - TAIL_BYTES);
        let status = compress.compress_vec(part, &mut deflated, FlushCompress::Finish)?;
        if status == Status::StreamEnd {
            return Ok(deflated);
        }
    }
    Err(io::Error::other("a block does not fit"))
}

/// How many bytes of the file are whole blocks that end with a whole line. Bytes behind them were being written when a process was
/// killed, or the disk was full.
pub(super) fn whole_bytes(file: &File) -> io::Result<u64> {
    let mut reader = BufReader::new(file);
    reader.seek(SeekFrom::Start(0))?;
    let mut starts = Vec::new();
    let mut end = 0;
    while let Some(size) = size_of_next(&mut reader)? {
        starts.push(end);
        end += size;
    }
    // A line may be longer than a block.
    while let Some(start) = starts.pop() {
        if ends_a_line(&mut reader, start)? {
            return Ok(end);
        }
        end = start;
    }
    Ok(0)
}

/// Leaps over the next block, if it is whole.
fn size_of_next(reader: &mut BufReader<&File>) -> io::Result<Option<u64>> {
    let mut head = [0; HEAD_BYTES];
    if !fills(reader, &mut head)? || head[..4] != [0x1f, 0x8b, 8, 4] || head[12..16] != *b"BC\x02\0" {
        return Ok(None);
    }
    let size = u64::from(u16::from_le_bytes([head[16], head[17]])) + 1;
    let Some(behind_head) = size.checked_sub(HEAD_BYTES as u64 + 1) else { return Ok(None) };
    reader.seek_relative(behind_head as i64)?;
    // Leaping beyond the end is no error: the last byte has to be there.
    let mut last = [0];
    Ok(fills(reader, &mut last)?.then_some(size))
}

/// Whether the block that begins there can be read, and its last byte ends a line.
fn ends_a_line(reader: &mut BufReader<&File>, start: u64) -> io::Result<bool> {
    reader.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    let member = flate2::bufread::GzDecoder::new(&mut *reader).read_to_end(&mut bytes);
    Ok(member.is_ok() && bytes.last() == Some(&b'\n'))
}

fn fills(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match reader.read_exact(buffer) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        read => read.map(|()| true),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::read::MultiGzDecoder;

    use super::*;

    fn read(blocks: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        MultiGzDecoder::new(blocks).read_to_end(&mut bytes).unwrap();
        bytes
    }

    /// Bytes that do not shrink.
    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        (0..length).map(|_| next()).collect()
    }

    #[test]
    fn bytes_of_any_length_are_read_back_by_any_reader_of_gzip() {
        assert_eq!(write(b"").unwrap(), b"");
        for length in [1, BLOCK_BYTES_MAX - 1, BLOCK_BYTES_MAX, BLOCK_BYTES_MAX + 1, 300_000] {
            for bytes in [vec![b'a'; length], noise(length)] {
                let blocks = write(&bytes).unwrap();
                assert!(read(&blocks) == bytes, "{length}");
            }
        }
    }

    #[test]
    fn a_file_that_was_cut_anywhere_ends_behind_its_last_whole_line() {
        let lines = [b"one\n".to_vec(), [noise(70_000).as_slice(), b"\n"].concat(), b"three\n".to_vec()];
        let written: Vec<Vec<u8>> = lines.iter().map(|line| write(line).unwrap()).collect();
        let ends: Vec<usize> = written
            .iter()
            .scan(0, |end, blocks| {
                *end += blocks.len();
                Some(*end)
            })
            .collect();
        let whole = written.concat();
        let cuts = (0..200).chain(whole.len() - 200..=whole.len()).chain((200..whole.len()).step_by(997));
        for cut in cuts {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&whole[..cut]).unwrap();
            let expected = ends.iter().rev().find(|end| **end <= cut).copied().unwrap_or(0);
            assert_eq!(whole_bytes(&file).unwrap(), expected as u64, "cut at {cut}");
            // Zeroes, as a disk leaves them that lost power.
            file.write_all(&[0; 5_000]).unwrap();
            let found = whole_bytes(&file).unwrap() as usize;
            // A block may end with zeroes itself: then it is whole again.
            let is_as_written = found > cut && whole[cut..found].iter().all(|byte| *byte == 0);
            assert!(found == expected || is_as_written, "zeroes from {cut} on: {found}");
        }
    }
}
