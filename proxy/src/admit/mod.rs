//! Stage `admit`: who may pass. Decides by method, path, address and origin; knows nothing of caches and origins.

pub mod client_address;
pub mod cors;
pub mod https;
pub mod mode;
pub mod rate_limit;
pub mod rules;

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crackers_shared::clock::Clock;
use crackers_shared::config_file::Problems;
use crackers_shared::headers;
use crackers_shared::session_cookie::{self, CUSTOMER_COOKIE, Keys, STAFF_COOKIE};

use crate::method_names;
use crate::respond::Problem;
use mode::{Mode, Switch};
use rate_limit::{Budget, CLIENTS_MIN, Client, RateLimitConfig, RateLimiter};

/// Settings of stage `admit`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Networks of proxies whose `X-Forwarded-For` is believed.
    #[schemars(with = "Vec<String>")]
    pub trusted_proxies: Vec<IpNet>,
    /// Networks that get nothing.
    #[schemars(with = "Vec<String>")]
    pub blocked: Vec<IpNet>,
    /// Networks that get something; none means everybody.
    #[schemars(with = "Vec<String>")]
    pub allowed: Vec<IpNet>,
    /// How far the shop is open.
    pub mode: mode::Config,
    /// Methods that are passed on; any other is answered 405.
    pub methods: Vec<String>,
    /// Requests that only some may make; the first rule that fits one that it keeps out counts.
    pub rules: Vec<rules::RuleConfig>,
    /// Budgets; the first whose methods and paths fit a request counts it.
    pub rate_limits: Vec<RateLimitConfig>,
    /// The keys that sign session cookies, as the origin uses them; made when missing.
    pub session_keys_file: PathBuf,
    /// Clients remembered for each budget.
    pub rate_limit_clients_max: u64,
    /// Sites whose pages may use the API.
    pub cors: cors::Config,
}

impl Config {
    /// Reports impossible values under `path`.
    pub fn check(&self, path: &str, problems: &mut Problems) {
        self.check_methods(&format!("{path}.methods"), problems);
        for (key, networks) in [
            ("trusted_proxies", &self.trusted_proxies),
            ("blocked", &self.blocked),
            ("allowed", &self.allowed),
        ] {
            rules::check_networks(networks, &format!("{path}.{key}"), problems);
        }
        for (index, limit) in self.rate_limits.iter().enumerate() {
            let at = format!("{path}.rate_limits.{index}");
            limit.check(&at, problems);
            let mut before = self.rate_limits[..index].iter();
            problems.require(
                before.all(|other| other.name != limit.name),
                format!("{at}.name"),
                format!("{:?} is the name of another budget", limit.name),
            );
        }
        problems.require(
            self.rate_limit_clients_max >= CLIENTS_MIN,
            format!("{path}.rate_limit_clients_max"),
            format!(
                "must be at least {CLIENTS_MIN}: who is forgotten for others has a whole budget again"
            ),
        );
        for (index, rule) in self.rules.iter().enumerate() {
            rule.check(&format!("{path}.rules.{index}"), problems);
        }
        self.mode.check(&format!("{path}.mode"), problems);
        self.cors.check(&format!("{path}.cors"), problems);
    }

    fn check_methods(&self, path: &str, problems: &mut Problems) {
        problems.require(
            !self.methods.is_empty(),
            path,
            "needs at least one: without any, everything is answered 405",
        );
        method_names::check(&self.methods, path, problems);
        for (index, method) in self.methods.iter().enumerate() {
            problems.require(
                method != "CONNECT" && method != "TRACE",
                format!("{path}.{index}"),
                format!("{method:?} is not a method that can be passed on"),
            );
        }
    }

    /// Reads the files that are named here and are there; makes none.
    ///
    /// # Errors
    /// Which cannot be read or understood, and why.
    pub fn check_files(&self) -> io::Result<()> {
        let keys = Keys::read(&self.session_keys_file);
        keys.map(drop).map_err(|error| self.of_session_keys(&error))
    }

    fn of_session_keys(&self, error: &io::Error) -> io::Error {
        let file = self.session_keys_file.display();
        let text = format!("{file} (admit.session_keys_file): {error}");
        io::Error::new(error.kind(), text)
    }
}

/// A request, as far as this stage looks at it.
pub struct Visitor<'a> {
    /// Method.
    pub method: &'a Method,
    /// Path.
    pub path: &'a str,
    /// The client.
    pub address: Option<IpAddr>,
    /// Its fields.
    pub headers: &'a HeaderMap,
}

/// Fields of an answer.
pub type Fields = Vec<(HeaderName, HeaderValue)>;

/// What becomes of a request.
pub enum Admission<'a> {
    /// It passes; its answer carries these fields.
    Passes(Fields),
    /// It does not; the reason is a metric label.
    Refused(Problem, &'a str),
    /// It was a preflight, and this is its answer's fields.
    Preflight(Fields),
}

/// The stage at work.
pub struct Admit {
    config: Config,
    clock: Clock,
    limiters: Vec<RateLimiter>,
    /// What the metric of refusals says of each budget.
    used_up: Vec<String>,
    session_keys: Keys,
    /// What the admin interface says of the mode.
    pub switch: Arc<Switch>,
}

impl Admit {
    /// With whole budgets.
    ///
    /// # Errors
    /// When the keys of the sessions cannot be read or made.
    pub fn new(config: Config, clock: Clock) -> io::Result<Self> {
        Self::after(config, clock, None)
    }

    /// With what clients had used of the budgets that have the same names as before.
    ///
    /// # Errors
    /// When the keys of the sessions cannot be read or made.
    pub fn after(config: Config, clock: Clock, before: Option<&Self>) -> io::Result<Self> {
        let session_keys = Keys::read_or_make(&config.session_keys_file)
            .map_err(|error| config.of_session_keys(&error))?;
        let limiter = |limit: &RateLimitConfig| {
            let window = Duration::from_millis(limit.window_ms);
            let budget = Budget {
                requests: limit.requests_max,
                window,
            };
            match before.and_then(|before| before.limiter(&limit.name)) {
                Some(known) => known.with_budget(budget),
                None => RateLimiter::new(budget, config.rate_limit_clients_max),
            }
        };
        let limiters = config.rate_limits.iter().map(limiter).collect();
        let names = config.rate_limits.iter().map(|limit| limit.name.clone());
        let used_up: Vec<_> = names.map(|name| format!("rate_limit:{name}")).collect();
        Ok(Self {
            config,
            clock,
            limiters,
            used_up,
            session_keys,
            switch: before
                .map(|before| Arc::clone(&before.switch))
                .unwrap_or_default(),
        })
    }

    fn limiter(&self, name: &str) -> Option<&RateLimiter> {
        let mut limits = self.config.rate_limits.iter();
        let place = limits.position(|limit| limit.name == name)?;
        self.limiters.get(place)
    }

    /// The client behind a connection.
    pub fn client(
        &self,
        connection: Option<IpAddr>,
        fields: &HeaderMap,
    ) -> client_address::ClientAddress {
        client_address::of(connection, fields, &self.config.trusted_proxies)
    }

    /// How far the shop is open now.
    pub fn mode(&self) -> Mode {
        self.switch.get().unwrap_or(self.config.mode.is)
    }

    /// Why a request is kept out whatever it asks for, with a metric label.
    fn keeps_out(&self, visitor: &Visitor<'_>) -> Option<(Problem, &'static str)> {
        let (config, address) = (&self.config, visitor.address);
        let forbidden =
            |code, detail| Some((Problem::new(StatusCode::FORBIDDEN, code, detail), code));
        if rules::is_among(&config.blocked, address) {
            return forbidden("blocked", "This address is blocked.");
        }
        if !config.allowed.is_empty() && !rules::is_among(&config.allowed, address) {
            return forbidden(
                "not_allowed",
                "This address is not among those that may come in.",
            );
        }
        if let Some(problem) = rules::refusal(&config.rules, visitor) {
            return Some((problem, "rule"));
        }
        config
            .mode
            .refuses(self.mode(), visitor.method, visitor.path)
    }

    /// Decides on one request.
    pub fn decide(&self, visitor: &Visitor<'_>) -> Admission<'_> {
        if let Some((problem, reason)) = self.keeps_out(visitor) {
            return Admission::Refused(problem, reason);
        }
        if let Some(fields) = cors::preflight(&self.config.cors, visitor.method, visitor.headers) {
            return Admission::Preflight(fields);
        }
        if !self
            .config
            .methods
            .iter()
            .any(|method| method == visitor.method.as_str())
        {
            let problem = Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "This method is not offered.",
            );
            let allow = HeaderValue::from_str(&self.config.methods.join(", ")).ok();
            return Admission::Refused(problem.with(http::header::ALLOW, allow), "method");
        }
        let mut fields = cors::fields(&self.config.cors, visitor.headers);
        match self.limit(visitor) {
            Some(Ok(limited)) => fields.extend(limited),
            Some(Err((problem, reason))) => return Admission::Refused(*problem, reason),
            None => {}
        }
        Admission::Passes(fields)
    }

    /// Whose session a request has, by its cookie alone.
    pub fn account(&self, fields: &HeaderMap) -> Option<u64> {
        let now = self.clock.now_microseconds() / 1_000_000;
        let names = [CUSTOMER_COOKIE, STAFF_COOKIE].into_iter();
        let mut values = names.filter_map(|name| session_cookie::value_of(fields, name));
        let cookie = values.find_map(|value| self.session_keys.verify(value, now))?;
        u64::from_str_radix(&cookie.bucket, 16).ok()
    }

    /// Counts the request in its budget, if it has one and an address.
    fn limit(&self, visitor: &Visitor<'_>) -> Option<Result<Fields, (Box<Problem>, &str)>> {
        let place = self
            .config
            .rate_limits
            .iter()
            .position(|limit| limit.fits(visitor.method, visitor.path))?;
        let (limit, limiter) = (
            self.config.rate_limits.get(place)?,
            self.limiters.get(place)?,
        );
        let account = if limit.by_session {
            self.account(visitor.headers)
        } else {
            None
        };
        let client = match account {
            Some(account) => Client::Account(account),
            None => Client::Address(client_address::limit_key(visitor.address?)),
        };
        let verdict = limiter.check(client, self.clock.now_microseconds());
        let seconds = |time: Duration| time.as_secs() + u64::from(time.subsec_nanos() > 0);
        let policy = format!(
            "\"{}\";q={};w={}",
            limit.name,
            limit.requests_max,
            limit.window_ms / 1000
        );
        let state = format!(
            "\"{}\";r={};t={}",
            limit.name,
            verdict.remaining,
            seconds(verdict.reset)
        );
        let fields: Vec<_> = [
            (headers::RATE_LIMIT_POLICY, policy),
            (headers::RATE_LIMIT, state),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, HeaderValue::from_str(&value).ok()?)))
        .collect();
        if verdict.passes {
            return Some(Ok(fields));
        }
        let detail = "Too many requests from here; please wait a moment.";
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail);
        let retry = u32::try_from(seconds(verdict.retry_after).max(1)).unwrap_or(u32::MAX);
        let problem = fields
            .into_iter()
            .fold(problem.retry_after(retry), |problem, (name, value)| {
                problem.with(name, Some(value))
            });
        let reason = self.used_up.get(place).map_or("rate_limit", String::as_str);
        Some(Err((Box::new(problem), reason)))
    }
}
