//! Origins that begin an answer and break it off: their failure, whichever way the answer goes.

use anyhow::Result;
use crackers_tests::lone_edge::LoneEdge;
use crackers_tests::scripted::Scripted;

use super::balancing::edge;
use super::plain::scripts;

/// Paths that an origin knows.
const PATHS: usize = 20;

/// An origin that gives this answer everywhere, and closes the connection behind it.
fn origin(answer: &str) -> Result<Scripted> {
    let answers = vec![(answer.to_owned(), true); PATHS];
    Scripted::start(&scripts(&answers))
}

/// Asks for each path, one after the other; which answers were whole.
async fn whole(edge: &LoneEdge, fields: &[(&str, &str)]) -> Result<Vec<bool>> {
    let client = reqwest::Client::new();
    let mut found = Vec::new();
    for number in 0..PATHS {
        let url = format!("http://127.0.0.1:{}/api/cart/{number}", edge.port);
        let request = fields
            .iter()
            .fold(client.get(url), |request, (name, value)| {
                request.header(*name, *value)
            });
        // What was to be sent with the part that never came may never be sent.
        let Ok(answer) = request.send().await else {
            found.push(false);
            continue;
        };
        let is_good = answer.status() == 200;
        found.push(is_good && answer.bytes().await.is_ok_and(|body| body == "ok"));
    }
    Ok(found)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_origin_that_breaks_off_every_answer_is_ejected() -> Result<()> {
    let head = "HTTP/1.1 200 OK\r\nCache-Control: public, max-age=60\r\n";
    let (good, half) = (
        format!("{head}Content-Length: 2\r\n\r\nok"),
        format!("{head}Content-Length: 9\r\n\r\nhalf"),
    );
    let (good, bad) = (origin(&good)?, origin(&half)?);
    let through_pingora = [("authorization", "x"), ("te", "trailers")];
    for (way, fields) in [
        ("for the cache", &[][..]),
        ("plain", &through_pingora[..1]),
        ("through Pingora", &through_pingora[..]),
    ] {
        let folder = tempfile::tempdir()?;
        let edge = edge(folder.path(), [good.port, bad.port])?;
        let whole = whole(&edge, fields).await?;
        let broken = whole.iter().filter(|is_whole| !**is_whole).count();
        assert_eq!(broken, 3, "{way}: {whole:?}");
        let metrics = reqwest::get(format!("http://127.0.0.1:{}/metrics", edge.metrics)).await?;
        let ejections = format!(
            "crackers_edge_forward_ejections_total{{group=\"origin\",server=\"127.0.0.1:{}\"}} 1",
            bad.port
        );
        let text = metrics.text().await?;
        assert!(text.contains(&ejections), "{way}: {text}");
    }
    Ok(())
}
