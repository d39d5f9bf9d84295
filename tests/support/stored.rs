//! What a shop's database holds, byte by byte, as somebody sees who has stolen it.

use std::path::Path;

use anyhow::{Context as _, Result};
use futures_util::TryStreamExt as _;
use mongodb::bson::Document;

use crate::stack::Stack;

/// Everything that the database of a shop holds: the files of SQLite, the log of writes included, as they are; every document
/// of MongoDB as text.
///
/// # Errors
/// When it cannot be read.
pub async fn everything(shop: &Stack) -> Result<Vec<u8>> {
    let own = std::fs::read_to_string(shop.folder.path().join("origin-own.yaml"))?;
    let own: serde_yaml::Value = serde_yaml::from_str(&own)?;
    match own["database"]["mongodb"]["uri"].as_str() {
        None => files(&shop.folder.path().join("data")),
        Some(uri) => {
            let name = own["database"]["mongodb"]["database"].as_str();
            documents(uri, name.context("no database")?).await
        }
    }
}

/// Whether a text stands in what was read.
pub fn holds(everything: &[u8], text: &str) -> bool {
    let mut windows = everything.windows(text.len());
    windows.any(|window| window == text.as_bytes())
}

fn files(folder: &Path) -> Result<Vec<u8>> {
    let mut read = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().context("no name")?.to_string_lossy();
        if name.contains(".sqlite") {
            read.extend(std::fs::read(&path)?);
        }
    }
    Ok(read)
}

async fn documents(uri: &str, name: &str) -> Result<Vec<u8>> {
    let database = mongodb::Client::with_uri_str(uri).await?.database(name);
    let mut read = Vec::new();
    for collection in database.list_collection_names().await? {
        let found = database.collection::<Document>(&collection);
        let mut found = found.find(Document::new()).await?;
        while let Some(document) = found.try_next().await? {
            // Not `Debug`: what it escapes would not be found.
            read.extend(serde_json::to_vec(&document)?);
            read.push(b'\n');
        }
    }
    Ok(read)
}
