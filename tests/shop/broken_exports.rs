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
const PAGES: usize = 12;
/// In each order: all of them are more than what lies between three programs of one machine.
const ADDRESS_BYTES: usize = 40 * 1024;

/// Puts orders into the database, each with more of an address than the shop itself takes.
async fn placed(shop: &Stack) -> Result<()> {
    let product = stocked(shop, 100_000).await?;
    let database = database(shop).await?;
    let place = async || {
        let mut order = order_of(&[(text(&product, "/id")?, 1)], Timestamp::now());
        order.address.line1 = "x".repeat(ADDRESS_BYTES);
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
fn begin(desk: &Desk<'_>) -> Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_recv_buffer_size(64 * 1024)?;
    let address = SocketAddr::from(([127, 0, 0, 1], desk.shop.port));
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

async fn breaks_off(shop: &Stack, harm: impl FnOnce() -> Result<()>) -> Result<()> {
    placed(shop).await?;
    let desk = Desk::open(shop).await?;
    let came = tokio::task::block_in_place(|| {
        let mut stream = begin(&desk)?;
        let mut first = vec![0; 2 * ADDRESS_BYTES];
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
    let log = shop.origins[0].log();
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
    breaks_off(shop, || spoil(shop)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_breaks_off_where_the_server_dies_on_mongodb() -> Result<()> {
    let Some(server) = tokio::task::spawn_blocking(Mongod::start).await?? else {
        return Ok(());
    };
    let shop = &selling(&on(&server.uri()), 1).await?;
    breaks_off(shop, || server.kill()).await?;
    tokio::task::spawn_blocking(move || drop(server)).await?;
    Ok(())
}
