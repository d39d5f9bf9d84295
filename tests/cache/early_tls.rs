//! Hits that are answered without Pingora, over TLS: the same answers as on the long way there.

use std::time::Duration;

use anyhow::Result;
use crackers_tests::process::free_port;
use crackers_tests::stack::Stack;
use crackers_tests::tls::Authority;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::early::{FIELDS, LINES, SETTINGS, assert_same, bare, etag_in, ways};

const NAME: &str = "shop.example.in";

/// As long as `raw::exchange` waits, for an answer and for more of it.
const PAUSE: Duration = Duration::from_secs(10);
const SILENCE: Duration = Duration::from_secs(3);

/// A client, and where it finds TLS.
struct Door {
    client: TlsConnector,
    port: u16,
}

impl Door {
    /// What `raw::exchange` does, over TLS: sends bytes and reads until the other side closes, or falls silent for a while.
    async fn exchange(&self, bytes: &str) -> Result<(String, bool)> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        let mut stream = self.client.connect(NAME.try_into()?, stream).await?;
        stream.write_all(bytes.as_bytes()).await?;
        stream.flush().await?;
        let mut answer: Vec<u8> = Vec::new();
        let is_closed = loop {
            let patience = if answer.is_empty() { PAUSE } else { SILENCE };
            match timeout(patience, stream.read_buf(&mut answer)).await {
                Ok(Ok(read)) if read > 0 => {}
                // Also where it closes without a goodbye.
                Ok(_) => break true,
                Err(_) => break false,
            }
        };
        Ok((String::from_utf8_lossy(&answer).into_owned(), is_closed))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_over_tls_is_the_same_whichever_way_it_took() -> Result<()> {
    let (authority, folder, port) = (Authority::new()?, tempfile::tempdir()?, free_port()?);
    authority.sign(folder.path(), "shop", NAME)?;
    let pair = folder.path().join("shop");
    let pair = pair.display();
    let own = format!(
        "{SETTINGS}accept: {{tls: {{listen: ['127.0.0.1:{port}'], certificates: [{{certificate_file: '{pair}.pem', key_file: '{pair}.key'}}]}}}}\n"
    );
    let _shop = Stack::start(1, &own).await?;
    let client = authority.client()?;
    let door = Door { client, port };
    // Those that can be a hit.
    for line in &LINES[..7] {
        // What can be stored is stored now, and comes over TLS as it would come from the origin.
        door.exchange(&bare(line, "")).await?;
        let (hit, _) = door.exchange(&bare(line, "")).await?;
        let head = hit.split("\r\n\r\n").next().unwrap_or_default();
        assert!(head.contains("crackers; hit"), "{line}: {head}");
        let said = "strict-transport-security: max-age=31536000; includesubdomains";
        assert!(head.to_lowercase().contains(said), "{line}: {head}");
        let etag = etag_in(&hit);
        for fields in FIELDS {
            let fields = fields.replace("ETAG", &etag);
            let [short, long] = ways(line, &fields);
            let (short, long) = (door.exchange(&short).await?, door.exchange(&long).await?);
            assert_same(&short, &long, &format!("{line} {fields:?}"));
        }
    }
    Ok(())
}
