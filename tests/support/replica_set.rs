//! A replica set of three real MongoDB servers, whose primary can be made to step down.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use mongodb::bson::{Document, doc};

use crate::mongod::{Hears, Mongod, glance};
use crate::process::PATIENCE;

/// Three servers.
pub struct ReplicaSet(Vec<Mongod>);

impl ReplicaSet {
    /// Starts three servers and waits for a primary; `None` where there is no binary. Not for a runtime's own threads.
    ///
    /// # Errors
    /// When there is no primary in time.
    pub fn start() -> Result<Option<Self>> {
        let mut members = Vec::new();
        for _ in 0..3 {
            let Some(member) = Mongod::spawn()? else {
                return Ok(None);
            };
            members.push(member);
        }
        let set = Self(members);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(set.initiate())?;
        Ok(Some(set))
    }

    /// Where to reach it.
    pub fn uri(&self) -> String {
        let hosts: Vec<_> = self.0.iter().map(Mongod::host).collect();
        format!("mongodb://{}/?replicaSet=crackers", hosts.join(","))
    }

    /// Makes the primary step down, and waits until there is another.
    ///
    /// # Errors
    /// When there is no other in time.
    pub async fn step_down(&self) -> Result<()> {
        let deadline = Instant::now() + 2 * PATIENCE;
        let before = loop {
            let before = self.primary().await?;
            let admin = glance(&before).await?.database("admin");
            // Who stepped down stands back for five seconds: after two of them in a row nobody may be there to take over yet. On a
            // busy machine it may also have stepped down by itself meanwhile.
            let command = doc! { "replSetStepDown": 5, "secondaryCatchUpPeriodSecs": 4 };
            match admin.run_command(command).await {
                Ok(_) => break before,
                Err(error) if Instant::now() > deadline => return Err(error.into()),
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        };
        while Instant::now() < deadline {
            if self.primary().await? != before {
                return Ok(());
            }
        }
        bail!("the primary did not step down")
    }

    /// Lets the primary go on for so long with nobody hearing what it writes, and kills it. Another takes over; then it comes
    /// back, and gives up what only it has.
    ///
    /// # Errors
    /// When nobody takes over, or it does not come back.
    pub async fn lose_primary_unheard(&self, unheard: Duration) -> Result<()> {
        let before = self.primary().await?;
        let (primary, others): (Vec<_>, Vec<_>) =
            self.0.iter().partition(|member| member.host() == before);
        let primary = primary.first().context("no primary")?;
        for other in &others {
            other.hear_others(Hears::Nothing).await?;
        }
        tokio::time::sleep(unheard).await;
        tokio::task::block_in_place(|| primary.kill())?;
        for other in &others {
            other.hear_others(Hears::Everything).await?;
        }
        self.primary().await?;
        primary.launch()?;
        let deadline = Instant::now() + 2 * PATIENCE;
        while Instant::now() < deadline {
            let admin = glance(&before).await?.database("admin");
            let hello = admin.run_command(doc! { "hello": 1 }).await;
            let follows = |hello: Document| hello.get_bool("secondary").unwrap_or(false);
            if hello.is_ok_and(follows) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bail!("who was the primary does not follow the next one")
    }

    async fn initiate(&self) -> Result<()> {
        let member = |(id, host): (usize, String)| doc! { "_id": i64::try_from(id).unwrap_or(0), "host": host };
        let hosts = self.0.iter().map(Mongod::host).enumerate();
        let members: Vec<Document> = hosts.map(member).collect();
        let settings = doc! { "electionTimeoutMillis": 2_000, "heartbeatIntervalMillis": 500 };
        let config = doc! { "_id": "crackers", "members": members, "settings": settings };
        let first = self.0.first().context("no member")?.host();
        let admin = glance(&first).await?.database("admin");
        let deadline = Instant::now() + PATIENCE;
        // All three must answer before it can be initiated.
        while let Err(error) = admin.run_command(doc! { "replSetInitiate": &config }).await {
            if Instant::now() > deadline {
                return Err(error.into());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        self.primary().await.map(|_| ())
    }

    /// The host of the primary, once there is one.
    async fn primary(&self) -> Result<String> {
        let deadline = Instant::now() + 2 * PATIENCE;
        while Instant::now() < deadline {
            for member in &self.0 {
                let admin = glance(&member.host()).await?.database("admin");
                let hello = admin.run_command(doc! { "hello": 1 }).await;
                if hello.is_ok_and(|hello| hello.get_bool("isWritablePrimary").unwrap_or(false)) {
                    return Ok(member.host());
                }
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bail!("the set has no primary")
    }
}
