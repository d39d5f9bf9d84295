//! A mail server that takes what it gets, or takes it for a while and then refuses it, or never says a word.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;

use anyhow::Result;

use crate::process::{PATIENCE, free_port};

/// What a server does with mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Habit {
    /// Takes each one.
    Takes,
    /// Refuses the first one before it was read, as servers do with strangers, and takes the others.
    RefusesTheFirst,
    /// Reads each one whole and refuses it then, for now.
    ReadsAndRefuses,
    /// Takes one connection at a time and says nothing. [`TAKEN`] and [`LET_GO`] stand for mails.
    SaysNothing,
}

/// A server that says nothing was reached.
pub const TAKEN: &str = "taken";
/// Whoever had reached it went away.
pub const LET_GO: &str = "let go";

/// A server that speaks SMTP.
pub struct MailServer {
    port: u16,
    read: mpsc::Receiver<String>,
}

impl MailServer {
    /// Begins to listen.
    ///
    /// # Errors
    /// When it cannot.
    pub fn start(habit: Habit) -> Result<Self> {
        let port = free_port()?;
        let listener = TcpListener::bind(("127.0.0.1", port))?;
        let (sender, read) = mpsc::channel();
        std::thread::spawn(move || {
            for (number, connection) in listener.incoming().enumerate() {
                let Ok(connection) = connection else { return };
                if habit == Habit::SaysNothing {
                    hold(connection, &sender);
                    continue;
                }
                let is_refused = habit == Habit::RefusesTheFirst && number == 0;
                if let Some(mail) = talk(connection, is_refused, habit)
                    && sender.send(mail).is_err()
                {
                    return;
                }
            }
        });
        Ok(Self { port, read })
    }

    /// Settings of an origin that sends its mail here.
    pub fn settings(&self) -> String {
        format!(
            "services: {{mail: {{smtp_url: 'smtp://127.0.0.1:{}', from: 'Shop <shop@example.in>', timeout_ms: 60000}}}}\n",
            self.port
        )
    }

    /// Whether nothing was read since.
    pub fn is_quiet(&self) -> bool {
        self.read.try_recv().is_err()
    }

    /// The next mail that was read whole.
    ///
    /// # Errors
    /// When none comes.
    pub fn next(&self) -> Result<String> {
        // Whoever waits here lets the others of its runtime go on.
        Ok(tokio::task::block_in_place(|| {
            self.read.recv_timeout(PATIENCE)
        })?)
    }
}

/// Until the other side goes; nobody may be left to hear of it.
fn hold(mut connection: TcpStream, sender: &mpsc::Sender<String>) {
    let _ = sender.send(TAKEN.to_owned());
    let _ = std::io::copy(&mut connection, &mut std::io::sink());
    let _ = sender.send(LET_GO.to_owned());
}

fn talk(mut connection: TcpStream, is_refused: bool, habit: Habit) -> Option<String> {
    let mut reader = BufReader::new(connection.try_clone().ok()?);
    let mut say = |text: &str| connection.write_all(format!("{text}\r\n").as_bytes()).ok();
    say("220 here")?;
    let (mut mail, mut line) = (String::new(), String::new());
    loop {
        line.clear();
        if reader.read_line(&mut line).ok()? == 0 {
            return (!mail.is_empty()).then_some(mail);
        }
        match line.get(..4) {
            Some("MAIL") if is_refused => say("451 come back later")?,
            Some("DATA") => {
                say("354 go on")?;
                loop {
                    line.clear();
                    reader.read_line(&mut line).ok()?;
                    if line == ".\r\n" {
                        break;
                    }
                    mail.push_str(&line);
                }
                match habit {
                    Habit::ReadsAndRefuses => say("451 come back later")?,
                    Habit::Takes | Habit::RefusesTheFirst | Habit::SaysNothing => say("250 taken")?,
                }
            }
            Some("QUIT") => {
                say("221 bye")?;
                return (!mail.is_empty()).then_some(mail);
            }
            _ => say("250 fine")?,
        }
    }
}
