//! How services of others are called by HTTP: each try within a time, again where that may help, not at all while the
//! service is down, and never more of an answer than fits.

use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use jiff::SignedDuration;
use prometheus::IntCounterVec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crackers_shared::{clock::Clock, config_file::Problems, request_id};

use super::breaker::Breaker;

/// Settings of calls to one service.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The longest wait for one answer, in milliseconds.
    pub timeout_ms: u64,
    /// Tries before a call has failed.
    pub tries_max: u32,
    /// The pause before the second try, in milliseconds; doubled before each further one.
    pub backoff_ms: u64,
    /// Failures in a row after which the service is left alone.
    pub breaker_failures_max: u32,
    /// For how long, in milliseconds.
    pub breaker_pause_ms: u64,
}

impl Config {
    /// Reports impossible values under `path`.
    pub fn check(&self, path: &str, problems: &mut Problems) {
        for (key, value, most) in [
            ("timeout_ms", self.timeout_ms, 600_000),
            ("tries_max", self.tries_max.into(), 10),
            ("backoff_ms", self.backoff_ms, 60_000),
            (
                "breaker_failures_max",
                self.breaker_failures_max.into(),
                1000,
            ),
            ("breaker_pause_ms", self.breaker_pause_ms, 3_600_000),
        ] {
            let is_possible = (1..=most).contains(&value);
            let range = format!("must be 1 to {most}");
            problems.require(is_possible, format!("{path}.{key}"), range);
        }
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// It failed too often, and is left alone.
    #[error("it is left alone for a while after too many failures")]
    LeftAlone,
    /// The last of all tries failed.
    #[error("{0:#}")]
    Failed(anyhow::Error),
}

/// Calls one service.
pub struct Caller {
    service: &'static str,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    config: Config,
    breaker: Breaker,
    clock: Clock,
    calls: IntCounterVec,
}

impl Caller {
    /// A way to a service; `calls` counts by service and outcome.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(
        service: &'static str,
        config: &Config,
        clock: Clock,
        calls: IntCounterVec,
    ) -> anyhow::Result<Self> {
        let provider = rustls::crypto::ring::default_provider();
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(provider)
            .context("TLS cannot be set up")?
            .https_or_http()
            .enable_http1()
            .build();
        let pause = i64::try_from(config.breaker_pause_ms).unwrap_or(i64::MAX);
        Ok(Self {
            service,
            client: Client::builder(TokioExecutor::new()).build(connector),
            breaker: Breaker::new(
                config.breaker_failures_max,
                SignedDuration::from_millis(pause),
            ),
            config: config.clone(),
            clock,
            calls,
        })
    }

    /// Sends a request that may be sent again: whoever calls has made sure that twice does no more than once. An answer that
    /// says the service is to blame (5xx, 429) is none.
    ///
    /// # Errors
    /// [`NoAnswer`]: see its variants.
    pub async fn call(
        &self,
        request: &Request<Bytes>,
        answer_bytes_max: usize,
    ) -> Result<Response<Bytes>, NoAnswer> {
        let mut tries = 1;
        loop {
            if !self.breaker.lets_through(self.clock.now()) {
                self.count("left_alone");
                return Err(NoAnswer::LeftAlone);
            }
            match self.try_once(request, answer_bytes_max).await {
                Ok(response) => {
                    self.breaker.succeeded();
                    self.count("answered");
                    return Ok(response);
                }
                Err(error) => {
                    self.breaker.failed(self.clock.now());
                    self.count("failed");
                    if tries >= self.config.tries_max {
                        return Err(NoAnswer::Failed(error));
                    }
                }
            }
            tokio::time::sleep(self.pause_after(tries)).await;
            tries += 1;
        }
    }

    /// Between half and the whole of what is set, so that those who failed together do not come back together.
    fn pause_after(&self, tries: u32) -> Duration {
        let whole = self.config.backoff_ms << (tries - 1).min(10);
        let [dice] = request_id::random::<1>();
        Duration::from_millis(whole / 2 + whole * u64::from(dice) / 512)
    }

    async fn try_once(
        &self,
        request: &Request<Bytes>,
        answer_bytes_max: usize,
    ) -> anyhow::Result<Response<Bytes>> {
        let exchange = async {
            let response = self.client.request(request.clone().map(Full::new)).await?;
            let (parts, body) = response.into_parts();
            let is_of_the_service =
                parts.status.is_server_error() || parts.status == StatusCode::TOO_MANY_REQUESTS;
            anyhow::ensure!(!is_of_the_service, "it answered {}", parts.status);
            let body = Limited::new(body, answer_bytes_max).collect().await;
            let body = body.map_err(|error| anyhow::anyhow!("its answer: {error}"))?;
            Ok(Response::from_parts(parts, body.to_bytes()))
        };
        let limit = Duration::from_millis(self.config.timeout_ms);
        let answered = tokio::time::timeout(limit, exchange).await;
        answered.context("it did not answer in time")?
    }

    fn count(&self, outcome: &str) {
        self.calls.with_label_values(&[self.service, outcome]).inc();
    }
}
