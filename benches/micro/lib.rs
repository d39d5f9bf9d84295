//! What the benches of both databases begin with.

use crackers_origin::commerce::ids;
use crackers_origin::config::{Config, DEFAULTS};
use crackers_origin::database::settings::{self, Kind};

/// Measures with a new database of each kind, for each of these sizes. Without a server as for the tests, only SQLite is
/// measured.
///
/// # Panics
/// When there is no folder for SQLite.
pub fn on_both_databases(sizes: &[u32], mut measure: impl FnMut(&settings::Config, u32)) {
    let defaults: Config = serde_yaml::from_str(DEFAULTS).expect("the defaults parse");
    let folder = tempfile::tempdir().expect("a folder");
    for &size in sizes {
        let mut config = defaults.database.clone();
        config.sqlite.file = folder.path().join(format!("{size}.sqlite"));
        measure(&config, size);
        if let Some(uri) = crackers_tests::mongod::shared_uri() {
            config.kind = Kind::Mongodb;
            config.mongodb.uri = uri;
            config.mongodb.database = format!("bench_{}", ids::unguessable());
            measure(&config, size);
        }
    }
}
