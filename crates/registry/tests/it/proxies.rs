use crate::authority::Authority;
use crate::server::{Server, tagged};
use crate::{say, settings, tags};
use registry::{Proxies, Settings};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A proxy for `CONNECT`: every name is the server at `to`.
struct Proxy {
    address: String,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    async fn start(to: Option<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self {
            address: listener.local_addr().unwrap().to_string(),
            heads: Arc::default(),
        };
        let heads = Arc::clone(&proxy.heads);
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                tokio::spawn(relay(client, to.clone(), Arc::clone(&heads)));
            }
        });
        proxy
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

async fn relay(mut client: TcpStream, to: Option<String>, heads: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.unwrap());
    }
    heads.lock().unwrap().push(String::from_utf8(head).unwrap());
    let Some(to) = to else {
        let refusal = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
        client.write_all(refusal).await.unwrap();
        return;
    };
    let mut server = TcpStream::connect(to).await.unwrap();
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    // Either end may cut it.
    drop(tokio::io::copy_bidirectional(&mut client, &mut server).await);
}

fn by(proxy: &str, settings: Settings) -> Settings {
    let url = format!("http://me:word@{proxy}");
    Settings {
        proxies: Proxies {
            http: Some(url.clone()),
            https: Some(url),
            no: None,
        },
        ..settings
    }
}

#[tokio::test]
async fn a_registry_by_tls_is_reached_through_a_tunnel_and_verified_at_its_end() {
    let authority = Authority::new();
    let server = Server::secure(&authority.issue(&["registry.test"]), None).await;
    let proxy = Proxy::start(Some(server.address.clone())).await;
    let directory = tempfile::tempdir().unwrap();
    let settings = by(&proxy.address, settings(directory.path()));

    let refused = tags(settings.clone(), "registry.test/a").await.unwrap_err();
    assert!(refused.contains("UnknownIssuer"), "{refused}");

    // docker's layout.
    say(directory.path(), "registry.test", "ca.crt", &authority.pem);
    let found = tags(settings, "registry.test/a").await;
    assert_eq!(found.unwrap(), ["secure"]);
    let head = proxy.heads().pop().unwrap();
    assert!(
        head.starts_with("CONNECT registry.test:443 HTTP/1.1\r\n"),
        "{head}"
    );
    let shown = head
        .to_lowercase()
        .contains("proxy-authorization: basic bwu6d29yza==");
    assert!(shown, "{head}");
    assert_eq!(server.shown("proxy-authorization"), [None]);
}

#[tokio::test]
async fn a_registry_in_the_clear_is_asked_for_by_its_whole_url() {
    let proxy = Server::plain(|_| tagged("proxied")).await;
    let directory = tempfile::tempdir().unwrap();
    let mut settings = by(&proxy.address, settings(directory.path()));
    settings.proxies.https = None;
    let text = "server = \"http://registry.test:81\"";
    say(directory.path(), "registry.test", "hosts.toml", text);
    let found = tags(settings.clone(), "registry.test/a").await;
    assert_eq!(found.unwrap(), ["proxied"]);
    assert_eq!(
        proxy.asked(),
        ["GET http://registry.test:81/v2/a/tags/list?n=1000"]
    );
    let shown = Some("Basic bWU6d29yZA==".to_owned());
    assert_eq!(proxy.shown("proxy-authorization"), [shown]);

    settings.proxies.no = Some(".test".to_owned());
    let refused = tags(settings, "registry.test/a").await.unwrap_err();
    // With the name server that was asked, where there is one.
    assert!(refused.contains("lookup registry.test"), "{refused}");
    assert!(refused.ends_with(": no such host"), "{refused}");
    assert_eq!(proxy.asked().len(), 1);
}

#[tokio::test]
async fn a_proxy_that_refuses_is_said_to() {
    let proxy = Proxy::start(None).await;
    let directory = tempfile::tempdir().unwrap();
    let settings = by(&proxy.address, settings(directory.path()));
    let refused = tags(settings, "registry.test/a").await.unwrap_err();
    assert!(refused.contains("proxyconnect tcp: "), "{refused}");
    assert_eq!(proxy.heads().len(), 1);
}

#[tokio::test]
async fn this_machine_is_never_behind_a_proxy() {
    let server = Server::plain(|_| tagged("near")).await;
    let proxy = Proxy::start(None).await;
    let directory = tempfile::tempdir().unwrap();
    let settings = by(&proxy.address, settings(directory.path()));
    let found = tags(settings, &format!("localhost:{}/a", server.port())).await;
    assert_eq!(found.unwrap(), ["near"]);
    assert_eq!(proxy.heads(), Vec::<String>::new());
}
