//! One HTTP/1 message, read as its bytes arrive.
//!
//! The mock reads requests with it and the generator answers, so the instrument costs little beside what it measures.
//! It knows bodies with a length and chunked bodies, and neither pipelining nor bodies that end with the connection.

use anyhow::{Context, Result, bail};
use memchr::memmem;

/// Reads one message after another; `clear` lies between two of them.
#[derive(Default)]
pub struct Reader {
    raw: Vec<u8>,
    taken: usize,
    head_end: usize,
    body: Vec<u8>,
    part: Part,
}

#[derive(Clone, Copy, Default)]
enum Part {
    #[default]
    Head,
    Counted(usize),
    ChunkSize,
    Chunk(usize),
    ChunkEnd,
    Trailer,
    Done,
}

impl Reader {
    /// Takes the next bytes and says whether the message is complete.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<bool> {
        self.raw.extend_from_slice(bytes);
        while let Some(next) = self.step()? {
            self.part = next;
        }
        if matches!(self.part, Part::Done) && self.taken < self.raw.len() {
            bail!("{} bytes follow a complete message", self.raw.len() - self.taken);
        }
        Ok(matches!(self.part, Part::Done))
    }

    pub fn head(&self) -> &[u8] {
        &self.raw[..self.head_end]
    }

    pub fn body(&self) -> &[u8] {
        &self.body
    }

    pub fn clear(&mut self) {
        self.raw.clear();
        self.body.clear();
        (self.taken, self.head_end, self.part) = (0, 0, Part::Head);
    }

    /// What comes after the current part, or `None` while its bytes are still missing.
    fn step(&mut self) -> Result<Option<Part>> {
        Ok(match self.part {
            Part::Head => self.read_head()?,
            Part::Counted(left) => self.read_bytes(left).then_some(Part::Done),
            Part::ChunkSize => match self.read_line() {
                Some(line) => Some(after_size(&self.raw[line.0..line.1])?),
                None => None,
            },
            Part::Chunk(left) => self.read_bytes(left).then_some(Part::ChunkEnd),
            Part::ChunkEnd => self.read_line().map(|_| Part::ChunkSize),
            Part::Trailer => {
                self.read_line().map(|(start, end)| if start == end { Part::Done } else { Part::Trailer })
            }
            Part::Done => None,
        })
    }

    fn read_head(&mut self) -> Result<Option<Part>> {
        let Some(end) = memmem::find(&self.raw, b"\r\n\r\n") else { return Ok(None) };
        self.head_end = end + 2;
        self.taken = end + 4;
        body_of(self.head()).map(Some)
    }

    /// Moves at most `left` bytes into the body; remembers how many are missing still.
    fn read_bytes(&mut self, left: usize) -> bool {
        let available = left.min(self.raw.len() - self.taken);
        self.body.extend_from_slice(&self.raw[self.taken..self.taken + available]);
        self.taken += available;
        match &mut self.part {
            Part::Counted(left) | Part::Chunk(left) => *left -= available,
            Part::Head | Part::ChunkSize | Part::ChunkEnd | Part::Trailer | Part::Done => {}
        }
        available == left
    }

    fn read_line(&mut self) -> Option<(usize, usize)> {
        let start = self.taken;
        let end = start + memmem::find(&self.raw[start..], b"\r\n")?;
        self.taken = end + 2;
        Some((start, end))
    }
}

fn body_of(head: &[u8]) -> Result<Part> {
    for line in head.split(|byte| *byte == b'\n').skip(1) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"content-length") {
            let length = std::str::from_utf8(value)?.parse().context("content-length is not a number")?;
            return Ok(if length == 0 { Part::Done } else { Part::Counted(length) });
        }
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            return Ok(Part::ChunkSize);
        }
    }
    Ok(Part::Done)
}

fn after_size(line: &[u8]) -> Result<Part> {
    let digits = std::str::from_utf8(line)?.split(';').next().unwrap_or_default().trim();
    let size = usize::from_str_radix(digits, 16).with_context(|| format!("chunk size {digits:?}"))?;
    Ok(if size == 0 { Part::Trailer } else { Part::Chunk(size) })
}

#[cfg(test)]
mod tests {
    use super::Reader;

    fn check(message: &[u8], body: &[u8]) {
        for size in [1, 3, message.len()] {
            let mut reader = Reader::default();
            let pieces: Vec<&[u8]> = message.chunks(size).collect();
            for (index, piece) in pieces.iter().enumerate() {
                assert_eq!(
                    reader.feed(piece).unwrap(),
                    index + 1 == pieces.len(),
                    "pieces of {size}, number {index}"
                );
            }
            assert_eq!(reader.body(), body);
        }
    }

    #[test]
    fn reads_a_body_with_a_length_however_it_is_cut() {
        check(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello");
    }

    #[test]
    fn reads_a_chunked_body_however_it_is_cut() {
        check(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n1;x=y\r\n!\r\n0\r\n\r\n",
            b"hello!",
        );
    }

    #[test]
    fn reads_a_message_without_a_body() {
        check(b"GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n", b"");
    }

    #[test]
    fn refuses_bytes_after_the_end() {
        let mut reader = Reader::default();
        assert!(reader.feed(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nab").is_err());
    }
}
