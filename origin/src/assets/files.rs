//! Files from disk, kept in memory once read.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use moka::future::Cache;

use super::Config;
use crate::api::{ApiError, Caching, Reply, etag_of, uploads};
use crate::app::App;
use crate::services::objects::Room;

/// Files in memory. A hashed file never changes; others are read again after a short while.
pub struct Assets {
    kept: Cache<PathBuf, Reply>,
}

/// How long a file without a hash in its name is served before its disk copy is looked at again.
const LOOK_AGAIN: std::time::Duration = std::time::Duration::from_secs(2);

impl Assets {
    /// Nothing in memory yet.
    pub fn new(config: &Config) -> Self {
        let kept = Cache::builder()
            .max_capacity(config.files_bytes_max)
            .weigher(|path: &PathBuf, reply: &Reply| {
                u32::try_from(path.as_os_str().len() + reply.body.len() + 256).unwrap_or(u32::MAX)
            })
            .time_to_live(LOOK_AGAIN)
            .build();
        Self { kept }
    }

    /// The file `name` under `root`; `None` when there is none or the name leads elsewhere.
    ///
    /// # Errors
    /// [`ApiError::Internal`] when it cannot be read.
    pub async fn file(
        &self,
        app: &App,
        root: &Path,
        name: &str,
        is_hashed: bool,
    ) -> Result<Option<Reply>, ApiError> {
        let Some(path) = inside(root, name) else {
            return Ok(None);
        };
        if let Some(reply) = self.kept.get(&path).await {
            return Ok(Some(reply));
        }
        let config = &app.config.assets;
        let Some(body) = read(&path, config.file_bytes_max).await? else {
            return Ok(None);
        };
        let reply = Reply {
            status: http::StatusCode::OK,
            content_type: content_type(&path),
            etag: Some(etag_of(&body)),
            body: body.into(),
            stream: None,
            caching: if is_hashed {
                Caching::Immutable
            } else {
                Caching::File(config.static_cache_ttl_seconds)
            },
            tags: Arc::new(["assets".to_owned()]),
            set_cookie: None,
            file_name: None,
            sequence: app.answers.touched.last(),
        };
        self.kept.insert(path, reply.clone()).await;
        Ok(Some(reply))
    }
}

impl Assets {
    /// A picture that staff have sent; `None` when there is none. What is under a name never changes.
    ///
    /// # Errors
    /// [`ApiError::Internal`] when it cannot be read.
    pub async fn picture(&self, app: &App, name: &str) -> Result<Option<Reply>, ApiError> {
        let place = Path::new("/images").join(name);
        if let Some(reply) = self.kept.get(&place).await {
            return Ok(Some(reply));
        }
        let found = app.objects.get(Room::Public, name).await;
        let found = found.map_err(|error| uploads::no_storage(&error))?;
        let Some(body) = found else {
            return Ok(None);
        };
        let reply = Reply {
            status: http::StatusCode::OK,
            content_type: "image/jpeg",
            etag: Some(etag_of(&body)),
            body,
            stream: None,
            caching: Caching::Immutable,
            tags: Arc::new(["assets".to_owned()]),
            set_cookie: None,
            file_name: None,
            sequence: app.answers.touched.last(),
        };
        self.kept.insert(place, reply.clone()).await;
        Ok(Some(reply))
    }
}

/// The path of `name` under `root`; `None` for a name that is not a plain relative path.
fn inside(root: &Path, name: &str) -> Option<PathBuf> {
    let name = percent_encoding::percent_decode_str(name)
        .decode_utf8()
        .ok()?;
    let relative = Path::new(name.as_ref());
    let is_plain = relative.components().all(|part| match part {
        Component::Normal(part) => !part.to_string_lossy().starts_with('.'),
        _ => false,
    });
    (is_plain && !name.contains(['\0', '\\'])).then(|| root.join(relative))
}

async fn read(path: &Path, bytes_max: u64) -> Result<Option<Vec<u8>>, ApiError> {
    let failed = |error: std::io::Error| ApiError::internal(format!("{}: {error}", path.display()));
    match tokio::fs::metadata(path).await {
        Ok(metadata) if metadata.is_file() && metadata.len() <= bytes_max => {
            tokio::fs::read(path).await.map(Some).map_err(failed)
        }
        _ => Ok(None),
    }
}

fn content_type(path: &Path) -> &'static str {
    match path
        .extension()
        .and_then(|extension| extension.to_str())
        .unwrap_or_default()
    {
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "html" => "text/html; charset=utf-8",
        "svg" => "image/svg+xml",
        "json" => "application/json",
        "webmanifest" => "application/manifest+json",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_elsewhere_name_no_file() {
        let root = Path::new("/srv/shop");
        for name in [
            "../secret",
            "a/../../b",
            "/etc/passwd",
            "%2e%2e/secret",
            ".env",
            "a\\b",
            "a%00b",
            "a/.git/config",
        ] {
            assert_eq!(inside(root, name), None, "{name}");
        }
        assert_eq!(inside(root, "assets/a.js"), Some(root.join("assets/a.js")));
    }
}
