//! Real MongoDB servers: processes of their own, each a single-node replica set, that can be killed and started again.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use mongodb::bson::{Document, doc};

use crate::process::{PATIENCE, free_port, repository};

/// Where to reach the server that all tests of this run share; it is started the first time. `None` where there is
/// none, which is a failure in CI.
///
/// # Panics
/// When there is a server and it does not start.
pub fn shared_uri() -> Option<String> {
    static SERVER: OnceLock<Option<(String, Option<Mongod>)>> = OnceLock::new();
    let server = SERVER.get_or_init(|| {
        if let Ok(uri) = std::env::var("CRACKERS_TEST_MONGODB_URI") {
            return Some((uri, None));
        }
        // A thread of its own: the caller may stand in a runtime, where nothing may block on another.
        let started = std::thread::spawn(Mongod::start).join();
        #[allow(clippy::unwrap_used, reason = "no test can go on without it")]
        let server = started.unwrap().unwrap()?;
        Some((server.uri(), Some(server)))
    });
    server.as_ref().map(|(uri, _)| uri.clone())
}

/// What a member of a set takes over from its primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hears {
    /// All that it writes.
    Everything,
    /// Nothing of it.
    Nothing,
}

/// A server.
pub struct Mongod {
    binary: PathBuf,
    folder: PathBuf,
    port: u16,
}

impl Mongod {
    /// Starts a server with data of its own; `None`, with a word on standard error, where there is no binary. It ends
    /// when it is dropped, and at the latest with this process: a shell watches for that.
    ///
    /// # Errors
    /// When it does not become a primary, and in CI when there is no binary.
    pub fn start() -> Result<Option<Self>> {
        let Some(server) = Self::spawn()? else {
            return Ok(None);
        };
        server.wait_for_primary()?;
        Ok(Some(server))
    }

    /// Starts a server that is no primary yet.
    pub(crate) fn spawn() -> Result<Option<Self>> {
        let Some(binary) = binary() else {
            ensure!(
                std::env::var("CI").as_deref() != Ok("true"),
                "CI needs a mongod: make mongod"
            );
            // Not `println`: this must be seen although the test passes.
            let _ = writeln!(
                std::io::stderr(),
                "skipped: MongoDB; make mongod fetches a server, MONGOD=/path/to/mongod or CRACKERS_TEST_MONGODB_URI names one"
            );
            return Ok(None);
        };
        let server = Self {
            binary,
            folder: tempfile::tempdir()?.keep(),
            port: free_port()?,
        };
        server.launch()?;
        Ok(Some(server))
    }

    /// Where to reach it.
    pub fn uri(&self) -> String {
        format!("mongodb://{}/?replicaSet=crackers", self.host())
    }

    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Starts it, or starts it again on the data that it left.
    ///
    /// # Errors
    /// When it does not become a primary.
    pub fn restart(&self) -> Result<()> {
        self.launch()?;
        self.wait_for_primary()
    }

    /// Answers these commands so much later than it could, until told otherwise.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn delay(&self, commands: &[&str], milliseconds: i32) -> Result<()> {
        let data =
            doc! { "failCommands": commands, "blockConnection": true, "blockTimeMS": milliseconds };
        self.set_fail_point(doc! { "mode": "alwaysOn", "data": data })
            .await
    }

    /// Answers everything as soon as it can again.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn hurry(&self) -> Result<()> {
        self.set_fail_point(doc! { "mode": "off" }).await
    }

    /// Answers so many more finds in a collection (`database.collection`), and holds up those that come after them for longer
    /// than any test takes.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn hold_finds_after(&self, finds: i32, collection: &str) -> Result<()> {
        let data = doc! {
            "failCommands": ["find"],
            "namespace": collection,
            "blockConnection": true,
            "blockTimeMS": 600_000,
        };
        self.set_fail_point(doc! { "mode": { "skip": finds }, "data": data })
            .await
    }

    /// From now on every question that names a longest time takes longer.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn exceed_times(&self) -> Result<()> {
        let admin = direct(&self.host()).await?.database("admin");
        let command = doc! { "configureFailPoint": "maxTimeAlwaysTimeOut", "mode": "alwaysOn" };
        admin.run_command(command).await?;
        Ok(())
    }

    /// Whether it takes over what the primary of its set writes; it is one of the set all the same.
    pub(crate) async fn hear_others(&self, what: Hears) -> Result<()> {
        let mode = match what {
            Hears::Everything => "off",
            Hears::Nothing => "alwaysOn",
        };
        let admin = direct(&self.host()).await?.database("admin");
        let command = doc! { "configureFailPoint": "stopReplProducer", "mode": mode };
        admin.run_command(command).await?;
        Ok(())
    }

    async fn set_fail_point(&self, how: Document) -> Result<()> {
        let mut command = doc! { "configureFailPoint": "failCommand" };
        command.extend(how);
        let admin = direct(&self.host()).await?.database("admin");
        admin.run_command(command).await?;
        Ok(())
    }

    /// Starts it, without a wait for anything.
    pub(crate) fn launch(&self) -> Result<()> {
        let watch = r#""$1" --bind_ip 127.0.0.1 --port "$2" --dbpath "$3" --replSet crackers --wiredTigerCacheSizeGB 0.25 \
            --setParameter enableTestCommands=1 \
            --quiet --logpath "$3/log" --pidfilepath "$3/pid" & server=$!; while kill -0 "$4" 2>/dev/null; do sleep 0.5; done; \
            kill -9 $server 2>/dev/null; rm -rf "$3""#;
        let mut shell = Command::new("sh");
        shell.args(["-c", watch, "sh"]).arg(&self.binary);
        shell.arg(self.port.to_string()).arg(&self.folder);
        shell.arg(std::process::id().to_string());
        #[allow(
            clippy::zombie_processes,
            reason = "the shell outlives us by design, and ends by itself"
        )]
        let _watching = shell
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(())
    }

    fn wait_for_primary(&self) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(become_primary(self.port))
    }

    /// Kills it as a power cut would.
    ///
    /// # Errors
    /// When it is not there to be killed.
    pub fn kill(&self) -> Result<()> {
        let text = std::fs::read_to_string(self.folder.join("pid"))?;
        let pid = rustix::process::Pid::from_raw(text.trim().parse()?).context("no process")?;
        rustix::process::kill_process(pid, rustix::process::Signal::KILL)?;
        let deadline = Instant::now() + PATIENCE;
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
            ensure!(Instant::now() < deadline, "mongod does not die");
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Drop for Mongod {
    fn drop(&mut self) {
        // A test may have killed it already.
        let _ = self.kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn binary() -> Option<PathBuf> {
    let fetched = repository().join("target/mongod/fiftyone/db/bin/mongod");
    let on_path = std::env::var_os("PATH").into_iter().flat_map(|path| {
        std::env::split_paths(&path)
            .map(|folder| folder.join("mongod"))
            .collect::<Vec<_>>()
    });
    let named = std::env::var_os("MONGOD").map(PathBuf::from);
    named
        .into_iter()
        .chain(on_path)
        .chain([fetched])
        .find(|path: &PathBuf| Path::is_file(path))
}

/// A client of this one server, whatever its state.
pub(crate) async fn direct(host: &str) -> Result<mongodb::Client> {
    client(host, PATIENCE).await
}

/// The same of one that may not be there, for whoever asks again and again.
pub(crate) async fn glance(host: &str) -> Result<mongodb::Client> {
    client(host, Duration::from_millis(500)).await
}

async fn client(host: &str, within: Duration) -> Result<mongodb::Client> {
    let within = within.as_millis();
    let uri = format!("mongodb://{host}/?directConnection=true&serverSelectionTimeoutMS={within}");
    Ok(mongodb::Client::with_uri_str(uri).await?)
}

async fn become_primary(port: u16) -> Result<()> {
    let client = glance(&format!("127.0.0.1:{port}")).await?;
    let admin = client.database("admin");
    let member = doc! { "_id": 0, "host": format!("127.0.0.1:{port}") };
    let config = doc! { "replSetInitiate": { "_id": "crackers", "members": [member] } };
    let deadline = Instant::now() + Duration::from_secs(60);
    while Instant::now() < deadline {
        // Refused where the set was initiated before.
        let _ = admin.run_command(config.clone()).await;
        let hello = admin.run_command(doc! { "hello": 1 }).await;
        if hello.is_ok_and(|hello| hello.get_bool("isWritablePrimary").unwrap_or(false)) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!("mongod did not become a primary")
}
