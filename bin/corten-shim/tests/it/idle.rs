//! What an idle shim costs.

use crate::host::{Host, exec};
use std::fs;
use task::EventKind;

/// The most private memory and page tables of an idle shim, in kB, of a release build.
const BOUND: u64 = 150;

/// `field` of `/proc/PID/file`, in kB.
fn field(pid: u64, file: &str, field: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.unwrap()
}

#[tokio::test]
async fn an_idle_shim_keeps_little_memory_after_an_exec_and_ten_megabytes_of_log() {
    // Pages of a file that was just built count as dirty until they are written.
    let executable = fs::File::open(env!("CARGO_BIN_EXE_corten-shim")).unwrap();
    executable.sync_all().unwrap();
    let mut host = Host::start();
    let script = "yes | head -c 10000000; echo done >&2; exec sleep 600";
    let create = host.container(&["sh", "-c", script]);
    let id = create.id.clone();
    host.tasks.run(create).await.unwrap();
    let exec = exec(&id, &["true"]);
    host.tasks.exec(exec).await.unwrap();
    host.event(|event| matches!(event.kind, EventKind::ExecExited { .. }).then_some(()))
        .await;
    while !host.logged(&id).contains("done\n") {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    // Memory is given back once nothing has happened for a while.
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;

    let document = fs::read(host.paths.shim(&id).join("shim.json")).unwrap();
    let document: serde_json::Value = serde_json::from_slice(&document).unwrap();
    let pid = document["process"]["pid"].as_u64().unwrap();
    let dirty = field(pid, "smaps_rollup", "Private_Dirty:");
    let tables = field(pid, "status", "VmPTE:");
    if std::env::var_os("SHIM_MAPS").is_some() {
        println!(
            "{}",
            fs::read_to_string(format!("/proc/{pid}/smaps")).unwrap()
        );
    }
    println!("private dirty {dirty} kB, page tables {tables} kB");
    // Without optimisation code and relocations are several times larger.
    if !cfg!(debug_assertions) {
        assert!(dirty + tables <= BOUND, "{dirty} kB + {tables} kB");
    }
    host.end().await;
}
