//! A connection of HTTP/1.1, plain or over TLS.

use anyhow::{Context as _, Error, Result, ensure};
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};

use super::{Lost, Request, Target};

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection that stays open until an answer says that it was the last.
pub(super) struct Connection {
    stream: BufReader<Box<dyn Stream>>,
    /// Whether the last answer said that no further one comes.
    pub(super) is_last: bool,
}

impl Connection {
    pub(super) async fn open(target: &Target, is_secure: bool) -> Result<Self> {
        let stream: Box<dyn Stream> = if is_secure {
            Box::new(target.secure(&target.http1).await?)
        } else {
            Box::new(target.plain().await?)
        };
        let stream = BufReader::new(stream);
        Ok(Self {
            stream,
            is_last: false,
        })
    }

    /// Sends a request and reads its answer whole; the status.
    pub(super) async fn ask(&mut self, request: &Request, name: &str) -> Result<u16, Lost> {
        let Request {
            method, path, body, ..
        } = request;
        let length = body.len();
        let fields = if body.is_empty() {
            String::new()
        } else {
            format!("Content-Type: application/json\r\nContent-Length: {length}\r\n")
        };
        let bytes = format!("{method} {path} HTTP/1.1\r\nHost: {name}\r\n{fields}\r\n{body}");
        self.send(bytes.as_bytes())
            .await
            .map_err(Lost::Unanswered)?;
        self.answer().await.map_err(Lost::Broken)
    }

    /// Sends, and waits for the first byte of an answer.
    async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).await.context("sending")?;
        self.stream.flush().await.context("sending")?;
        let begin = self.stream.fill_buf().await.context("waiting")?;
        ensure!(!begin.is_empty(), "closed without an answer");
        Ok(())
    }

    async fn answer(&mut self) -> Result<u16> {
        let first = self.line().await?;
        let status = first.split(' ').nth(1).and_then(|word| word.parse().ok());
        let status = status.with_context(|| format!("no status: {first:?}"))?;
        let (mut length, mut is_chunked) = (0, false);
        loop {
            let line = self.line().await?.to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.parse()?;
            }
            is_chunked |= line == "transfer-encoding: chunked";
            self.is_last |= line == "connection: close";
        }
        if is_chunked {
            self.chunks().await?;
        } else {
            self.skip(length).await?;
        }
        Ok(status)
    }

    async fn chunks(&mut self) -> Result<()> {
        loop {
            let length = usize::from_str_radix(&self.line().await?, 16)?;
            self.skip(length).await?;
            let end = self.line().await?;
            ensure!(end.is_empty(), "after a chunk: {end:?}");
            if length == 0 {
                return Ok(());
            }
        }
    }

    async fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line).await?;
        let whole = line.strip_suffix("\r\n");
        let whole = whole.with_context(|| format!("broken off after {line:?}"))?;
        Ok(whole.to_owned())
    }

    async fn skip(&mut self, length: usize) -> Result<()> {
        let mut body = vec![0; length];
        let read = self.stream.read_exact(&mut body).await;
        read.map_err(Error::from).context("a body broken off")?;
        Ok(())
    }
}
