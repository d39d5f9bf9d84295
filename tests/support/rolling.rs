//! Origins that are replaced while the shop serves.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tokio::net::TcpStream;

use crate::stack::Stack;

/// Settings of an origin whose notice is longer than two rounds of the checks of [`Stack`]'s edge that find nobody.
pub const GIVES_NOTICE: &str = "accept: {stop_notice_ms: 4000}\n";
/// Requests of customers after which an origin counts as serving again.
const REQUESTS_MIN: u64 = 10;

/// What the edge knows of an origin.
///
/// # Errors
/// When the edge does not say, or does not know it.
pub async fn known(shop: &Stack, number: usize) -> Result<Value> {
    let address = format!("127.0.0.1:{}", shop.origin_ports[number]);
    let ask = reqwest::Client::new().get(format!("{}/status", shop.admin_url));
    let answer = ask.bearer_auth(shop.admin_token()?).send().await?;
    let status: Value = answer.json().await?;
    let servers = status["groups"][0]["servers"].as_array();
    let mut servers = servers.context("no servers")?.iter();
    let found = servers.find(|server| server["address"] == address);
    found.cloned().context("no such server")
}

/// Stops an origin by SIGTERM and nothing else, and starts it again, until it serves customers.
///
/// # Errors
/// When it does not stop, or does not come to serve.
pub async fn roll(shop: &mut Stack, number: usize) -> Result<()> {
    shop.origins[number].ask_to_stop()?;
    let stopped = tokio::task::block_in_place(|| shop.origins[number].wait())?;
    ensure!(stopped.success());
    shop.restart_origin(number)?;
    let port = shop.origin_ports[number];
    shop.wait_for("customers come to the origin again", async || {
        TcpStream::connect(("127.0.0.1", port)).await?;
        Ok(known(shop, number).await?["up"] == true
            && shop.origin_requests_of(number).await? > REQUESTS_MIN)
    })
    .await
}
