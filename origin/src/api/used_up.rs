//! Limits on tries that are used up. The database alone counts, in the write that each try belongs to; where a Redis is configured it keeps
//! until when the count stands at its end, so that whoever goes on trying takes up no question of the database, at whichever
//! origin. Forgotten there or gone, the database is asked and says the same.

use jiff::Timestamp;

use crate::app::App;
use crate::database::Answer;

/// What is limited.
#[derive(Clone, Copy, Debug)]
pub(super) enum Limit<'a> {
    /// Codes mailed to an address.
    Codes(&'a str),
    /// Wrong log-ins of staff from the addresses of a slot.
    LogIns(&'a str),
}

impl Limit<'_> {
    /// Its word in the metrics.
    fn word(self) -> &'static str {
        match self {
            Self::Codes(_) => "codes",
            Self::LogIns(_) => "log_ins",
        }
    }

    /// Its name in Redis, which learns nobody's address.
    fn name(self, app: &App) -> String {
        let (Self::Codes(of) | Self::LogIns(of)) = self;
        let word = self.word();
        format!("{word}:{}", app.session_keys.hash("used_up", of))
    }

    fn count(self, app: &App, by: &str) {
        let refused = &app.metrics.limits_used_up;
        refused.with_label_values(&[self.word(), by]).inc();
    }

    /// Whether it is known to be used up, without asking the database.
    pub(super) async fn is_used_up(self, app: &App) -> Answer<bool> {
        let Some(redis) = &app.redis else {
            return Ok(false);
        };
        let database_id = app.database.database_id().await?;
        let until = redis.used_up_until(&database_id, &self.name(app)).await;
        if until.is_some() {
            self.count(app, "redis");
        }
        Ok(until.is_some())
    }

    /// Lets every origin know what the database has counted.
    pub(super) async fn used_up(self, app: &App, until: Timestamp) -> Answer<()> {
        self.count(app, "database");
        if let Some(redis) = &app.redis {
            let database_id = app.database.database_id().await?;
            let until = until.as_microsecond();
            let name = self.name(app);
            redis.keep_used_up(&database_id, &name, until).await;
        }
        Ok(())
    }
}
