//! The shop's settings.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use super::{Answer, Sqlite, changes, rows};
use crate::commerce::changes::NewChange;
use crate::commerce::shop::ShopSettings;
use crate::database::error::version_after;

impl Sqlite {
    /// See [`super::super::Database::shop_settings`].
    pub async fn shop_settings(&self) -> Answer<Option<ShopSettings>> {
        self.read(settings).await
    }

    /// See [`super::super::Database::put_shop_settings`].
    pub async fn put_shop_settings(
        &self,
        settings: &ShopSettings,
        expected_version: Option<i64>,
        at: Timestamp,
    ) -> Answer<ShopSettings> {
        let settings = settings.clone();
        self.write(move |connection| put(connection, settings, expected_version, at))
            .await
    }
}

fn settings(connection: &Connection) -> Answer<Option<ShopSettings>> {
    let mut statement = connection.prepare_cached("SELECT document FROM shop WHERE one = 1")?;
    let found: Option<String> = statement.query_row([], |row| row.get(0)).optional()?;
    found.map(|text| rows::document(&text)).transpose()
}

fn put(
    connection: &Connection,
    mut new: ShopSettings,
    expected_version: Option<i64>,
    at: Timestamp,
) -> Answer<ShopSettings> {
    let actual = settings(connection)?.map_or(0, |settings| settings.version);
    new.version = version_after(actual, expected_version)?;
    connection
        .prepare_cached("INSERT OR REPLACE INTO shop (one, document) VALUES (1, ?1)")?
        .execute([rows::to_document(&new)?])?;
    let tags = vec!["shop".to_owned()];
    let change = NewChange {
        entity: "shop",
        entity_id: "shop".to_owned(),
        tags,
    };
    changes::append(connection, &change, at)?;
    Ok(new)
}
