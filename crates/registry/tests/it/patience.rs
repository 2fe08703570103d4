use crate::server::{Server, tagged};
use crate::{settings, tags};
use http::Response;
use http_body_util::Full;
use registry::Settings;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A registry whose first answer is a refusal until `after`.
async fn refusing_once(code: u16, after: &'static str) -> Server {
    let asked = Arc::new(AtomicUsize::new(0));
    Server::plain(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => Response::builder()
            .status(code)
            .header("retry-after", after)
            .body(Full::default())
            .unwrap(),
        _ => tagged("later"),
    })
    .await
}

fn patient() -> Settings {
    let directory = std::path::Path::new("/nonexistent");
    let mut settings = settings(directory);
    settings.patience.attempts = 3;
    settings
}

#[tokio::test]
async fn a_registry_is_asked_again_when_it_says() {
    for (code, after) in [
        (429, "0"),
        (429, "Sun, 06 Nov 1994 08:49:37 GMT"),
        (503, "0"),
    ] {
        let server = refusing_once(code, after).await;
        let found = tags(patient(), &format!("{}/a", server.address)).await;
        assert_eq!(found.unwrap(), ["later"], "{code} {after}");
        assert_eq!(server.asked().len(), 2);
    }
}

#[tokio::test]
async fn a_registry_that_says_much_later_is_not_asked_again() {
    for code in [429, 503] {
        let server = refusing_once(code, "Fri, 31 Dec 9999 23:59:59 GMT").await;
        let found = tags(patient(), &format!("{}/a", server.address)).await;
        found.unwrap_err();
        assert_eq!(server.asked().len(), 1, "{code}");
    }
}
