//! IPC objects and shared memory: a container's own, the host's, another container's.

use crate::Running;
use testing::TestHost;

const NAMESPACE: &str = "/proc/self/ns/ipc";

fn sleeper<'a>(host: &'a TestHost, mode: &str, more: &[&str]) -> Running<'a> {
    let mut args = vec!["--ipc", mode];
    args.extend(more);
    args.extend(["busybox", "sleep", "600"]);
    Running::new(host, &args)
}

#[test]
fn a_shareable_container_shares_its_memory_and_namespace_with_others() {
    let host = TestHost::start();
    let donor = sleeper(&host, "shareable", &["--shm-size", "1m"]);
    let of = format!("container:{}", &donor.id[..12]);
    let own = host.cli(&["exec", &donor.id, "readlink", NAMESPACE]);
    let script = format!("echo hello >/dev/shm/word; readlink {NAMESPACE}; mount");
    let joined = host.cli(&["run", "--rm", "--ipc", &of, "busybox", "sh", "-c", &script]);
    let text = joined.success().text();
    assert!(text.starts_with(&own.success().text()), "{text}");
    let memory = "shm on /dev/shm type tmpfs (rw,nosuid,nodev,noexec,relatime,size=1024k";
    assert!(text.contains(memory), "{text}");
    assert!(text.contains("on /dev/mqueue type mqueue"), "{text}");
    let word = host.cli(&["exec", &donor.id, "cat", "/dev/shm/word"]);
    assert_eq!(word.success().text(), "hello\n");

    // One that joins is joined in its turn, and keeps what it joined when the first ends.
    let second = sleeper(&host, &of, &[]);
    let mode = host.inspect(&second.id, "{{.HostConfig.IpcMode}}");
    assert_eq!(mode, format!("container:{}", donor.id), "the id is told");
    let of_second = format!("container:{}", second.id);
    let third = sleeper(&host, &of_second, &[]);
    host.cli(&["rm", "-f", &donor.id]).success();
    let word = host.cli(&["exec", &third.id, "cat", "/dev/shm/word"]);
    assert_eq!(word.success().text(), "hello\n");
    let again = host.cli(&["restart", "-t", "0", &second.id]).code(1);
    let words = format!(
        "Cannot restart container {}: failed to join IPC namespace: No such container: {}",
        second.id, donor.id
    );
    assert!(again.error().contains(&words), "{}", again.error());
}

#[test]
fn who_does_not_share_is_not_joined() {
    let host = TestHost::start();
    let of_private = sleeper(&host, "private", &[]);
    let hidden = sleeper(&host, "shareable", &["--tmpfs", "/dev/shm"]);
    for donor in [&of_private, &hidden] {
        let mode = format!("container:{}", donor.id);
        let refused = host.cli(&["run", "--rm", "--ipc", &mode, "busybox", "true"]);
        let words = format!(
            "failed to join IPC namespace: container {}: non-shareable IPC (hint: use \
             IpcMode:shareable for the donor container)",
            donor.id
        );
        let error = refused.code(125).error();
        assert!(error.contains(&words), "{error}");
    }
    let stopped = sleeper(&host, "shareable", &[]);
    host.cli(&["kill", &stopped.id]).success();
    for (flag, kind) in [("--ipc", "IPC"), ("--pid", "PID")] {
        let mode = format!("container:{}", stopped.id);
        let refused = host.cli(&["run", "--rm", flag, &mode, "busybox", "true"]);
        let words = format!(
            "failed to join {kind} namespace: container {} is not running",
            stopped.id
        );
        let error = refused.code(125).error();
        assert!(error.contains(&words), "{error}");
        let refused = host.cli(&["run", "--rm", flag, "container:nobody", "busybox", "true"]);
        let error = refused.code(125).error();
        assert!(error.contains("No such container: nobody"), "{error}");
    }
}

#[test]
fn one_without_shared_memory_has_none() {
    let host = TestHost::start();
    let script = "ls -d /dev/shm; mount | grep -c shm";
    let ran = host.cli(&[
        "run", "--rm", "--ipc", "none", "busybox", "sh", "-c", script,
    ]);
    let ran = ran.code(1);
    assert_eq!(ran.text(), "0\n");
    let names = [("--hostname", "hostname"), ("--domainname", "domainname")];
    for (flag, name) in names {
        let refused = host.cli(&["run", "--rm", "--uts", "host", flag, "x", "busybox", "true"]);
        let words = format!("conflicting options: {name} and the UTS mode");
        let error = refused.code(125).error();
        assert!(error.contains(&words), "{error}");
    }
}
