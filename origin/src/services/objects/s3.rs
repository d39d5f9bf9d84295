//! Files in a bucket, by S3's protocol: the library signs each address (Signature Version 4 in the query, good for minutes and
//! never given to anybody), the caller of all services fetches it. Everything here may be repeated: names are never used
//! twice, and what is removed stays so.

use std::io;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use prometheus::IntCounterVec;
use rusty_s3::actions::{DeleteObject, GetObject, ListObjectsV2, PutObject};
use rusty_s3::{Bucket, Credentials, S3Action as _, UrlStyle};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crackers_shared::{clock::Clock, config_file::Problems};

use super::{FILE_BYTES_MAX, PAGE_MAX, Page, PrivateFile, Room};
use crate::services::caller::{self, Caller};
use crate::services::secret::Secret;

/// How long a signed address is good: longer than all tries of one call.
const GOOD_FOR: Duration = Duration::from_secs(300);

/// Settings of a bucket.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the service is.
    pub endpoint: String,
    /// Its region.
    pub region: String,
    /// The bucket's name.
    pub bucket: Option<String>,
    /// Whether the bucket's name stands in the path, and not in the host.
    pub path_style: bool,
    /// The public half of the key.
    pub access_key_id: Option<String>,
    /// The secret half of the key.
    pub secret_access_key: Secret,
    /// How it is called.
    pub calls: caller::Config,
}

impl Config {
    pub(super) fn check(&self, path: &str, is_used: bool, problems: &mut Problems) {
        self.calls.check(&format!("{path}.calls"), problems);
        if !is_used {
            return;
        }
        let bucket = self.bucket();
        if let Err(error) = &bucket {
            problems.require(false, path.to_owned(), format!("{error:#}"));
        }
        for (key, is_there) in [
            ("access_key_id", self.access_key_id.is_some()),
            ("secret_access_key", self.secret_access_key.is_set()),
        ] {
            let path = format!("{path}.{key}");
            problems.require(is_there, path, "must be set for a bucket");
        }
    }

    fn bucket(&self) -> anyhow::Result<Bucket> {
        let name = self.bucket.clone().context("bucket must be set")?;
        let style = if self.path_style {
            UrlStyle::Path
        } else {
            UrlStyle::VirtualHost
        };
        let endpoint = self.endpoint.parse();
        let endpoint = endpoint.context(
            "endpoint must be an address, for example https://s3.ap-south-1.amazonaws.com",
        )?;
        Ok(Bucket::new(endpoint, style, name, self.region.clone())?)
    }
}

/// A bucket.
pub struct S3 {
    bucket: Bucket,
    credentials: Credentials,
    caller: Caller,
}

impl S3 {
    pub(super) fn new(config: &Config, clock: Clock, calls: IntCounterVec) -> anyhow::Result<Self> {
        let key = config.access_key_id.clone().unwrap_or_default();
        let secret = config.secret_access_key.read();
        Ok(Self {
            bucket: config.bucket()?,
            credentials: Credentials::new(key, secret.context("services.objects.s3")?),
            caller: Caller::new("objects", &config.calls, clock, calls)?,
        })
    }

    pub(super) async fn put(&self, key: &str, body: Bytes) -> io::Result<()> {
        let url = PutObject::new(&self.bucket, Some(&self.credentials), key).sign(GOOD_FOR);
        let answer = self.ask(Method::PUT, url.as_str(), body).await?;
        good(&answer)
    }

    pub(super) async fn get(&self, key: &str) -> io::Result<Option<Bytes>> {
        let url = GetObject::new(&self.bucket, Some(&self.credentials), key).sign(GOOD_FOR);
        let answer = self.ask(Method::GET, url.as_str(), Bytes::new()).await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        good(&answer)?;
        Ok(Some(answer.into_body()))
    }

    pub(super) async fn remove(&self, key: &str) -> io::Result<()> {
        let url = DeleteObject::new(&self.bucket, Some(&self.credentials), key).sign(GOOD_FOR);
        let answer = self.ask(Method::DELETE, url.as_str(), Bytes::new()).await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(());
        }
        good(&answer)
    }

    /// Private files in order of their names, after one of them.
    pub(super) async fn private(&self, after: String) -> io::Result<Page> {
        let mut asked = ListObjectsV2::new(&self.bucket, Some(&self.credentials));
        asked.with_max_keys(PAGE_MAX);
        // Public ones lie in a folder of their own.
        asked.with_delimiter("/");
        if !after.is_empty() {
            asked.with_start_after(after);
        }
        let url = asked.sign(GOOD_FOR);
        let answer = self.ask(Method::GET, url.as_str(), Bytes::new()).await?;
        good(&answer)?;
        let text = std::str::from_utf8(answer.body()).map_err(io::Error::other)?;
        let listed = ListObjectsV2::parse_response(text).map_err(io::Error::other)?;
        let last = listed.contents.last().map(|object| object.key.clone());
        let mut files = Vec::new();
        for object in listed.contents {
            let written_at = object.last_modified.as_deref().map(str::parse);
            let written_at = written_at.and_then(Result::ok);
            // One that says no time is never old.
            if let Some(written_at) = written_at
                && Room::Private.key(&object.key).is_some()
            {
                let name = object.key;
                files.push(PrivateFile { name, written_at });
            }
        }
        let next = last.filter(|_| listed.next_continuation_token.is_some());
        Ok(Page { files, next })
    }

    async fn ask(&self, method: Method, url: &str, body: Bytes) -> io::Result<Response<Bytes>> {
        let request = Request::builder().method(method).uri(url).body(body);
        let request = request.map_err(io::Error::other)?;
        let answer = self.caller.call(&request, FILE_BYTES_MAX).await;
        answer.map_err(io::Error::other)
    }
}

/// Refusals are said without the address, which holds a signature.
fn good(answer: &Response<Bytes>) -> io::Result<()> {
    if answer.status().is_success() {
        return Ok(());
    }
    let status = answer.status();
    Err(io::Error::other(format!("the bucket answered {status}")))
}
