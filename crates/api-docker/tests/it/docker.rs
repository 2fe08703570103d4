//! The real docker client, unchanged.

use crate::host::Host;
use std::process::{Command, Output, Stdio};

fn docker(host: &Host, arguments: &[&str]) -> Option<Output> {
    let mut command = Command::new("timeout");
    command.args(["60", "docker", "-H"]);
    command.arg(format!("unix://{}", host.socket.display()));
    command
        .args(arguments)
        .stdin(Stdio::null())
        .env_remove("DOCKER_HOST");
    let output = command.output().unwrap();
    // timeout says so if it does not find the program.
    if output.status.code() == Some(127) && output.stderr.starts_with(b"timeout: ") {
        eprintln!("skipped: no docker client on this host");
        return None;
    }
    Some(output)
}

fn said(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[test]
fn the_docker_client_works_unchanged() {
    let host = Host::new();
    let Some(image) = host.busybox() else { return };
    let Some(version) = docker(&host, &["version", "--format", "{{.Server.APIVersion}}"]) else {
        return;
    };
    assert_eq!(said(&version).1, "1.56\n");
    let run = |arguments: &[&str]| said(&docker(&host, arguments).unwrap());
    let ok = |arguments: &[&str]| {
        let (code, out, err) = run(arguments);
        assert_eq!(code, Some(0), "{arguments:?}: {out}{err}");
        out
    };
    assert_eq!(ok(&["run", "--rm", image, "echo", "hello"]), "hello\n");
    let (code, out, err) = run(&[
        "run",
        "--rm",
        image,
        "sh",
        "-c",
        "echo out; echo err >&2; exit 9",
    ]);
    assert_eq!(
        (code, out.as_str(), err.as_str()),
        (Some(9), "out\n", "err\n")
    );
    assert_eq!(run(&["run", "--rm", image, "no-such-program"]).0, Some(127));
    assert_eq!(run(&["run", "--rm", image, "/bin"]).0, Some(126));
    ok(&[
        "run", "-d", "--name", "named", "--label", "a=b", image, "sleep", "600",
    ]);
    assert_eq!(run(&["exec", "named", "sh", "-c", "exit 3"]).0, Some(3));
    assert_eq!(ok(&["exec", "named", "echo", "in"]), "in\n");
    assert_eq!(
        ok(&[
            "ps",
            "--filter",
            "label=a=b",
            "--format",
            "{{.Names}} {{.State}}"
        ]),
        "named running\n"
    );
    let format = "{{.State.Running}} {{.Config.Labels.a}}";
    assert_eq!(ok(&["inspect", "--format", format, "named"]), "true b\n");
    ok(&["stats", "--no-stream", "named"]);
    ok(&["rename", "named", "other"]);
    ok(&["stop", "-t", "0", "other"]);
    assert_eq!(ok(&["wait", "other"]), "137\n");
    ok(&["start", "other"]);
    ok(&["rm", "-f", "other"]);
    assert_eq!(ok(&["ps", "-aq"]), "");
    ok(&["info"]);
    ok(&["system", "df"]);
    ok(&["network", "ls"]);
    ok(&["volume", "ls"]);
    let all = ok(&[
        "events",
        "--since",
        "10m",
        "--until",
        "0s",
        "--format",
        "{{.Action}}",
    ]);
    assert!(all.contains("exec_die"), "{all}");
    ok(&["rmi", image]);
}
