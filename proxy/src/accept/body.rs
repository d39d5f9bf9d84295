//! Follows a request's body byte by byte: where it ends, and whether its chunks are well formed (RFC 9112 7.1).

use super::head::Framing;

/// Digits of a chunk size beyond these are refused: no chunk is larger than a tebibyte.
const SIZE_DIGITS_MAX: u8 = 10;
/// Bytes of chunk extensions and trailers beyond these are refused.
const EXTRA_BYTES_MAX: u32 = 1024;

/// Where in a body the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ended,
    Raw,
    Counted(u64),
    Size { size: u64, digits: u8 },
    Extension { size: u64 },
    SizeEnd { size: u64 },
    Data(u64),
    DataEnd { line_feed: bool },
    TrailerName { empty: bool },
    TrailerValue,
    TrailerEnd { last: bool },
}

/// A body that is not what its framing says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadBody {
    /// Where.
    #[error("{0}")]
    Malformed(&'static str),
    /// It is longer than it may be.
    #[error("the body is too large")]
    TooLarge,
}

/// What comes next in a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// So many bytes of its own.
    Data(usize),
    /// One byte that frames them.
    Framing,
}

/// The state of one body.
#[derive(Debug)]
pub struct Follower {
    state: State,
    extra: u32,
    data: u64,
    data_max: u64,
}

impl Follower {
    /// Before the first byte of a body of at most `data_max` bytes.
    pub fn new(framing: Framing, data_max: u64) -> Self {
        let state = match framing {
            Framing::Empty | Framing::Length(0) => State::Ended,
            Framing::Length(length) => State::Counted(length),
            Framing::Chunked => State::Size { size: 0, digits: 0 },
            Framing::Upgrade => State::Raw,
        };
        Self {
            state,
            extra: 0,
            data: 0,
            data_max,
        }
    }

    /// Whether the body has ended.
    pub fn has_ended(&self) -> bool {
        self.state == State::Ended
    }

    /// Takes in what has arrived; says how many of these bytes belong to this body.
    ///
    /// # Errors
    /// [`BadBody`] at the first byte that fits no well-formed body.
    pub fn advance(&mut self, bytes: &[u8]) -> Result<usize, BadBody> {
        let mut at = 0;
        while at < bytes.len() && !self.has_ended() {
            match self.piece(&bytes[at..])? {
                Piece::Data(taken) => at += taken,
                Piece::Framing => at += 1,
            }
        }
        Ok(at)
    }

    /// The next piece of a body that has not ended, in `bytes`, which are not empty.
    ///
    /// # Errors
    /// [`BadBody`] when it fits no well-formed body.
    pub fn piece(&mut self, bytes: &[u8]) -> Result<Piece, BadBody> {
        match self.state {
            State::Raw => Ok(Piece::Data(bytes.len())),
            State::Counted(left) | State::Data(left) => {
                let taken = left.min(bytes.len() as u64);
                self.state = match (self.state, left - taken) {
                    (State::Counted(_), 0) => State::Ended,
                    (State::Counted(_), left) => State::Counted(left),
                    (_, 0) => State::DataEnd { line_feed: false },
                    (_, left) => State::Data(left),
                };
                Ok(Piece::Data(usize::try_from(taken).unwrap_or(usize::MAX)))
            }
            _ => {
                self.state = self.step(bytes[0])?;
                Ok(Piece::Framing)
            }
        }
    }

    /// One byte of chunk framing.
    fn step(&mut self, byte: u8) -> Result<State, BadBody> {
        match (self.state, byte) {
            (State::Size { size, digits }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                if digits == SIZE_DIGITS_MAX {
                    return Err(BadBody::Malformed("chunk size too long"));
                }
                let digit = char::from(byte).to_digit(16).unwrap_or(0);
                Ok(State::Size {
                    size: size << 4 | u64::from(digit),
                    digits: digits + 1,
                })
            }
            (State::Size { digits: 0, .. }, _) => Err(BadBody::Malformed("chunk without a size")),
            (State::Size { size, .. }, b';') => Ok(State::Extension { size }),
            (State::Size { size, .. } | State::Extension { size }, b'\r') => {
                Ok(State::SizeEnd { size })
            }
            (State::Extension { size }, byte) if byte != b'\n' && byte != 0 => {
                self.count_extra()?;
                Ok(State::Extension { size })
            }
            (State::SizeEnd { size: 0 }, b'\n') => Ok(State::TrailerName { empty: true }),
            (State::SizeEnd { size }, b'\n') => {
                self.data += size;
                if self.data > self.data_max {
                    return Err(BadBody::TooLarge);
                }
                Ok(State::Data(size))
            }
            (State::DataEnd { line_feed: false }, b'\r') => Ok(State::DataEnd { line_feed: true }),
            (State::DataEnd { line_feed: true }, b'\n') => Ok(State::Size { size: 0, digits: 0 }),
            (State::TrailerName { .. } | State::TrailerValue | State::TrailerEnd { .. }, byte) => {
                self.trailer_step(byte)
            }
            _ => Err(BadBody::Malformed("malformed chunk")),
        }
    }

    /// One byte of the fields behind the last chunk: a name, a colon, a value, and no line without them.
    fn trailer_step(&mut self, byte: u8) -> Result<State, BadBody> {
        match (self.state, byte) {
            (State::TrailerName { empty: true }, b'\r') => Ok(State::TrailerEnd { last: true }),
            (State::TrailerValue, b'\r') => Ok(State::TrailerEnd { last: false }),
            (State::TrailerEnd { last: true }, b'\n') => Ok(State::Ended),
            (State::TrailerEnd { last: false }, b'\n') => Ok(State::TrailerName { empty: true }),
            (State::TrailerName { empty: false }, b':') => Ok(State::TrailerValue),
            (State::TrailerName { .. }, byte) if is_token(byte) => {
                self.count_extra()?;
                Ok(State::TrailerName { empty: false })
            }
            (State::TrailerValue, b'\t' | b' '..=b'~' | 128..) => {
                self.count_extra()?;
                Ok(State::TrailerValue)
            }
            _ => Err(BadBody::Malformed("malformed trailer")),
        }
    }

    fn count_extra(&mut self) -> Result<(), BadBody> {
        self.extra += 1;
        if self.extra > EXTRA_BYTES_MAX {
            Err(BadBody::Malformed("chunk extensions or trailers too long"))
        } else {
            Ok(())
        }
    }
}

/// Whether a byte may stand in a field name (RFC 9110 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn follow(body: &[u8]) -> Result<(usize, bool), BadBody> {
        let mut follower = Follower::new(Framing::Chunked, 1 << 20);
        follower
            .advance(body)
            .map(|taken| (taken, follower.has_ended()))
    }

    #[test]
    fn what_follows_the_last_chunk_is_not_the_bodys() {
        assert_eq!(follow(b"5\r\nhello\r\n0\r\n\r\nGET /"), Ok((15, true)));
        assert_eq!(
            follow(b"5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n!"),
            Ok((25, true))
        );
        assert_eq!(follow(b"A\r\nhel"), Ok((6, false)));
    }

    #[test]
    fn malformed_chunks_are_refused() {
        for body in [
            &b"\r\n"[..],
            b"g\r\n",
            b"5\nhello",
            b"5\r\nhelloX",
            b"5\r\nhello\n",
            b"-1\r\n",
            b"0x5\r\n",
            b" 5\r\n",
            b"11111111111\r\n",
            b"5 \r\n",
            b"5\r\nhello\r\n0\r\n\n",
            b"5;a\nb\r\n",
            b"0\r\nhello\r\n",
            b"0\r\nGET / HTTP/1.1\r\n",
            b"0\r\n: y\r\n",
            b"0\r\nX: y\r\n z\r\n",
            b"0\r\nX : y\r\n",
            b"0\r\nX: \x01\r\n",
        ] {
            assert!(follow(body).is_err(), "{body:?}");
        }
    }

    #[test]
    fn a_body_over_the_limit_is_refused() {
        let mut follower = Follower::new(Framing::Chunked, 4);
        assert!(follower.advance(b"5\r\nhello").is_err());
    }

    proptest! {
        #[test]
        fn how_a_body_is_cut_into_packets_does_not_matter(cuts in prop::collection::vec(1_usize..6, 1..40)) {
            let body = b"5\r\nhello\r\n10;x=y\r\n0123456789abcdef\r\n0\r\nT: u\r\n\r\nnext";
            let mut follower = Follower::new(Framing::Chunked, 1000);
            let (mut at, mut cuts) = (0, cuts.into_iter().cycle());
            while at < body.len() && !follower.has_ended() {
                let end = (at + cuts.next().unwrap()).min(body.len());
                at += follower.advance(&body[at..end]).unwrap();
            }
            prop_assert!(follower.has_ended());
            prop_assert_eq!(&body[at..], b"next");
        }
    }
}
