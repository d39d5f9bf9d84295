//! An origin that takes a body slowly does not make its client a slow one.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use anyhow::Result;
use crackers_tests::gated::DONE;

use super::http2::{Place, ask, request};

/// More than what lies between three programs of one machine, and less than a body may have.
const BYTES: usize = 9 * 1024 * 1024;

/// An origin that takes nothing of a body for so long, then all of it.
fn resting(rest: Duration) -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A connection that breaks off is the edge's affair.
            std::thread::spawn(move || serve(stream, rest));
        }
    });
    Ok(port)
}

fn serve(mut stream: TcpStream, rest: Duration) -> std::io::Result<()> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let mut taken = 0;
    let mut part = vec![0; 64 * 1024];
    if head.starts_with(b"POST ") {
        std::thread::sleep(rest);
        // However it is framed, there are no fewer.
        while taken < BYTES {
            match stream.read(&mut part)? {
                0 => return Ok(()),
                read => taken += read,
            }
        }
    }
    stream.write_all(DONE.as_bytes())?;
    // Until the edge has heard it.
    while stream.read(&mut part)? > 0 {}
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_over_http2_may_send_as_slowly_as_the_origin_takes() -> Result<()> {
    let (place, patience) = (Place::new()?, Duration::from_secs(2));
    let origin = resting(patience * 4)?;
    let accept = format!("body_timeout_ms: {}, ", patience.as_millis());
    let _edge = place.edge_of(origin, &accept, "")?;
    let client = place.connect().await?;
    let length = BYTES.to_string();
    let fields = [("content-length", length.as_str())];
    let body = vec![b'x'; BYTES];
    let (answer, _) = ask(&client, request("POST", "/api/x", &fields)?, &body).await?;
    assert_eq!(answer.status(), 200);
    Ok(())
}
