//! Two ends of a connection that do next to nothing.
//!
//! `crackers-floor serve PORT FILE` answers every request head with the bytes of FILE, unread and uncounted: what the system
//! calls alone cost. `crackers-floor hold PORT COUNT PATH [FIELD]` opens COUNT connections, asks each for PATH once, with this
//! field line, says `ready` and keeps them open until its standard input ends. `crackers-floor connect PORT CERTIFICATE CLIENTS SECONDS PATH full|resumed` has CLIENTS
//! that make one TLS connection after the other for SECONDS and ask each for PATH once, and says how many there were and the
//! 99th percentile of their milliseconds.

mod connect;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let words: Vec<_> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", port, file] => serve(port.parse()?, std::fs::read(file)?).await,
        ["hold", port, count, path] => {
            Box::pin(hold(port.parse()?, count.parse()?, path, None)).await
        }
        ["hold", port, count, path, field] => {
            Box::pin(hold(port.parse()?, count.parse()?, path, Some(field))).await
        }
        ["connect", port, certificate, clients, seconds, path, kind] => {
            let clients = clients.parse()?;
            let limit = Duration::from_secs(seconds.parse()?);
            let target = connect::Target {
                port: port.parse()?,
                path: path.to_owned(),
                is_resumed: kind == "resumed",
            };
            let certificate = std::fs::read(certificate)?;
            connect::run(target, &certificate, clients, limit).await
        }
        _ => bail!(
            "usage: crackers-floor serve PORT FILE | hold PORT COUNT PATH [FIELD] | connect PORT CERTIFICATE CLIENTS SECONDS PATH full|resumed"
        ),
    }
}

async fn serve(port: u16, answer: Vec<u8>) -> anyhow::Result<()> {
    let answer = Arc::new(answer);
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(answer_all(stream, Arc::clone(&answer)));
    }
}

/// Takes whatever arrives at once for one request: its clients send no second one before they have the answer.
async fn answer_all(mut stream: TcpStream, answer: Arc<Vec<u8>>) {
    let mut head = [0; 8192];
    while stream.read(&mut head).await.is_ok_and(|bytes| bytes > 0) {
        if stream.write_all(&answer).await.is_err() {
            return;
        }
    }
}

/// Whether the server has not closed it, however much of the answer is still to be read.
fn is_open(stream: &TcpStream) -> bool {
    let mut part = [0; 65536];
    loop {
        match stream.try_read(&mut part) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(error) => return error.kind() == std::io::ErrorKind::WouldBlock,
        }
    }
}

async fn hold(port: u16, count: usize, path: &str, field: Option<&str>) -> anyhow::Result<()> {
    let field = field.map(|field| format!("{field}\r\n"));
    let fields = format!("Accept-Encoding: identity\r\n{}", field.unwrap_or_default());
    let request = format!("GET {path} HTTP/1.1\r\nHost: shop\r\n{fields}\r\n");
    let mut held = Vec::with_capacity(count);
    for number in 0..count {
        let connected = TcpStream::connect(("127.0.0.1", port)).await;
        let mut stream = connected.with_context(|| format!("connection {number}"))?;
        stream.write_all(request.as_bytes()).await?;
        let mut part = [0; 65536];
        if stream.read(&mut part).await? == 0 {
            bail!("connection {number} was closed");
        }
        held.push(stream);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let open = held.iter().filter(|stream| is_open(stream)).count();
    if open < count {
        bail!("only {open} of {count} connections are still open");
    }
    tokio::io::stdout().write_all(b"ready\n").await?;
    tokio::io::stdout().flush().await?;
    // Until whoever started this has measured.
    tokio::io::stdin().read_to_end(&mut Vec::new()).await?;
    drop(held);
    Ok(())
}
