//! The parts of answers.

/// A head with these lines, and a body with the right length.
pub(super) fn answer(status: &str, lines: &[&str], body: &[u8]) -> Vec<u8> {
    let length = format!("content-length: {}", body.len());
    let lines: Vec<&str> = lines.iter().copied().chain([length.as_str()]).collect();
    head(status, &lines, body)
}

/// A head with only these lines; the mode adds the rest.
pub(super) fn head(status: &str, lines: &[&str], rest: &[u8]) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {status}\r\n").into_bytes();
    for line in lines {
        bytes.extend_from_slice(line.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(rest);
    bytes
}

/// A head that announces chunks, followed by `rest`.
pub(super) fn chunked(rest: &[u8]) -> Vec<u8> {
    head("200 OK", &["transfer-encoding: chunked"], rest)
}

/// A body in chunks of one byte each.
pub(super) fn in_chunks_of_one(body: &[u8]) -> Vec<u8> {
    let mut bytes: Vec<u8> = body.iter().flat_map(|byte| [b'1', b'\r', b'\n', *byte, b'\r', b'\n']).collect();
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}

/// A gzip file of so many times 258 zeros, at 13 bits each (RFC 1951, 3.2.6: a literal, then copies of it).
pub(super) fn gzip_bomb(copies: usize) -> Vec<u8> {
    let mut bytes = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let (mut byte, mut filled) = (0_u8, 0);
    let mut bit = |bit: u8| {
        byte |= bit << filled;
        filled += 1;
        if filled == 8 {
            bytes.push(byte);
            (byte, filled) = (0, 0);
        }
    };
    // The last block, with fixed codes; the literal 0; copies of length 258 from one byte back; the end.
    let literal = [1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0];
    let copy = [1, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0];
    literal.iter().for_each(|it| bit(*it));
    (0..copies).for_each(|_| copy.iter().for_each(|it| bit(*it)));
    (0..14).for_each(|_| bit(0));
    bytes.extend_from_slice(&[0; 8]);
    bytes
}

/// Text in UTF-16, little endian, with its mark.
pub(super) fn utf16(text: &str) -> Vec<u8> {
    [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect()
}
