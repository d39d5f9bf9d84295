//! Pictures of goods, as staff add, order, describe and remove them.

use http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;

use super::catalogue::{required, shown};
use super::{categories, combos, expected_version};
use crate::api::auth::wrong_field;
use crate::api::error::ApiError;
use crate::api::orders::conflict;
use crate::api::response::Reply;
use crate::api::routes::Call;
use crate::api::{body, uploads};
use crate::app::App;
use crate::commerce::categories::Category;
use crate::commerce::combos::{Combo, ComboKind};
use crate::commerce::ids;
use crate::commerce::images::{self, Drawn};
use crate::commerce::products::{Image, ImageSource};
use crate::database::DatabaseError;
use crate::services::objects::Room;

/// Pictures of one product.
const IMAGES_MAX: usize = 12;

/// Characters that say what a picture shows.
const ALT_MAX: usize = 200;

/// How often a picture is added anew when somebody else was faster.
const TRIES_MAX: u32 = 8;

/// Where public pictures are, as everybody asks for them.
const FOLDER: &str = "/images/";

/// Pictures of a product in their order; those that are left out are removed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImageOrder {
    /// At most 12, each of them there already.
    pub images: Vec<NamedImage>,
}

/// One picture that is there.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NamedImage {
    /// Its `url`.
    pub url: String,
    /// What it shows: at most 200 characters.
    pub alt: String,
}

fn alt_of(text: &str, place: &str) -> Result<String, ApiError> {
    let text = text.trim();
    if text.chars().count() > ALT_MAX || text.chars().any(char::is_control) {
        let detail = "expected at most 200 characters, no control characters";
        return Err(wrong_field(place, detail));
    }
    Ok(text.to_owned())
}

/// The picture of a request, drawn anew in every width and kept under names that nobody can guess.
async fn kept(call: &Call, shows: &str) -> Result<Image, ApiError> {
    let sent = uploads::sent(call).await?;
    let alt = alt_of(sent.alt.as_deref().unwrap_or(shows), "/alt")?;
    let drawn = uploads::drawn(call, sent.picture, images::draw_sizes).await?;
    let image = named(&drawn, alt);
    for (size, source) in drawn.sizes.into_iter().zip(&image.sources) {
        let name = source.url.trim_start_matches(FOLDER);
        let put = call.app.objects.put(Room::Public, name, size.file.into());
        if let Err(error) = put.await {
            remove(&call.app, &image).await;
            return Err(uploads::no_storage(&error));
        }
    }
    Ok(image)
}

/// A picture under a new name: what is there never changes.
fn named(drawn: &Drawn, alt: String) -> Image {
    let stem = ids::unguessable();
    let sources = drawn.sizes.iter().map(|size| ImageSource {
        url: format!("{FOLDER}{stem}-{}.jpg", size.width),
        width: size.width,
    });
    let sources: Vec<_> = sources.collect();
    let widest = drawn.sizes.last();
    Image {
        url: sources
            .last()
            .map_or_else(String::new, |source| source.url.clone()),
        width: widest.map_or(0, |size| size.width),
        height: widest.map_or(0, |size| size.height),
        alt,
        placeholder: drawn.colour.clone(),
        sources,
    }
}

/// Removes the files of a picture that nothing names any more. What others have kept of it is as public as it was.
async fn remove(app: &App, image: &Image) {
    for source in &image.sources {
        let name = source.url.trim_start_matches(FOLDER);
        app.objects.discard(Room::Public, name).await;
    }
}

fn too_many() -> ApiError {
    let detail = format!("A product has at most {IMAGES_MAX} pictures.");
    conflict("too_many_pictures", detail)
}

pub(in crate::api) async fn add(call: Call) -> Result<Reply, ApiError> {
    let product = required(&call).await?;
    if product.images.len() >= IMAGES_MAX {
        return Err(too_many());
    }
    let image = kept(&call, &product.name).await?;
    let added = added(&call, &image).await;
    // Where nobody knows whether it was written, a picture that nothing names is better than a name without one.
    if matches!(&added, Err(ApiError::Database(error)) if !error.is_of_the_database())
        || matches!(added, Err(ApiError::Refused { .. } | ApiError::NotFound))
    {
        remove(&call.app, &image).await;
    }
    let mut reply = added?;
    reply.status = StatusCode::CREATED;
    Ok(reply)
}

async fn added(call: &Call, image: &Image) -> Result<Reply, ApiError> {
    let database = &call.app.database;
    for _ in 0..TRIES_MAX {
        let mut product = required(call).await?;
        if product.images.len() >= IMAGES_MAX {
            return Err(too_many());
        }
        let (at, expected) = (call.app.clock.now(), product.version);
        product.images.push(image.clone());
        product.updated_at = at;
        match database.replace_product(&product, expected, at).await {
            Ok(changed) => return shown(call, &changed).await,
            Err(DatabaseError::VersionConflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(conflict(
        "changed",
        "Somebody else changes this product; please try again.".to_owned(),
    ))
}

pub(in crate::api) async fn arrange(call: Call) -> Result<Reply, ApiError> {
    let order: ImageOrder = body::json(&call)?;
    let expected = expected_version(&call)?;
    let mut product = required(&call).await?;
    let before = std::mem::take(&mut product.images);
    for (place, named) in order.images.iter().enumerate() {
        let is_again = order.images[..place].iter().any(|one| one.url == named.url);
        let found = before.iter().find(|one| one.url == named.url && !is_again);
        let unknown = || {
            let detail = "expected the url of a picture of this product, each once";
            wrong_field(&format!("/images/{place}/url"), detail)
        };
        product.images.push(Image {
            alt: alt_of(&named.alt, &format!("/images/{place}/alt"))?,
            ..found.ok_or_else(unknown)?.clone()
        });
    }
    let at = call.app.clock.now();
    product.updated_at = at;
    let database = &call.app.database;
    let changed = database.replace_product(&product, expected, at).await?;
    for gone in before {
        if !product.images.iter().any(|one| one.url == gone.url) {
            remove(&call.app, &gone).await;
        }
    }
    shown(&call, &changed).await
}

/// Of the files of two pictures, removes those that a write has left without a name: the picture that was there before, or the new
/// one where the write was refused.
async fn settled<T>(
    app: &App,
    written: Result<T, DatabaseError>,
    before: Option<&Image>,
    new: &Image,
) -> Result<T, ApiError> {
    let nameless = match &written {
        Ok(_) => before,
        Err(error) if error.is_of_the_database() => None,
        Err(_) => Some(new),
    };
    if let Some(image) = nameless {
        remove(app, image).await;
    }
    Ok(written?)
}

pub(in crate::api) async fn put_of_category(call: Call) -> Result<Reply, ApiError> {
    let expected = expected_version(&call)?;
    let before = categories::required(&call).await?;
    let image = kept(&call, &before.name).await?;
    let next = Category {
        image: Some(image.clone()),
        ..before.clone()
    };
    let (database, at) = (&call.app.database, call.app.clock.now());
    let written = database.put_category(&next, Some(expected), at).await;
    let changed = settled(&call.app, written, before.image.as_ref(), &image).await?;
    categories::shown(StatusCode::OK, &changed)
}

pub(super) async fn put_of_combo(call: Call, kind: ComboKind) -> Result<Reply, ApiError> {
    let expected = expected_version(&call)?;
    let before = combos::required(&call, kind).await?;
    let image = kept(&call, &before.name).await?;
    let next = Combo {
        image: Some(image.clone()),
        ..before.clone()
    };
    let (database, at) = (&call.app.database, call.app.clock.now());
    let written = database.put_combo(&next, Some(expected), at).await;
    let changed = settled(&call.app, written, before.image.as_ref(), &image).await?;
    combos::shown(StatusCode::OK, &changed)
}
