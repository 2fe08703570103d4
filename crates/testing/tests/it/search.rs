//! Images searched at a registry.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use testing::TestHost;

const FOUND: &str = r#"{"results":[
    {"name":"some/tool","star_count":12,"is_official":false,"description":"A tool\nof many words, more of them than a line of a terminal takes"},
    {"name":"plain","star_count":1,"is_official":true,"description":"Plain"}]}"#;

/// A registry of the first API in the host's network; gives its address.
fn registry(host: &TestHost) -> String {
    host.in_network("ip link set lo up").success();
    let listener = host.within_network(|| TcpListener::bind("127.0.0.1:0").expect("a port"));
    let address = listener.local_addr().expect("it is bound").to_string();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let mut line = String::new();
            BufReader::new(&stream).read_line(&mut line).ok();
            let (status, body) = match line.split(' ').nth(1) {
                Some(path) if path.starts_with("/v1/search?q=tool&n=") => ("200 OK", FOUND),
                _ => ("404 Not Found", ""),
            };
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(head.as_bytes()).ok();
        }
    });
    address
}

#[test]
fn images_are_found_at_a_registry() {
    let host = TestHost::start();
    let address = registry(&host);
    let term = format!("{address}/tool");
    let table = host.cli(&["search", &term]).success().text();
    let lines: Vec<_> = table.lines().map(str::trim_end).collect();
    assert_eq!(
        lines,
        [
            "NAME        DESCRIPTION                                     STARS     OFFICIAL",
            "some/tool   A tool of many words, more of them than a li…   12",
            "plain       Plain                                           1         [OK]",
        ]
    );
    let format = "{{.Name}} {{.StarCount}} {{.IsOfficial}}";
    let only = ["--filter", "is-official=true", "--format", format, &term];
    let found = host.cli(&[&["search"], &only[..]].concat()).success();
    assert_eq!(found.text(), "plain 1 [OK]\n");
    let starred = ["--filter", "stars=5", "--format", "{{.Name}}", &term];
    let found = host.cli(&[&["search"], &starred[..]].concat()).success();
    assert_eq!(found.text(), "some/tool\n");
    let answer = host.http("GET", &format!("/images/search?term={term}&limit=3"), None);
    assert!(
        answer.text().starts_with(
            r#"[{"star_count":12,"is_official":false,"name":"some/tool","is_automated":false,"#
        ),
        "{}",
        answer.text()
    );
}

#[test]
fn what_cannot_be_searched_is_told_in_dockers_words() {
    let host = TestHost::start();
    let address = registry(&host);
    let nowhere = "invalid registry endpoint http://127.0.0.1:1/v1/: Get";
    for (query, status, words) in [
        (
            format!("term={address}/other"),
            500,
            "Unexpected status code 404",
        ),
        ("term=127.0.0.1:1/tool".to_owned(), 400, nowhere),
        (
            "term=http://x/a".to_owned(),
            400,
            "invalid repository name: repository name (http://x/a) should not have a scheme",
        ),
        (
            "term=a&limit=200".to_owned(),
            400,
            "limit 200 is outside the range of [1, 100]",
        ),
        (
            r"term=a&filters=%7B%22bogus%22%3A%5B%22x%22%5D%7D".to_owned(),
            400,
            "invalid filter 'bogus'",
        ),
        (
            r"term=a&filters=%7B%22is-official%22%3A%5B%22x%22%5D%7D".to_owned(),
            400,
            "invalid filter 'is-official=[x]'",
        ),
    ] {
        let answer = host.http("GET", &format!("/images/search?{query}"), None);
        assert_eq!(answer.status, status, "{query}: {}", answer.text());
        let message = answer.json()["message"].as_str().map(str::to_owned);
        assert!(
            message.is_some_and(|message| message.starts_with(words)),
            "{}",
            answer.text()
        );
    }
}

#[test]
fn a_platform_that_the_image_is_not_for_is_refused_at_create() {
    let host = TestHost::start();
    let create = |platform: &str| {
        let path = format!("/containers/create?platform={platform}");
        host.http("POST", &path, Some(r#"{"Image":"busybox","Cmd":["true"]}"#))
    };
    for platform in ["linux", "linux/amd64", "amd64", "linux/x86_64"] {
        assert_eq!(create(platform).status, 201, "{platform}");
    }
    for (platform, status, words) in [
        (
            "linux/arm64",
            404,
            "image with reference busybox was found but its platform (linux/amd64) does not match the specified platform (linux/arm64)",
        ),
        (
            "bogus",
            400,
            "\"bogus\": unknown operating system or architecture: invalid argument",
        ),
        (
            "a/b/c/d",
            400,
            "\"a/b/c/d\": cannot parse platform specifier: invalid argument",
        ),
    ] {
        let answer = create(platform);
        assert_eq!(answer.status, status, "{platform}");
        assert_eq!(answer.json()["message"], words);
    }
}
