//! An export whose database dies breaks off: nobody takes the part that came for the whole.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use anyhow::{Context as _, Result, ensure};
use crackers_origin::commerce::orders::Placed;
use crackers_origin::commerce::seed::orders::order_of;
use crackers_tests::mongod::Mongod;
use crackers_tests::stack::{PATIENCE, Stack};
use futures_util::future::try_join_all;
use jiff::Timestamp;
use socket2::{Domain, Socket, Type};

use super::both_databases::on;
use super::inside::database;
use super::orders::{selling, stocked, text};
use super::staff::Desk;

/// Orders of one page of an export, which nobody sees.
const PAGE: usize = 100;
const PAGES: usize = 6;
/// What is read of an export before its database dies: less than a page.
const FIRST_BYTES: usize = 4096;

/// Puts orders into the database, with addresses of so many bytes.
async fn placed(shop: &Stack, address_bytes: usize) -> Result<()> {
    let product = stocked(shop, 100_000).await?;
    let database = database(shop).await?;
    let place = async || {
        let mut order = order_of(&[(text(&product, "/id")?, 1)], Timestamp::now());
        order.address.line1 = "x".repeat(address_bytes);
        let placed = database.place_order(&order).await?;
        ensure!(matches!(placed, Placed::New(_)), "{placed:?}");
        anyhow::Ok(())
    };
    for _ in 0..PAGES {
        try_join_all((0..PAGE).map(|_| place())).await?;
    }
    Ok(())
}

/// Asks for all orders, and takes them no faster than they are read.
fn begin(desk: &Desk<'_>, port: u16) -> Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_recv_buffer_size(64 * 1024)?;
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    socket.connect(&address.into())?;
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE))?;
    let [(_, cookie), _] = desk.fields();
    let head = format!(
        "GET /api/admin/orders/export.csv HTTP/1.1\r\nHost: shop.test\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    Ok(stream)
}

/// All that comes until the other side closes, in whichever way.
fn rest(mut stream: TcpStream) -> Result<Vec<u8>> {
    let (mut came, mut part) = (Vec::new(), vec![0; 64 * 1024]);
    loop {
        match stream.read(&mut part) {
            Ok(0) => return Ok(came),
            Ok(read) => came.extend_from_slice(&part[..read]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(came),
            Err(error) => return Err(error).context("it never ends"),
        }
    }
}

/// Asks at a port, that of the edge or of the origin.
fn breaks_off(desk: &Desk<'_>, port: u16, harm: impl FnOnce() -> Result<()>) -> Result<()> {
    let came = tokio::task::block_in_place(|| {
        let mut stream = begin(desk, port)?;
        let mut first = vec![0; FIRST_BYTES];
        stream.read_exact(&mut first)?;
        harm()?;
        let came = [first, rest(stream)?].concat();
        anyhow::Ok(came)
    })?;
    let text = String::from_utf8_lossy(&came);
    let (head, body) = text.split_once("\r\n\r\n").context("no head")?;
    ensure!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let head = head.to_ascii_lowercase();
    ensure!(head.contains("\r\ntransfer-encoding: chunked"), "{head}");
    ensure!(body.contains(&format!("\r\nCR{:06},", PAGE * PAGES)));
    assert!(
        !body.ends_with("\r\n0\r\n\r\n"),
        "a clean end after {}",
        body.len()
    );
    let log = desk.shop.origins[0].log();
    assert!(log.contains("an export broke off"), "{log}");
    Ok(())
}

/// Every byte of it is another one.
fn spoil(shop: &Stack) -> Result<()> {
    for name in ["shop.sqlite", "shop.sqlite-wal"] {
        let path = shop.folder.path().join("data").join(name);
        let mut bytes = std::fs::read(&path)?;
        for byte in &mut bytes {
            *byte ^= 0x5a;
        }
        // In place: the origin has it open.
        let mut file = std::fs::OpenOptions::new().write(true).open(path)?;
        file.write_all(&bytes)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_breaks_off_where_the_file_is_spoilt_on_sqlite() -> Result<()> {
    let shop = &selling("", 1).await?;
    // All of them are more than what lies between two programs of one machine.
    placed(shop, 40 * 1024).await?;
    let desk = Desk::open(shop).await?;
    breaks_off(&desk, shop.origin_ports[0], || spoil(shop))
}

/// Nobody else asks for orders.
const QUIET: &str =
    "outbox: {mail_interval_ms: 86400000}\ncommerce: {expiry_interval_ms: 86400000}\n";

#[tokio::test(flavor = "multi_thread")]
async fn an_export_breaks_off_where_the_server_dies_on_mongodb() -> Result<()> {
    let Some(server) = tokio::task::spawn_blocking(Mongod::start).await?? else {
        return Ok(());
    };
    let own = format!("{}{QUIET}", on(&server.uri()));
    let shop = &selling(&own, 1).await?;
    placed(shop, 100).await?;
    let desk = Desk::open(shop).await?;
    let own: serde_yaml::Value = serde_yaml::from_str(&own)?;
    let name = own["database"]["mongodb"]["database"].as_str();
    let orders = format!("{}.orders", name.context("no database")?);
    // The first page comes, the second one is asked for.
    server.hold_finds_after(1, &orders).await?;
    breaks_off(&desk, shop.port, || server.kill())?;
    tokio::task::spawn_blocking(move || drop(server)).await?;
    Ok(())
}
