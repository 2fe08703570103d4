//! Manifests, indexes and configurations, read by the worker.
#![expect(clippy::expect_used, reason = "a test that cannot go on ends")]

#[path = "support/archives.rs"]
mod support;

use oci::image::{Config, Document, DocumentError, media_type};
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use support::{Tar, open_directory, stream, worker};
use unpack::{Error, Limits, Refusal};

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn manifest() -> String {
    format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","artifactType":"a/b","unknown":[1.5,{{}}],
        "config":{{"mediaType":"{}","digest":"{DIGEST}","size":2,"data":"e30="}},
        "layers":[{{"mediaType":"{}","digest":"{DIGEST}","size":7,"urls":["http://x/"],
        "annotations":{{"a":"\u0000b"}}}}],
        "subject":{{"mediaType":"{}","digest":"{DIGEST}","size":1}},"annotations":{{"é":"ü"}}}}"#,
        media_type::MANIFEST,
        media_type::CONFIG,
        media_type::LAYER_GZIP,
        media_type::INDEX,
    )
}

fn index() -> String {
    format!(
        r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"{}","digest":"{DIGEST}","size":7,
        "platform":{{"os":"windows","architecture":"amd64","os.version":"10.0.20348.1",
        "os.features":["win32k"],"variant":"v2"}}}}],"annotations":null}}"#,
        media_type::MANIFEST
    )
}

#[test]
fn what_is_read_is_what_the_document_says() {
    for (declared, text) in [
        (None, manifest()),
        (Some(media_type::MANIFEST), manifest()),
        (None, index()),
        (Some(media_type::INDEX), index()),
    ] {
        let read = worker().document(declared, text.as_bytes()).expect("read");
        let expected = Document::from_slice(declared, text.as_bytes()).expect("read here");
        assert_eq!(read, expected);
    }
    let text = r#"{"created":"2026-01-01T00:00:00Z","architecture":"arm64","os":"linux",
        "os.version":"1","variant":"v8","config":{"User":"1:2","ExposedPorts":{"80/tcp":{}},
        "Env":["A=b"],"Entrypoint":[],"Cmd":null,"Healthcheck":{"Test":["NONE"],"Interval":7},
        "StopTimeout":-1,"Labels":{"k":"v"},"ArgsEscaped":true},"container_config":{"x":[1,null]},
        "rootfs":{"type":"layers","diff_ids":[]},"history":[{"created_by":"x","empty_layer":true}],
        "moby.buildkit.cache.v0":"e30=","n":12345678901234567890,"f":1.25e-3}"#;
    let read = worker().config(text.as_bytes()).expect("read");
    let expected: Config = serde_json::from_str(text).expect("read here");
    assert_eq!(*read, expected);
}

#[test]
fn what_is_no_document_is_refused_in_its_own_words() {
    let both = manifest().replacen('{', r#"{"manifests":[],"#, 1);
    let cases: [(&[u8], &str); 5] = [
        (
            b"",
            "manifest cannot be read: EOF while parsing a value at line 1 column 0",
        ),
        (
            b"\x1f\x8b\x08\x00",
            "manifest cannot be read: expected value at line 1 column 1",
        ),
        (
            both.as_bytes(),
            "manifest is ambiguous: it has both layers and manifests",
        ),
        (
            br#"{"schemaVersion":1,"fsLayers":[]}"#,
            "unsupported manifest media type \"application/vnd.docker.distribution.manifest.v1+json\"",
        ),
        (
            br#"{"schemaVersion":2,"config":{"mediaType":"x","digest":"sha256:..","size":1}}"#,
            "manifest cannot be read: ",
        ),
    ];
    for (bytes, expected) in cases {
        match worker().document(None, bytes) {
            Err(Error::Refused(Refusal::Document(refused))) => {
                let refused = refused.to_string();
                assert!(refused.starts_with(expected), "{refused}");
            }
            other => unreachable!("{expected}: {other:?}"),
        }
    }
    let declared = worker().document(Some(media_type::INDEX), manifest().as_bytes());
    let Err(Error::Refused(Refusal::Document(refused))) = &declared else {
        unreachable!("{declared:?}");
    };
    assert!(matches!(refused, DocumentError::Ambiguous { .. }));
    let deep = format!("{{\"x\":{}", "[".repeat(3 << 20));
    for bytes in [
        &b"[]"[..],
        deep.as_bytes(),
        b"{\"rootfs\":7}",
        b"{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"md5:0\"]}}",
    ] {
        match worker().config(bytes) {
            Err(Error::Refused(Refusal::Entry { entry, .. })) => {
                assert_eq!(entry, "image configuration");
            }
            other => unreachable!("{other:?}"),
        }
    }
}

#[test]
fn a_document_beyond_its_size_is_refused_without_being_read_to_the_end() {
    let worker = worker().with_limits(Limits {
        document: 1000,
        ..Limits::default()
    });
    let long = format!("{}{}", index(), " ".repeat(4 << 20));
    for refused in [
        worker.document(None, long.as_bytes()).map(drop),
        worker.config(long.as_bytes()).map(drop),
    ] {
        assert!(
            matches!(
                &refused,
                Err(Error::Refused(Refusal::Limit { limit: 1000, .. }))
            ),
            "{refused:?}"
        );
    }
    assert!(worker.document(None, index().as_bytes()).is_ok());
}

#[test]
fn an_archive_says_which_of_its_documents_is_damaged() {
    for name in ["manifest.json", "index.json"] {
        let bytes = Tar::new().file(name, b"[{\"Config\":").finish();
        let dir = tempfile::tempdir().expect("a directory");
        let job = worker().archive(stream(bytes), open_directory(dir.path()));
        match job.expect("start").wait() {
            Err(Error::Refused(Refusal::Entry { entry, .. })) => assert_eq!(entry, name),
            other => unreachable!("{other:?}"),
        }
    }
}

#[test]
fn the_worker_holds_no_rights_while_it_reads_a_document() {
    for mode in ["document", "config"] {
        let mut worker = Command::new(env!("CARGO_BIN_EXE_corten-unpack"));
        let worker = worker.args([mode, "{}"]).stdin(Stdio::piped());
        let worker = worker.stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut worker = worker.expect("start");
        let status = format!("/proc/{}/status", worker.id());
        let field = |name: &str| {
            let status = fs::read_to_string(&status).expect("status");
            let line = status.lines().find(|line| line.starts_with(name));
            line.map(|line| line[name.len()..].trim().to_owned())
        };
        let started = Instant::now();
        while field("Seccomp:").as_deref() != Some("2") {
            assert!(started.elapsed() < Duration::from_secs(5), "no filter");
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(field("NoNewPrivs:").as_deref(), Some("1"));
        assert_eq!(field("CapPrm:").as_deref(), Some("0000000000000000"));
        let limits = fs::read_to_string(format!("/proc/{}/limits", worker.id())).expect("limits");
        let memory = limits
            .lines()
            .find(|line| line.starts_with("Max address space"));
        assert!(memory.expect("a line").contains(" 1073741824 "), "{limits}");
        let mut input = worker.stdin.take().expect("a pipe");
        input.write_all(index().as_bytes()).expect("write");
        drop(input);
        let ended = worker.wait_with_output().expect("wait");
        assert!(ended.status.success(), "{ended:?}");
    }
}
