//! What every database promises, asked of both. One function a promise.
#![allow(clippy::panic, clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "database_contract/abandoned.rs"]
mod abandoned;
#[path = "database_contract/basis.rs"]
mod basis;
#[path = "database_contract/batches.rs"]
mod batches;
#[path = "database_contract/catalogue.rs"]
mod catalogue;
#[path = "database_contract/codes.rs"]
mod codes;
#[path = "database_contract/failures.rs"]
mod failures;
#[path = "database_contract/interleaving.rs"]
mod interleaving;
#[path = "database_contract/limits.rs"]
mod limits;
#[path = "database_contract/many.rs"]
mod many;
#[path = "database_contract/migrations.rs"]
mod migrations;
#[path = "database_contract/model.rs"]
mod model;
#[path = "database_contract/orders.rs"]
mod orders;
#[path = "database_contract/promises.rs"]
mod promises;
#[path = "database_contract/ratings.rs"]
mod ratings;
#[path = "database_contract/records.rs"]
mod records;
#[path = "database_contract/refunds.rs"]
mod refunds;
#[path = "database_contract/staff.rs"]
mod staff;
#[path = "database_contract/stock.rs"]
mod stock;
#[path = "database_contract/windows.rs"]
mod windows;

use crackers_origin::commerce::seed;
use crackers_origin::database::settings::Config;
use crackers_origin::database::{Database, Replace};
use jiff::Timestamp;

/// An open database and what must live as long as it.
pub(crate) struct Opened {
    pub(crate) database: Database,
    pub(crate) config: Config,
    _folder: Option<tempfile::TempDir>,
}

/// The database's settings as they are by default.
fn defaults() -> Config {
    let whole: crackers_origin::config::Config =
        serde_yaml::from_str(crackers_origin::config::DEFAULTS).expect("the defaults parse");
    whole.database
}

pub(crate) async fn sqlite() -> Option<Opened> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut config = defaults();
    config.sqlite.file = folder.path().join("shop.sqlite");
    let database = Database::open(&config).await.expect("SQLite opens");
    Some(Opened {
        database,
        config,
        _folder: Some(folder),
    })
}

/// The settings of a database of its own on a server.
pub(crate) fn on_server(uri: String) -> Config {
    let mut config = defaults();
    config.kind = crackers_origin::database::settings::Kind::Mongodb;
    config.mongodb.uri = uri;
    config.mongodb.database = format!("test_{}", crackers_origin::commerce::ids::unguessable());
    config
}

/// A database of its own on the one server of this run; none where there is no server.
pub(crate) async fn mongodb() -> Option<Opened> {
    let config = on_server(crackers_tests::mongod::shared_uri()?);
    let database = Database::open(&config).await.expect("MongoDB opens");
    Some(Opened {
        database,
        config,
        _folder: None,
    })
}

impl Opened {
    /// With the sample catalogue in it.
    pub(crate) async fn seeded(self) -> Self {
        let made = seed::catalogue(150, 1, || ());
        let written =
            self.database
                .write_catalogue(&made.batch, Replace::Nothing, Timestamp::UNIX_EPOCH);
        written.await.expect("the catalogue is written");
        self
    }
}

/// Each promise as a test of both databases.
macro_rules! promised {
    ($($promise:ident)*) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $promise() {
                if let Some(opened) = crate::sqlite().await { crate::promises::$promise(opened).await }
            })*
        }
        mod on_mongodb {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $promise() {
                if let Some(opened) = crate::mongodb().await { crate::promises::$promise(opened).await }
            })*
        }
    };
}

promised! {
    pages_follow_filter_and_order_exactly
    products_are_found_by_every_key
    a_patch_counts_the_version_and_leaves_its_tags
    a_stale_version_is_refused_and_changes_nothing
    stock_never_becomes_negative_and_is_the_sum_of_its_ledger
    concurrent_adjustments_add_up
    only_a_changed_word_leaves_tags
    a_combo_is_as_available_as_its_scarcest_component
    a_catalogue_is_replaced_only_when_told
    settings_are_kept_and_counted
    the_sequence_has_no_gaps_under_concurrent_writers
    a_database_of_a_newer_program_is_refused
    two_programs_may_open_it_at_once
    an_order_made_from_what_has_changed_is_not_placed
    what_was_placed_is_answered_again_whatever_has_changed
    an_order_takes_all_of_its_lines_or_nothing
    orders_are_numbered_without_gaps_and_found_by_every_key
    the_same_key_places_one_order_however_often_it_is_sent
    a_rush_on_one_product_sells_exactly_what_there_is
    a_cancelled_order_gives_its_stock_back_once
    orders_that_were_not_paid_in_time_are_due
    any_interleaving_keeps_the_ledger_and_the_states
    records_are_found_by_id_and_by_every_key
    a_write_of_records_takes_every_step_or_none
    records_are_due_in_the_order_of_their_time
    concurrent_changes_of_a_record_all_count
    staff_add_and_replace_products_categories_and_combos
    a_coupon_is_used_as_often_as_it_may_be
    many_products_are_written_all_or_none
    many_stocks_are_adjusted_together_or_not_at_all
    staff_are_told_of_each_fall_of_a_stock_once
    orders_are_found_by_name_number_and_time
    orders_of_a_time_are_paged_newest_first
    keys_of_orders_are_forgotten_when_they_are_old_and_no_sooner
    super_admins_who_end_each_others_access_leave_one
    a_right_password_among_tries_at_one_moment_is_told_only_where_it_is_counted
    of_tries_at_the_same_moment_none_goes_uncounted
    a_mailed_code_lets_in_once_however_often_it_is_sent_at_once
    a_mailed_code_is_guessed_at_five_times_however_many_guess_at_once
    a_mailed_code_is_good_until_ten_minutes_are_over
    a_rating_is_counted_together_with_what_counts
    parts_of_a_payment_never_exceed_it_whoever_sends_them_back
    numbers_of_a_sequence_have_no_doubles
    records_are_counted_up_to_a_limit
}

#[tokio::test(flavor = "multi_thread")]
async fn both_databases_and_the_model_agree_on_random_operations() {
    // Fixed seeds: the same operations every time, on both databases side by side.
    for seed in 1..=6 {
        let opened = [sqlite().await, mongodb().await];
        model::run(seed, opened.into_iter().flatten().collect()).await;
    }
}
