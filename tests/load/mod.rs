//! The shop under load, with two origins and TLS.

mod soak;
mod steady;

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use crackers_tests::load::{Request, Target};
use crackers_tests::process::free_port;
use crackers_tests::stack::{Setup, Stack};
use crackers_tests::tls::Authority;

const NAME: &str = "shop.example.in";

/// A number that is set in the environment for runs that are longer than the ordinary one.
fn number(variable: &str) -> Option<usize> {
    std::env::var(variable).ok()?.parse().ok()
}

/// To whoever watches a long run; standard output of a test that passes is read by nobody.
fn say(line: &str) {
    if number("CRACKERS_STEADY_ROUNDS")
        .or_else(|| number("CRACKERS_SOAK_MINUTES"))
        .is_some()
    {
        let _ = writeln!(std::io::stderr(), "{line}");
    }
}

/// A shop, and how to reach it over TLS.
struct Place {
    shop: Stack,
    authority: Authority,
    tls_port: u16,
    certificates: tempfile::TempDir,
}

impl Place {
    /// With settings of its own of stage `accept` of the edge, and of other stages, and of the origins.
    async fn new(accept: &str, more: &str, origin: &str) -> Result<Self> {
        let (authority, certificates) = (Authority::new()?, tempfile::tempdir()?);
        let tls_port = free_port()?;
        authority.sign(certificates.path(), "shop", NAME)?;
        let setup = Setup {
            origins: 2,
            edge: &settings(certificates.path(), tls_port, accept, more),
            origin,
        };
        Ok(Self {
            shop: Stack::of(setup).await?,
            authority,
            tls_port,
            certificates,
        })
    }

    fn target(&self) -> Result<Target> {
        Target::new(self.shop.port, self.tls_port, NAME, &self.authority)
    }
}

fn settings(folder: &Path, port: u16, accept: &str, more: &str) -> String {
    let file = folder.join("shop");
    let file = file.display();
    format!(
        "accept: {{{accept}tls: {{listen: ['127.0.0.1:{port}'], reload_interval_ms: 50, \
         certificates: [{{certificate_file: '{file}.pem', key_file: '{file}.key'}}]}}}}\n\
         admit: {{rate_limits: []}}\n{more}"
    )
}

/// From memory, from an origin, and with bodies that are taken or refused.
async fn requests(shop: &Stack) -> Result<Vec<Request>> {
    let list = shop.get("/api/products?limit=1").await?.json()?;
    let product = list["items"][0]["id"].as_str().context("no product")?;
    let get = |path: &str| Request {
        method: "GET",
        path: path.to_owned(),
        body: String::new(),
        expected: 200,
    };
    let post = |path: &str, body: String, expected| Request {
        method: "POST",
        path: path.to_owned(),
        body,
        expected,
    };
    let quote = format!(r#"{{"lines":[{{"kind":"product","id":"{product}","quantity":15}}]}}"#);
    Ok(vec![
        get("/api/products"),
        get("/api/health"),
        post("/api/cart/quote", quote, 200),
        get("/api/categories"),
        get("/api/health"),
        post("/api/nothing", "{}".to_owned(), 404),
    ])
}
