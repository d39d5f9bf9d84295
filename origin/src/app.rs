//! What every part of the running origin shares.

use std::sync::Arc;

use anyhow::Context as _;
use jiff::Timestamp;

use crackers_shared::{clock::Clock, memory, session_cookie::Keys};

use crate::accept::Phase;
use crate::api::{Answers, Router, SharedAnswers};
use crate::assets::Assets;
use crate::commerce::ids;
use crate::commerce::known::{Catalogue, Known};
use crate::commerce::search::Search;
use crate::commerce::shop::ShopSettings;
use crate::config::Config;
use crate::database::{Answer, Database};
use crate::live::Live;
use crate::services::mail::Mailer;
use crate::services::objects::Objects;
use crate::services::payments::Gateway;
use crate::services::redis::Redis;
use crate::telemetry::Metrics;

/// Pictures that are drawn anew at once.
const PICTURES_AT_ONCE: usize = 2;

/// The running origin: immutable settings and the handles that requests use.
pub struct App {
    /// The checked settings.
    pub config: Arc<Config>,
    /// Where the data lives.
    pub database: Database,
    /// What time it is.
    pub clock: Clock,
    /// What is counted.
    pub metrics: Metrics,
    /// Encoded answers in memory.
    pub answers: Answers,
    /// Which handler answers what.
    pub router: Router,
    /// The shop's settings as the follower of `changes` last read them.
    pub shop: parking_lot::RwLock<Option<Arc<ShopSettings>>>,
    /// What was read of the catalogue not long ago.
    pub known: Known,
    /// The way to Redis, where one is configured.
    pub redis: Option<Arc<Redis>>,
    /// That this process has written; told to the other origins.
    pub written: tokio::sync::Notify,
    /// That somebody has written: a reason to look at `changes` now.
    pub woken: tokio::sync::watch::Sender<()>,
    /// How far this process is on its way out.
    pub phase: tokio::sync::watch::Sender<Phase>,
    /// Who listens to live events.
    pub live: Live,
    /// The full-text index.
    pub search: Search,
    /// The storefront's files.
    pub assets: Assets,
    /// What signs session cookies.
    pub session_keys: Keys,
    /// The way that mail goes.
    pub mailer: Mailer,
    /// Where private files are kept.
    pub objects: Objects,
    /// The payment gateway, where the shop has one.
    pub gateway: Option<Gateway>,
    /// Places for drawing pictures anew: each takes a core and much memory for a moment.
    pub drawing: Arc<tokio::sync::Semaphore>,
    /// When the process began to serve.
    pub started: Timestamp,
}

impl App {
    /// An origin that has served nothing yet.
    ///
    /// # Errors
    /// When the keys of the sessions cannot be read or made.
    pub fn new(config: Arc<Config>, database: Database, clock: Clock) -> anyhow::Result<Self> {
        let keys_file = &config.api.session_keys_file;
        let session_keys = Keys::read_or_make(keys_file)
            .with_context(|| format!("{} (api.session_keys_file)", keys_file.display()))?;
        let metrics = Metrics::new();
        let calls = &metrics.service_calls;
        let questions = metrics.database_questions.clone();
        let redis = Redis::new(&config.services.redis, clock.clone(), metrics.redis.clone())?;
        let redis = redis.map(Arc::new);
        let shared = redis.clone();
        let shared = shared.map(|redis| SharedAnswers::new(redis, made_by(&config)));
        Ok(Self {
            gateway: Gateway::new(&config.services.payments, clock.clone(), calls.clone())?,
            session_keys,
            mailer: Mailer::new(&config.services.mail)?,
            objects: Objects::new(&config.services.objects, clock.clone(), calls.clone())?,
            drawing: Arc::new(tokio::sync::Semaphore::new(PICTURES_AT_ONCE)),
            answers: Answers::new(config.api.answers_bytes_max, shared),
            assets: Assets::new(&config.assets),
            redis,
            written: tokio::sync::Notify::new(),
            woken: tokio::sync::watch::Sender::new(()),
            phase: tokio::sync::watch::Sender::new(Phase::Serving),
            live: Live::new(config.api.event_streams_max, metrics.event_streams.clone()),
            metrics,
            router: Router::new(),
            search: Search::default(),
            known: Known::new(config.commerce.known_things_max),
            shop: parking_lot::RwLock::default(),
            started: clock.now(),
            config,
            database: database.counted_by(questions),
            clock,
        })
    }

    /// One on an empty file in a folder, with settings changed, whose clock stands at the epoch until it is moved.
    #[cfg(test)]
    pub(crate) async fn in_folder(
        folder: &std::path::Path,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let mut config: Config = serde_yaml::from_str(crate::config::DEFAULTS).unwrap();
        config.database.sqlite.file = folder.join("shop.sqlite");
        config.api.session_keys_file = folder.join("session.keys");
        change(&mut config);
        let database = Database::open(&config.database).await.unwrap();
        Self::new(
            Arc::new(config),
            database,
            Clock::manual(Timestamp::UNIX_EPOCH),
        )
        .unwrap()
    }

    /// The shop's settings: from memory while changes are followed, else from the database. `None` before the first seed.
    ///
    /// # Errors
    /// What the database fails with.
    pub async fn shop_settings(&self) -> Answer<Option<Arc<ShopSettings>>> {
        if self.answers.is_following() {
            let known = self.shop.read().clone();
            if known.is_some() {
                return Ok(known);
            }
        }
        Ok(self.database.shop_settings().await?.map(Arc::new))
    }

    /// The catalogue for pricing: from memory while changes are followed, else from the database.
    pub fn catalogue(&self) -> Catalogue<'_> {
        Catalogue {
            database: &self.database,
            known: self.answers.is_following().then_some(&self.known),
        }
    }

    /// Seconds since the start.
    pub fn uptime_seconds(&self) -> i64 {
        self.clock.now().as_second() - self.started.as_second()
    }

    /// Brings the gauges up to date before they are read.
    pub fn refresh_metrics(&self) {
        let metrics = &self.metrics;
        let pool = self.database.pool_use();
        metrics.pool_size.set(i64::from(pool.size));
        metrics.pool_in_use.set(i64::from(pool.in_use));
        metrics.pool_size_max.set(i64::from(pool.size_max));
        metrics
            .pool_waited
            .set(i64::try_from(pool.waited).unwrap_or(i64::MAX));
        metrics
            .pool_timed_out
            .set(i64::try_from(pool.timed_out).unwrap_or(i64::MAX));
        metrics
            .answers_bytes
            .set(i64::try_from(self.answers.bytes()).unwrap_or(i64::MAX));
        metrics
            .known_things
            .set(i64::try_from(self.known.len()).unwrap_or(i64::MAX));
        metrics
            .search_products
            .set(i64::try_from(self.search.len()).unwrap_or(i64::MAX));
        metrics
            .memory_bytes
            .set(i64::try_from(memory::resident_bytes()).unwrap_or(i64::MAX));
        metrics.uptime_seconds.set(self.uptime_seconds());
    }
}

/// What public answers depend on beside the database: this very program and the settings that show in answers. Origins that are
/// not the same in this share no answers.
fn made_by(config: &Config) -> String {
    let program = std::env::current_exe().and_then(std::fs::metadata);
    let program = program.and_then(|program| Ok((program.len(), program.modified()?)));
    // Where the system does not say, nothing is shared with others.
    let program = program.map_or_else(|_| ids::unguessable(), |program| format!("{program:?}"));
    let settings = serde_json::to_string(&(&config.api.public_url, &config.commerce));
    format!("{program} {}", settings.unwrap_or_default())
}
