use crate::host::{Host, sh};
use engine::{Mount, MountKind};

#[tokio::test(flavor = "multi_thread")]
async fn limits_capabilities_and_masks_are_set() {
    let Some(host) = Host::start().await else {
        return;
    };
    let mut spec = sh(
        "grep -E '^Cap(Inh|Eff|Bnd|Amb)|^NoNewPrivs|^Seccomp:' /proc/self/status; \
         cat /proc/sys/kernel/hostname; wc -c < /proc/interrupts; touch /proc/sys/kernel/domainname",
    );
    spec.security.cap_drop = vec!["ALL".to_owned()];
    spec.security.cap_add = vec!["CHOWN".to_owned()];
    spec.security.no_new_privileges = true;
    spec.hostname = "ship".to_owned();
    spec.resources.memory = Some(64 << 20);
    spec.resources.pids_limit = Some(50);
    let (_, log) = host.output(spec).await;
    for line in [
        "CapInh:\t0000000000000000",
        "CapEff:\t0000000000000001",
        "CapBnd:\t0000000000000001",
        "CapAmb:\t0000000000000000",
        "NoNewPrivs:\t1",
        "Seccomp:\t2",
        "ship",
        "0",
    ] {
        assert!(log.lines().any(|l| l == line), "{line:?} is not in {log}");
    }
    assert!(log.contains("Read-only file system"), "{log}");
    host.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn binds_tmpfs_and_a_read_only_root_are_mounted() {
    let Some(host) = Host::start().await else {
        return;
    };
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("file"), "from the host\n").unwrap();
    let mut spec = sh(
        "cat /in/file; touch /in/new && echo no; touch /new && echo no; touch /tmp/a && echo yes; \
         touch /long/b; cat /etc/hostname",
    );
    spec.read_only_root = true;
    spec.hostname = "ship".to_owned();
    spec.binds = vec![
        format!("{}:/in:ro", outside.path().display())
            .parse()
            .unwrap(),
    ];
    spec.mounts = vec![Mount {
        target: "/long".to_owned(),
        read_only: false,
        kind: MountKind::Bind {
            source: outside.path().display().to_string(),
            propagation: None,
            non_recursive: false,
            create_source: false,
            recursion: engine::ReadOnlyRecursion::default(),
        },
    }];
    spec.tmpfs.insert("/tmp".to_owned(), "size=1m".to_owned());
    let (_, log) = host.output(spec).await;
    assert!(
        log.contains("from the host\n") && log.contains("yes\n"),
        "{log}"
    );
    assert!(!log.contains("no\n") && log.contains("ship\n"), "{log}");
    assert!(outside.path().join("b").exists() && !outside.path().join("new").exists());
    host.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_init_is_the_first_process_on_a_mount_that_cannot_be_written() {
    let Some(host) = Host::start().await else {
        return;
    };
    if !host.engine.system().config().init_program.is_file() {
        println!("skipped: corten-init is not built");
        return;
    }
    let mut spec = sh("cat /proc/1/comm; grep docker-init /proc/self/mountinfo; exit 7");
    spec.init = Some(true);
    let (code, log) = host.output(spec).await;
    assert_eq!(code, 7, "{log}");
    assert!(
        log.starts_with("docker-init\n") && log.contains("/sbin/docker-init ro,"),
        "{log}"
    );
    host.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_offered_is_refused_by_name() {
    let Some(host) = Host::start().await else {
        return;
    };
    let mut volume = sh("true");
    volume.binds = vec!["data:/data".parse().unwrap()];
    volume.volume_driver = "no-such-driver".to_owned();
    let mut log = sh("true");
    log.log.driver = "splunk".to_owned();
    for (spec, word) in [(volume, "no-such-driver"), (log, "splunk")] {
        let error = host
            .engine
            .containers()
            .create(None, spec)
            .await
            .unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
    }
    // What is no namespace's is found out at the start.
    let mut sysctl = sh("true");
    let sysctls = &mut sysctl.security.sysctls;
    sysctls.insert("kernel.panic".to_owned(), "1".to_owned());
    let containers = host.engine.containers();
    let made = containers.create(None, sysctl).await.unwrap();
    let error = containers.start(&made.id).await.unwrap_err();
    assert!(error.to_string().contains("kernel.panic"), "{error}");
    host.clear().await;
}
