//! The body of an answer as it arrives: where it ends, and its bytes without their framing.

use bytes::{Bytes, BytesMut};

use super::head::Framing;
use crate::accept::body::{BadBody, Follower, Piece};
use crate::accept::head;

/// How much of a body is still to come.
#[derive(Debug)]
pub(super) enum Body {
    Ended,
    Counted(u64),
    Chunked(Box<Follower>),
    UntilClose,
}

impl Body {
    pub(super) fn new(framing: Framing) -> Self {
        match framing {
            Framing::Empty => Self::Ended,
            Framing::Length(length) => Self::Counted(length),
            Framing::Chunked => {
                Self::Chunked(Box::new(Follower::new(head::Framing::Chunked, u64::MAX)))
            }
            Framing::UntilClose => Self::UntilClose,
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        match self {
            Self::Ended => true,
            Self::Chunked(follower) => follower.has_ended(),
            Self::Counted(left) => *left == 0,
            Self::UntilClose => false,
        }
    }

    /// How many bytes are known to come.
    pub(super) fn expected(&self) -> u64 {
        match self {
            Self::Counted(left) => *left,
            Self::Ended => 0,
            Self::Chunked(_) | Self::UntilClose => u64::MAX,
        }
    }

    /// Whether the end of the stream is the end of the body.
    pub(super) fn ends_with_the_stream(&self) -> bool {
        matches!(self, Self::UntilClose)
    }

    /// Takes what belongs to the body out of what has arrived.
    pub(super) fn take(&mut self, arrived: &mut BytesMut) -> Result<Bytes, BadBody> {
        match self {
            Self::Ended => Ok(Bytes::new()),
            Self::UntilClose => Ok(arrived.split().freeze()),
            Self::Counted(left) => {
                let most = usize::try_from(*left).unwrap_or(usize::MAX);
                let part = arrived.split_to(most.min(arrived.len()));
                *left -= part.len() as u64;
                Ok(part.freeze())
            }
            Self::Chunked(follower) => unchunk(follower, arrived),
        }
    }
}

fn unchunk(follower: &mut Follower, arrived: &mut BytesMut) -> Result<Bytes, BadBody> {
    let mut data = BytesMut::with_capacity(arrived.len());
    let mut at = 0;
    while at < arrived.len() && !follower.has_ended() {
        match follower.piece(&arrived[at..])? {
            Piece::Data(bytes) => {
                data.extend_from_slice(&arrived[at..at + bytes]);
                at += bytes;
            }
            Piece::Framing => at += 1,
        }
    }
    let _ = arrived.split_to(at);
    Ok(data.freeze())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CHUNKS: &[u8] = b"5\r\nhello\r\n10;x=y\r\n0123456789abcdef\r\n0\r\nT: u\r\n\r\n";

    proptest! {
        #[test]
        fn chunks_give_the_same_bytes_however_they_arrive(cuts in prop::collection::vec(1_usize..6, 1..40)) {
            let mut body = Body::new(Framing::Chunked);
            let (mut arrived, mut got) = (BytesMut::new(), Vec::new());
            let (mut at, mut cuts) = (0, cuts.into_iter().cycle());
            let sent = [CHUNKS, b"next"].concat();
            while at < sent.len() {
                let end = (at + cuts.next().unwrap()).min(sent.len());
                arrived.extend_from_slice(&sent[at..end]);
                at = end;
                got.extend_from_slice(&body.take(&mut arrived).unwrap());
            }
            prop_assert!(body.has_ended());
            prop_assert_eq!(&got[..], b"hello0123456789abcdef");
            prop_assert_eq!(&arrived[..], b"next");
        }
    }

    #[test]
    fn a_counted_body_leaves_what_is_behind_it() {
        let mut body = Body::new(Framing::Length(5));
        let mut arrived = BytesMut::from(&b"hel"[..]);
        assert_eq!(&body.take(&mut arrived).unwrap()[..], b"hel");
        assert!(!body.has_ended() && body.expected() == 2);
        arrived.extend_from_slice(b"lo!");
        assert_eq!(&body.take(&mut arrived).unwrap()[..], b"lo");
        assert!(body.has_ended() && &arrived[..] == b"!");
    }
}
