//! `import`: images from trees.

use crate::images::tree;
use crate::unique;
use testing::TestHost;

#[test]
fn changes_become_the_images_configuration() {
    let host = TestHost::start();
    let name = unique("changed");
    let changes = [
        "CMD [\"/x\", \"y z\"]",
        "ENV A=b",
        "WORKDIR /w",
        "USER 7",
        "EXPOSE 80",
        "LABEL l=m",
        "ENTRYPOINT [\"/e\"]",
    ];
    let mut args = vec!["import"];
    for change in changes {
        args.extend(["-c", change]);
    }
    args.extend(["-", &name]);
    let ran = host.cli_with_input(&args, tree(&name)).success();
    assert!(ran.text().starts_with("sha256:"), "{ran}");
    let template = "{{json .Config.Cmd}} {{json .Config.Entrypoint}} {{.Config.WorkingDir}} {{.Config.User}} {{json .Config.Labels}}";
    assert_eq!(
        host.inspect(&name, template),
        r#"["/x","y z"] ["/e"] /w 7 {"l":"m"}"#
    );
    assert!(host.inspect(&name, "{{json .Config.Env}}").contains("A=b"));
    assert_eq!(
        host.inspect(&name, "{{json .Config.ExposedPorts}}"),
        r#"{"80/tcp":{}}"#
    );
    host.cli(&["rmi", &name]).success();
}

#[test]
fn a_file_can_be_given_by_path() {
    let host = TestHost::start();
    let name = unique("file");
    let file = host.scratch().join("tree.tar");
    std::fs::write(&file, tree(&name)).unwrap();
    host.cli(&["import", file.to_str().unwrap(), &name])
        .success();
    host.cli(&["rmi", &name]).success();
    let ran = host.cli(&["import", "/no/such/file", &name]).code(1);
    assert!(ran.error().contains("/no/such/file"), "{ran}");
}

#[test]
fn what_is_no_archive_is_refused_and_leaves_nothing() {
    let host = TestHost::start();
    let name = unique("garbage");
    let ran = host.cli_with_input(&["import", "-", &name], vec![b'x'; 100_000]);
    assert_ne!(ran.code, 0, "{ran}");
    assert!(!ran.error().is_empty());
    host.cli(&["image", "inspect", &name]).code(1);
}

#[test]
fn compressed_trees_are_read() {
    let host = TestHost::start();
    for (program, suffix) in [("gzip", "gz"), ("zstd", "zst")] {
        if testing::missing("compressed_trees_are_read", program) {
            continue;
        }
        let name = unique(suffix);
        let mut command = std::process::Command::new(program);
        command.arg("-c");
        let packed = testing::run_with_input(command, tree(&name)).success();
        host.cli_with_input(&["import", "-", &name], packed.stdout)
            .success();
        host.cli(&["rmi", &name]).success();
    }
}
