//! A small bucket that speaks S3's protocol: it checks every signature itself (Signature Version 4 in the query, as the
//! specification says it is made), keeps objects in memory, and can fail, be slow, or lose its answers.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use bytes::Bytes;
use crackers_shared::request_id::hexadecimal;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{Method, Request};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};

pub use crate::peer::Mood;
use crate::peer::serve;

const KEY: (&str, &str) = ("the-key-of-the-shop", "the secret/of+the shop");
const REGION: &str = "ap-south-1";
const NAME: &str = "pictures-of-the-shop";

struct Object {
    body: Bytes,
    put_at: Timestamp,
}

#[derive(Default)]
struct State {
    moods: VecDeque<Mood>,
    is_down: bool,
    requests: u32,
    forged: u32,
    objects: BTreeMap<String, Object>,
}

/// The bucket.
#[derive(Clone)]
pub struct Bucket {
    /// Where the service is.
    pub url: String,
    state: Arc<Mutex<State>>,
}

impl Bucket {
    /// An empty bucket on a free port; it ends with the test's runtime.
    ///
    /// # Errors
    /// When it cannot listen.
    pub async fn start() -> Result<Self> {
        let state: Arc<Mutex<State>> = Arc::default();
        let served = Arc::clone(&state);
        let url = serve(move |request| answer(Arc::clone(&served), request)).await?;
        Ok(Self { url, state })
    }

    /// What an origin's configuration says of it; `calls` is laid over how it is called.
    pub fn settings(&self, calls: &str) -> String {
        format!(
            "services: {{objects: {{kind: s3, s3: {{endpoint: '{}', region: {REGION}, bucket: {NAME}, access_key_id: {}, \
             secret_access_key: {{value: '{}'}}, calls: {{backoff_ms: 10, {calls}}}}}}}}}\n",
            self.url, KEY.0, KEY.1
        )
    }

    /// How it takes the next requests, one after the other.
    pub fn next(&self, moods: &[Mood]) {
        lock(&self.state).moods.extend(moods);
    }

    /// Whether it fails whatever it is asked for.
    pub fn set_down(&self, is_down: bool) {
        lock(&self.state).is_down = is_down;
    }

    /// Puts an object there that was written so many hours ago, or takes one that is there for as old.
    pub fn put_old(&self, key: &str, hours: i64) {
        let put_at = Timestamp::now() - SignedDuration::from_hours(hours);
        let mut state = lock(&self.state);
        let before = state.objects.remove(key);
        let body = before.map_or_else(Bytes::new, |object| object.body);
        put(&mut state, key, body, put_at);
    }

    /// The keys of all objects, in order.
    pub fn keys(&self) -> Vec<String> {
        lock(&self.state).objects.keys().cloned().collect()
    }

    /// How many requests have reached it, and how many of them had no good signature.
    pub fn requests_and_forged(&self) -> (u32, u32) {
        let state = lock(&self.state);
        (state.requests, state.forged)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn answer(state: Arc<Mutex<State>>, request: Request<Bytes>) -> (u16, Bytes) {
    let mood = {
        let mut state = lock(&state);
        state.requests += 1;
        let next = state.moods.pop_front().unwrap_or_default();
        if state.is_down { Mood::Fails } else { next }
    };
    mood.take(|| carry_out(&state, &request)).await
}

fn carry_out(state: &Mutex<State>, request: &Request<Bytes>) -> (u16, Bytes) {
    let mut state = lock(state);
    let folder = format!("/{NAME}/");
    let key = request.uri().path().strip_prefix(&folder);
    let Some(key) = key.filter(|_| is_signed(request)) else {
        state.forged += 1;
        return (
            403,
            Bytes::from_static(b"<Error><Code>SignatureDoesNotMatch</Code></Error>"),
        );
    };
    match *request.method() {
        Method::PUT => {
            put(&mut state, key, request.body().clone(), Timestamp::now());
            (200, Bytes::new())
        }
        Method::GET if key.is_empty() => (200, list(&state, request).into()),
        Method::GET => match state.objects.get(key) {
            Some(object) => (200, object.body.clone()),
            None => (
                404,
                Bytes::from_static(b"<Error><Code>NoSuchKey</Code></Error>"),
            ),
        },
        Method::DELETE => {
            state.objects.remove(key);
            (204, Bytes::new())
        }
        _ => (405, Bytes::new()),
    }
}

fn put(state: &mut State, key: &str, body: Bytes, put_at: Timestamp) {
    let object = Object { body, put_at };
    state.objects.insert(key.to_owned(), object);
}

/// Objects in order of their keys, but for those in folders, two at a time: everybody has to come back.
fn list(state: &State, request: &Request<Bytes>) -> String {
    let query = request.uri().query().unwrap_or_default();
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let after = pairs.find(|(name, _)| *name == "start-after");
    let after = after.map_or("", |(_, value)| value);
    let own = state.objects.iter();
    let own = own.filter(|(key, _)| key.as_str() > after && !key.contains('/'));
    let own: Vec<_> = own.take(3).collect();
    let listed = own.iter().take(2).map(|(key, object)| {
        let at = object.put_at;
        format!("<Contents><Key>{key}</Key><LastModified>{at}</LastModified></Contents>")
    });
    let more = if own.len() > 2 {
        "<IsTruncated>true</IsTruncated><NextContinuationToken>more</NextContinuationToken>"
    } else {
        "<IsTruncated>false</IsTruncated>"
    };
    format!(
        "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>{NAME}</Name>{}{more}</ListBucketResult>",
        listed.collect::<String>()
    )
}

/// Whether the query holds the signature that the specification asks for, over this very request.
fn is_signed(request: &Request<Bytes>) -> bool {
    let query = request.uri().query().unwrap_or_default();
    let (signed, given): (Vec<_>, Vec<_>) = query
        .split('&')
        .partition(|pair| !pair.starts_with("X-Amz-Signature="));
    let mut signed = signed;
    signed.sort_unstable();
    let value = |name: &str| {
        let mut pairs = signed.iter().filter_map(|pair| pair.split_once('='));
        pairs.find(|pair| pair.0 == name).map_or("", |pair| pair.1)
    };
    let date = value("X-Amz-Date");
    let Some(day) = date.get(..8) else {
        return false;
    };
    let scope = format!("{day}/{REGION}/s3/aws4_request");
    let credential = format!("{}/{scope}", KEY.0).replace('/', "%2F");
    if value("X-Amz-Credential") != credential || value("X-Amz-SignedHeaders") != "host" {
        return false;
    }
    let host = request.headers().get("host");
    let canonical = format!(
        "{}\n{}\n{}\nhost:{}\n\nhost\nUNSIGNED-PAYLOAD",
        request.method(),
        request.uri().path(),
        signed.join("&"),
        host.and_then(|host| host.to_str().ok()).unwrap_or_default()
    );
    let hash = hexadecimal(&Sha256::digest(canonical.as_bytes()));
    let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{hash}");
    let mut key = format!("AWS4{}", KEY.1).into_bytes();
    for part in [day, REGION, "s3", "aws4_request", &to_sign] {
        key = keyed(&key, part);
    }
    given == [format!("X-Amz-Signature={}", hexadecimal(&key))]
}

fn keyed(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of every length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}
