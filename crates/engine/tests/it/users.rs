use crate::host::{Host, sh};

async fn id_of(host: &Host, user: &str, groups: &[&str]) -> String {
    let mut spec = sh("id -u; id -g; id -G; echo $HOME");
    spec.process.user = user.to_owned();
    spec.security.group_add = groups.iter().map(|group| (*group).to_owned()).collect();
    let (code, log) = host.output(spec).await;
    assert_eq!(code, 0, "{log}");
    // The kernel sorts groups.
    let mut lines: Vec<String> = log.lines().map(str::to_owned).collect();
    let mut groups: Vec<u32> = lines[2]
        .split(' ')
        .map(|gid| gid.parse().unwrap())
        .collect();
    groups.sort_unstable();
    groups.dedup();
    lines[2] = format!("{groups:?}");
    lines.join(" | ")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_looked_up_in_the_containers_own_files() {
    let Some(host) = Host::start().await else {
        return;
    };
    for (user, groups, seen) in [
        ("", &[][..], "0 | 0 | [0, 10] | /root"),
        ("app", &[], "1000 | 50 | [10, 50] | /home/app"),
        ("1000", &[], "1000 | 50 | [10, 50] | /home/app"),
        ("app:video", &[], "1000 | 44 | [44] | /home/app"),
        ("4242", &[], "4242 | 0 | [0] | /"),
        ("4242:4343", &[], "4242 | 4343 | [4343] | /"),
        (
            "app",
            &["video", "77"],
            "1000 | 50 | [10, 44, 50, 77] | /home/app",
        ),
    ] {
        assert_eq!(
            id_of(&host, user, groups).await,
            seen,
            "{user:?} {groups:?}"
        );
    }
    host.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_that_is_not_there_is_named() {
    let Some(host) = Host::start().await else {
        return;
    };
    let mut spec = sh("true");
    spec.process.user = "ghost".to_owned();
    let id = host.create(spec).await;
    let error = host.engine.containers().start(&id).await.unwrap_err();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text.push_str(&error.to_string());
        cause = error.source();
    }
    assert!(
        text.contains("ghost") && text.contains("passwd file"),
        "{text}"
    );
    host.clear().await;
}
