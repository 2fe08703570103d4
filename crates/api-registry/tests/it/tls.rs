use crate::host::{depot, worker};
use api_registry::{Access, Anonymous, Guard, Scheme, Server, Tls};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use registry::{Credentials, Registries, Settings};
use std::path::{Path, PathBuf};

/// Writes an authority, and certificates of it for the server and a client.
fn certificates(dir: &Path) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    write(dir, "ca.pem", &params.self_signed(&key).unwrap().pem());
    let issuer = Issuer::new(params, key);
    for name in ["127.0.0.1", "client"] {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap();
        write(dir, &format!("{name}.pem"), &certificate.pem());
        write(dir, &format!("{name}.key"), &key.serialize_pem());
    }
}

fn write(dir: &Path, name: &str, text: &str) -> PathBuf {
    std::fs::create_dir_all(dir).unwrap();
    let path = dir.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

#[tokio::test]
async fn our_client_signs_in_by_tls_with_certificates_on_both_sides() {
    let dir = tempfile::tempdir().unwrap();
    let own = dir.path().join("registry.test");
    certificates(&own);
    let hash = bcrypt::hash("secret", 4).unwrap();
    let htpasswd = write(dir.path(), "htpasswd", &format!("me:{hash}\n"));
    let guard = Guard {
        tls: Some(Tls {
            certificate: own.join("127.0.0.1.pem"),
            key: own.join("127.0.0.1.key"),
            client_authority: Some(own.join("ca.pem")),
        }),
        access: Some(Access::open(&htpasswd, Scheme::Token, Anonymous::Nothing).unwrap()),
    };
    let depot = depot(&dir.path().join("root")).unwrap();
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), depot, guard).await;
    let server = server.unwrap();
    let at = server.address().unwrap();
    let serving = tokio::spawn(server.serve(std::future::pending()));
    let tags = async |client: &str, password: &str| {
        let text = format!("server = \"https://{at}\"\nca = \"ca.pem\"\n{client}");
        write(&own, "hosts.toml", &text);
        let settings = Settings {
            hosts: vec![dir.path().to_owned()],
            patience: registry::Patience {
                attempts: 1,
                ..registry::Patience::default()
            },
            ..Settings::default()
        };
        let registries = Registries::new(settings, worker());
        let credentials = Credentials::Password {
            username: "me".to_owned(),
            password: password.to_owned(),
        };
        let name = "registry.test/a".parse().unwrap();
        let repository = registries.repository(&name, Some(credentials), registry::Access::Pull);
        repository.unwrap().tags().await.unwrap_err().to_string()
    };
    let shown = "client = [[\"client.pem\", \"client.key\"]]";

    let known = tags(shown, "secret").await;
    let stranger = tags(shown, "wrong").await;
    let bare = tags("", "secret").await;
    serving.abort();

    // Signed in: there is only nothing.
    assert!(
        known.contains("repository registry.test/a not found"),
        "{known}"
    );
    assert!(
        stranger.contains("incorrect username or password"),
        "{stranger}"
    );
    assert!(bare.contains("CertificateRequired"), "{bare}");
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "empty.pem", "");
    let guard = Guard {
        tls: Some(Tls {
            certificate: path.clone(),
            key: path,
            client_authority: None,
        }),
        access: None,
    };
    let depot = depot(&dir.path().join("root")).unwrap();
    let bound = Server::bind("127.0.0.1:0".parse().unwrap(), depot, guard).await;
    let error = bound.unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("empty.pem"), "{cause}");
}
