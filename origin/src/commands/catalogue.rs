//! `seed`, `product` and `stock`: the catalogue from the command line, in a process of its own.

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;

use crate::commerce::availability::Availability;
use crate::commerce::money::Paise;
use crate::commerce::products::{Product, ProductPatch};
use crate::commerce::seed;
use crate::commerce::stock::StockAdjustment;
use crate::config::Config;
use crate::database::{Database, Replace};

/// What `seed` takes.
#[derive(Args)]
pub(super) struct Seed {
    /// How many products: 1 to 100000.
    #[arg(long, default_value_t = 150, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    products: u32,
    /// The same number makes the same catalogue.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Remove the catalogue that is there.
    #[arg(long)]
    replace: bool,
    /// Leave without an error when a catalogue is there.
    #[arg(long, conflicts_with = "replace")]
    if_empty: bool,
}

/// What can be done to a product.
#[derive(Subcommand)]
pub(super) enum ProductVerb {
    /// Set the price.
    SetPrice {
        /// Id, slug or SKU.
        product: String,
        /// Whole paise: 800 is ₹8.00.
        price_paise: i64,
    },
}

/// What can be done to a stock.
#[derive(Subcommand)]
pub(super) enum StockVerb {
    /// Make it so many pieces.
    Set {
        /// Id, slug or SKU.
        product: String,
        /// Pieces.
        pieces: i64,
        /// Why; stands in the ledger.
        #[arg(long, default_value = "correction")]
        reason: String,
    },
}

pub(super) async fn seed(config: &Config, options: &Seed) -> anyhow::Result<()> {
    let database = super::open(config).await?;
    if !options.replace && !database.is_catalogue_empty().await? {
        if options.if_empty {
            println!("a catalogue is there; nothing was changed");
            return Ok(());
        }
        bail!("the database already holds a catalogue; --replace removes it and its stock ledger");
    }
    let style = ProgressStyle::with_template("{msg:24} {bar:40} {pos}/{len}")?;
    let bar = ProgressBar::new(u64::from(options.products))
        .with_style(style)
        .with_message("making products");
    let made = seed::catalogue(options.products, options.seed, || bar.inc(1));
    let pictures = config.assets.uploads_dir.join("pictures");
    bar.set_message("drawing pictures");
    bar.set_length(made.pictures.len() as u64);
    bar.set_position(0);
    seed::write_pictures(&pictures, &made.pictures, || bar.inc(1))
        .with_context(|| format!("cannot write pictures to {}", pictures.display()))?;
    bar.set_message("writing");
    let replace = if options.replace {
        Replace::Existing
    } else {
        Replace::Nothing
    };
    let now = Timestamp::now();
    database.write_catalogue(&made.batch, replace, now).await?;
    if database.shop_settings().await?.is_none() {
        database
            .put_shop_settings(&seed::shop_settings(), None, now)
            .await?;
    }
    bar.finish_and_clear();
    println!(
        "{} products, {} categories, {} bundles and gift boxes, {} pictures",
        made.batch.products.len(),
        made.batch.categories.len(),
        made.batch.combos.len(),
        made.pictures.len()
    );
    Ok(())
}

async fn find(database: &Database, key: &str) -> anyhow::Result<Product> {
    let found = database.product_by_any_key(key).await?;
    found.with_context(|| format!("there is no product with the id, slug or SKU {key:?}"))
}

pub(super) async fn product(config: &Config, verb: ProductVerb) -> anyhow::Result<()> {
    let ProductVerb::SetPrice {
        product,
        price_paise,
    } = verb;
    let database = super::open(config).await?;
    let before = find(&database, &product).await?;
    if price_paise <= 0 || price_paise > before.mrp.0 {
        bail!(
            "the price must be 1 to {} paise, the product's MRP",
            before.mrp.0
        );
    }
    let patch = ProductPatch {
        price: Some(Paise(price_paise)),
        ..ProductPatch::default()
    };
    let after = database
        .patch_product(&before.id, &patch, Some(before.version), Timestamp::now())
        .await?;
    println!(
        "{}: {} → {} paise",
        after.sku, before.price.0, after.price.0
    );
    Ok(())
}

pub(super) async fn stock(config: &Config, verb: StockVerb) -> anyhow::Result<()> {
    let StockVerb::Set {
        product,
        pieces,
        reason,
    } = verb;
    let database = super::open(config).await?;
    let found = find(&database, &product).await?;
    let adjustment = StockAdjustment::To(pieces);
    let adjusted = database
        .adjust_stock(&found.id, adjustment, &reason, Timestamp::now())
        .await?;
    let word = |word: Availability| word.as_str();
    println!(
        "{}: {} pieces, {} → {}",
        found.sku,
        pieces,
        word(adjusted.before),
        word(adjusted.after)
    );
    Ok(())
}
