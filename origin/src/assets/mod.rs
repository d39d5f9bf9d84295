//! Stage `assets`: the storefront's files, the catalogue's pictures and the HTML shell. Decides by path only; what a
//! page says of the shop comes from the database through [`page`].

mod files;
mod head;
mod page;

use std::path::PathBuf;
use std::sync::Arc;

use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crackers_shared::config_file::Problems;

use crate::api::{ApiError, Reply};
use crate::app::App;
pub use files::Assets;
pub use head::escape_html;

/// Settings of stage `assets`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The storefront's build.
    pub storefront_dir: PathBuf,
    /// Pictures and other uploads that the public may see.
    pub uploads_dir: PathBuf,
    /// How long files without a hash in their name may be kept by browsers and the edge, in seconds.
    pub static_cache_ttl_seconds: u32,
    /// The largest file that is served, in bytes.
    pub file_bytes_max: u64,
    /// Bytes of files kept in memory.
    pub files_bytes_max: u64,
}

impl Config {
    /// Reports impossible values under `path`.
    pub fn check(&self, path: &str, problems: &mut Problems) {
        problems.require(
            self.file_bytes_max > 0,
            format!("{path}.file_bytes_max"),
            "must be at least 1",
        );
    }
}

/// Answers a path that is not the API's: a file, a page of the storefront, or a page that says there is none.
///
/// # Errors
/// [`ApiError::NotFound`] for a missing file, and what the database failed with.
pub async fn answer(app: &Arc<App>, path: &str) -> Result<Reply, ApiError> {
    if let Some(name) = path.strip_prefix("/pictures/") {
        let uploads = app.config.assets.uploads_dir.join("pictures");
        return app
            .assets
            .file(app, &uploads, name, false)
            .await?
            .ok_or(ApiError::NotFound);
    }
    if let Some(name) = path.strip_prefix("/images/") {
        let found = app.assets.picture(app, name).await?;
        return found.ok_or(ApiError::NotFound);
    }
    let name = path.trim_start_matches('/');
    let is_hashed = name.starts_with("assets/");
    if !name.is_empty() && name != "index.html" && last_segment(name).contains('.') {
        let root = &app.config.assets.storefront_dir;
        return app
            .assets
            .file(app, root, name, is_hashed)
            .await?
            .ok_or(ApiError::NotFound);
    }
    page::answer(app, path).await
}

fn last_segment(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

/// A page under an address where nothing is: the shell, so that a person sees the shop, with the status for machines.
fn not_found(reply: Reply) -> Reply {
    Reply {
        status: StatusCode::NOT_FOUND,
        etag: None,
        ..reply
    }
}
