//! Whatever is done to a shop that serves, no request fails. `make steady` does it at length.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use crackers_tests::load::Load;
use crackers_tests::rolling::{GIVES_NOTICE, roll};
use crackers_tests::stack::Stack;
use tokio::net::TcpStream;

use super::{NAME, Place, number, requests};

/// Good answers of every kind of customer that there must be in each round, after what is done.
const ANSWERS_MIN: u64 = 5;
/// After each answer of a customer. Connections are idle in between, as those of people are.
const PAUSE: Duration = Duration::from_millis(5);

/// Ends a round: every kind of customer has got further answers, and nobody anything else.
async fn goes_on(shop: &Stack, load: &Load, round: &str) -> Result<()> {
    let before = load.answered();
    shop.wait_for(&format!("customers are served after {round}"), async || {
        let now = load.answered();
        let grown = |(name, count): (&&str, &u64)| {
            *count >= before.get(*name).copied().unwrap_or(0) + ANSWERS_MIN
        };
        Ok(load.check().is_err() || now.len() == 5 && now.iter().all(grown))
    })
    .await?;
    load.check().with_context(|| round.to_owned())
}

async fn reload(shop: &Stack, round: usize, own: &str) -> Result<()> {
    let line = "crackers_edge_telemetry_reloads_total{outcome=\"taken\"}";
    let before = shop.edge_metric(line).await?;
    let file = shop.folder.path().join("edge-own.yaml");
    std::fs::write(
        file,
        format!("{own}dispatch: {{queue_max: {}}}\n", 500 + round),
    )?;
    shop.edge.hang_up()?;
    shop.wait_for("the settings are taken", async || {
        Ok(shop.edge_metric(line).await? > before)
    })
    .await
}

/// The certificate that the edge shows.
async fn certificate(place: &Place) -> Result<Vec<u8>> {
    let stream = TcpStream::connect(("127.0.0.1", place.tls_port)).await?;
    // Made anew each time: a session that is resumed shows the certificate of its first handshake.
    let client = place.authority.client()?;
    let stream = client.connect(NAME.try_into()?, stream).await?;
    let shown = stream.get_ref().1.peer_certificates();
    Ok(shown.and_then(<[_]>::first).context("none")?.to_vec())
}

async fn change_certificate(place: &Place) -> Result<()> {
    let before = certificate(place).await?;
    let folder = place.certificates.path();
    place.authority.sign(folder, "shop", NAME)?;
    place
        .shop
        .wait_for("the new certificate is shown", async || {
            Ok(certificate(place).await? != before)
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn reloads_upgrades_rolls_and_certificates_fail_no_request() -> Result<()> {
    let mut place = Place::new("", "", GIVES_NOTICE).await?;
    let own = std::fs::read_to_string(place.shop.folder.path().join("edge-own.yaml"))?;
    let (target, requests) = (place.target()?, requests(&place.shop).await?);
    let load = Load::begin(target, requests, 1, PAUSE);
    goes_on(&place.shop, &load, "the start").await?;
    let rounds = number("CRACKERS_STEADY_ROUNDS").unwrap_or(1);
    for round in 0..rounds * 4 {
        reload(&place.shop, round, &own).await?;
        goes_on(&place.shop, &load, &format!("reload {round}")).await?;
    }
    for round in 0..rounds {
        let mut before = place.shop.upgrade_edge().await?;
        ensure!(before.wait()?.success());
        goes_on(&place.shop, &load, &format!("upgrade {round}")).await?;
    }
    for round in 0..rounds {
        for number in 0..2 {
            roll(&mut place.shop, number).await?;
            goes_on(&place.shop, &load, &format!("roll {round} of {number}")).await?;
        }
    }
    for round in 0..rounds {
        change_certificate(&place).await?;
        goes_on(&place.shop, &load, &format!("certificate {round}")).await?;
    }
    let counts = load.end().await?;
    ensure!(counts.failed == 0, "{counts:?}");
    let all: u64 = counts.answered.values().sum();
    let enough = 2 * u64::try_from(rounds)? * ANSWERS_MIN * 5;
    ensure!(all > enough, "{counts:?}");
    super::say(&format!("{counts:?}"));
    Ok(())
}
