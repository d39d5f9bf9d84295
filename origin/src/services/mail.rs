//! Mail goes by SMTP; where no server is named, into a folder, for people who try the shop.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use lettre::message::{Mailbox, MultiPart};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crackers_shared::config_file::Problems;

use crate::commerce::mail::Mail;

/// Settings of mail.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The server, for example `smtps://user:password@mail.example.in` or `smtp://127.0.0.1:25`; none writes files.
    pub smtp_url: Option<String>,
    /// Whom mail is from.
    pub from: String,
    /// Where mail is written while no server is named.
    pub folder: PathBuf,
    /// The longest wait for the server, in milliseconds.
    pub timeout_ms: u64,
}

impl Config {
    /// Reports impossible values under `path`.
    pub fn check(&self, path: &str, problems: &mut Problems) {
        problems.require(
            self.from.parse::<Mailbox>().is_ok(),
            format!("{path}.from"),
            "must be a mail address, for example \"Crackers <shop@example.in>\"",
        );
        problems.require(
            self.smtp_url
                .as_deref()
                .is_none_or(|url| AsyncSmtpTransport::<Tokio1Executor>::from_url(url).is_ok()),
            format!("{path}.smtp_url"),
            "must begin with smtp:// or smtps:// and name a server",
        );
        problems.require(
            self.timeout_ms > 0,
            format!("{path}.timeout_ms"),
            "must be at least 1",
        );
    }
}

/// The way that mail goes.
pub enum Mailer {
    /// To a server.
    Smtp(AsyncSmtpTransport<Tokio1Executor>, Mailbox),
    /// Into a folder.
    Folder(PathBuf, Mailbox),
}

impl Mailer {
    /// The way that the settings name.
    ///
    /// # Errors
    /// When they cannot be used; [`Config::check`] has said so before.
    pub fn new(config: &Config) -> anyhow::Result<Self> {
        let from = config.from.parse()?;
        let Some(url) = &config.smtp_url else {
            return Ok(Self::Folder(config.folder.clone(), from));
        };
        let timeout = Duration::from_millis(config.timeout_ms);
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url)?;
        Ok(Self::Smtp(transport.timeout(Some(timeout)).build(), from))
    }

    /// Sends a mail: when this answers, somebody else has it.
    ///
    /// # Errors
    /// Why it was not taken.
    pub async fn send(&self, mail: &Mail) -> anyhow::Result<()> {
        let (Self::Smtp(_, from) | Self::Folder(_, from)) = self;
        let mut message = Message::builder();
        if let Some(answers_to) = &mail.answers_to {
            message = message.reply_to(answers_to.parse().context("the address for answers")?);
        }
        let message = message
            .from(from.clone())
            .to(mail.to.parse().context("the address")?)
            .subject(&mail.subject)
            // The same each time it is sent, so that a mail that arrives twice can be told.
            .message_id(Some(format!("<{}@crackers>", mail.id)))
            .multipart(MultiPart::alternative_plain_html(
                mail.text.clone(),
                mail.html.clone(),
            ))?;
        match self {
            Self::Smtp(transport, _) => {
                transport.send(message).await?;
            }
            Self::Folder(folder, _) => {
                tokio::fs::create_dir_all(folder).await?;
                let file = folder.join(format!("{}.eml", mail.id));
                tokio::fs::write(&file, message.formatted()).await?;
                tracing::info!(file = %file.display(), "a mail was written: no services.mail.smtp_url is set");
            }
        }
        Ok(())
    }
}
