use crate::authority::Authority;
use crate::server::Server;
use crate::{say, settings, tags};

const NAME: &str = "registry.test/some/thing";

#[tokio::test]
async fn a_private_authority_vouches_for_a_server() {
    let authority = Authority::new();
    let server = Server::secure(&authority.issue(&["127.0.0.1"]), None).await;
    let directory = tempfile::tempdir().unwrap();
    let at = format!("server = \"https://{}\"\n", server.address);

    say(directory.path(), "registry.test", "hosts.toml", &at);
    let refused = tags(settings(directory.path()), NAME).await.unwrap_err();
    assert!(refused.contains("UnknownIssuer"), "{refused}");

    say(directory.path(), "registry.test", "ca.pem", &authority.pem);
    let text = format!("{at}ca = \"ca.pem\"\n");
    say(directory.path(), "registry.test", "hosts.toml", &text);
    let found = tags(settings(directory.path()), NAME).await;
    assert_eq!(found.unwrap(), ["secure"]);

    let text = format!("{at}skip_verify = true\n");
    say(directory.path(), "registry.test", "hosts.toml", &text);
    let found = tags(settings(directory.path()), NAME).await;
    assert_eq!(found.unwrap(), ["secure"]);
}

#[tokio::test]
async fn a_certificate_for_another_name_does_not_vouch() {
    let authority = Authority::new();
    let server = Server::secure(&authority.issue(&["other.test"]), None).await;
    let directory = tempfile::tempdir().unwrap();
    say(directory.path(), "registry.test", "ca.pem", &authority.pem);
    let text = format!(
        "server = \"https://{}\"\nca = [\"ca.pem\"]\n",
        server.address
    );
    say(directory.path(), "registry.test", "hosts.toml", &text);
    let refused = tags(settings(directory.path()), NAME).await.unwrap_err();
    assert!(
        refused.contains("certificate not valid for name"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_client_shows_its_certificate_to_whom_it_is_for() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let own = authority.issue(&["127.0.0.1"]);
    let server = Server::secure(&own, Some(&clients)).await;
    let client = clients.issue(&["a client"]);
    let directory = tempfile::tempdir().unwrap();
    let host = "registry.test";
    say(directory.path(), host, "ca.pem", &authority.pem);
    say(directory.path(), host, "client.pem", &client.certificate);
    say(directory.path(), host, "client.key", &client.key);
    let both = format!("{}{}", client.certificate, client.key);
    say(directory.path(), host, "both.pem", &both);
    let at = format!("server = \"https://{}\"\nca = \"ca.pem\"\n", server.address);

    say(directory.path(), host, "hosts.toml", &at);
    let refused = tags(settings(directory.path()), NAME).await.unwrap_err();
    assert!(refused.contains("CertificateRequired"), "{refused}");

    for shown in [
        "client = \"both.pem\"",
        "client = [\"both.pem\"]",
        "client = [[\"client.pem\", \"client.key\"]]",
    ] {
        say(
            directory.path(),
            host,
            "hosts.toml",
            &format!("{at}{shown}\n"),
        );
        let found = tags(settings(directory.path()), NAME).await;
        assert_eq!(found.unwrap(), ["secure"], "{shown}");
    }
}

#[tokio::test]
async fn half_a_client_certificate_is_said_in_dockers_words() {
    let directory = tempfile::tempdir().unwrap();
    say(directory.path(), "registry.test", "client.cert", "");
    let refused = tags(settings(directory.path()), NAME).await.unwrap_err();
    let words = "missing key client.key for client certificate client.cert. \
        CA certificates must use the extension .crt";
    assert!(refused.ends_with(words), "{refused}");
    std::fs::remove_file(directory.path().join("registry.test/client.cert")).unwrap();
    say(directory.path(), "registry.test", "client.key", "");
    let refused = tags(settings(directory.path()), NAME).await.unwrap_err();
    let words = "missing client certificate client.cert for key client.key";
    assert!(refused.ends_with(words), "{refused}");
}
