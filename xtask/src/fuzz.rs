//! Fuzzing: targets of `fuzz/`, built with the compiler's coverage counters.

use crate::build::{self, cargo, succeed};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Every target of `fuzz/Cargo.toml`.
const TARGETS: [&str; 7] = [
    "layer",
    "tree",
    "archive",
    "manifest",
    "reference",
    "headers",
    "config",
];

/// Counters that libFuzzer reads; the stable compiler has them as an LLVM pass.
const COVERAGE: &str = "--cfg fuzzing -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares \
    -Ccodegen-units=1";

/// Options of `cargo xtask fuzz`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Targets; all if none is named
    targets: Vec<String>,
    /// Seconds for each
    #[arg(long, default_value_t = 60)]
    seconds: u32,
}

/// Runs each target for a while; what it finds is kept as a file and is an error.
pub(crate) fn run(options: &Options) -> Result<()> {
    for target in &options.targets {
        let known = TARGETS.contains(&target.as_str());
        ensure!(
            known,
            "no target {target}; there are {}",
            TARGETS.join(", ")
        );
    }
    let fuzz = build::root().join("fuzz");
    let manifest = fuzz.join("Cargo.toml");
    let output = build::target_directory()?.join("fuzz");
    succeed(
        cargo(&["build", "--release", "--manifest-path"])
            .arg(&manifest)
            .arg("--target-dir")
            .arg(&output)
            .env("RUSTFLAGS", COVERAGE),
    )?;
    let bins = output.join(build::host()?).join("release");
    let named = options.targets.iter().map(String::as_str);
    let targets: Vec<&str> = match options.targets.is_empty() {
        true => TARGETS.to_vec(),
        false => named.collect(),
    };
    for target in targets {
        let corpus = corpus(&output, target, &fuzz)?;
        let found = output.join("found");
        fs::create_dir_all(&found)?;
        println!("\nfuzzing {target} for {} s", options.seconds);
        succeed(
            Command::new(bins.join(target))
                .arg(&corpus)
                .arg(format!("-artifact_prefix={}/{target}-", found.display()))
                .arg(format!("-max_total_time={}", options.seconds))
                .args(["-max_len=65536", "-timeout=30", "-print_final_stats=1"]),
        )?;
    }
    Ok(())
}

/// What a target starts from: what earlier runs found, and seeds.
fn corpus(output: &Path, target: &str, fuzz: &Path) -> Result<PathBuf> {
    let corpus = output.join("corpus").join(target);
    fs::create_dir_all(&corpus)?;
    let seeds: Vec<(String, Vec<u8>)> = match target {
        "layer" => {
            let prefixed = |(name, bytes): (String, Vec<u8>)| (name, [&[1], &bytes[..]].concat());
            archives(fuzz)?.into_iter().map(prefixed).collect()
        }
        "tree" | "archive" => archives(fuzz)?,
        _ => texts(target),
    };
    for (name, bytes) in seeds {
        fs::write(corpus.join(name), bytes)?;
    }
    Ok(corpus)
}

/// Small archives in each format that tar writes.
fn archives(fuzz: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let formats = ["ustar", "gnu", "pax", "v7"];
    let made = formats.into_iter().map(|format| {
        let mut command = Command::new("tar");
        let command = command
            .arg(format!("--format={format}"))
            .args(["-b1", "-c", "-C"])
            .arg(fuzz)
            .args(["Cargo.toml", "targets/headers.rs", "targets/reference.rs"]);
        let output = command.output().context("cannot start tar")?;
        ensure!(output.status.success(), "{command:?} failed");
        Ok((format!("seed-{format}"), output.stdout))
    });
    made.collect()
}

fn texts(target: &str) -> Vec<(String, Vec<u8>)> {
    let digest = format!("sha256:{}", "0".repeat(64));
    let texts = match target {
        "manifest" => vec![
            format!(
                r#"{{"schemaVersion":2,"config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{digest}","size":2}},"layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"{digest}","size":9}}]}}"#
            ),
            format!(
                r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{digest}","size":9,"platform":{{"os":"linux","architecture":"arm64","variant":"v8"}}}}]}}"#
            ),
            r#"{"os":"linux","architecture":"amd64","config":{"Cmd":["sh"],"Env":["A=b"],"ExposedPorts":{"80/tcp":{}}},"rootfs":{"type":"layers","diff_ids":[]}}"#.to_owned(),
        ],
        "reference" => vec![
            "debian".to_owned(),
            format!("localhost:5000/a/b_c:tag@{digest}"),
            "linux/arm64/v8".to_owned(),
        ],
        "headers" => vec![
            "01234567bytes=5-9".to_owned(),
            "01234567bytes 5-9/10".to_owned(),
            r#"01234567Bearer realm="https://a/token",service="s",scope="repository:a:pull""#.to_owned(),
        ],
        _ => vec![
            r#"{"ociVersion":"1.2.0","process":{"args":["sh"],"cwd":"/","user":{"uid":0,"gid":0}},"root":{"path":"rootfs"},"mounts":[{"destination":"/proc","type":"proc","source":"proc"}],"linux":{"namespaces":[{"type":"pid"}],"seccomp":{"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_X86_64"],"syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":1,"op":"SCMP_CMP_EQ"}]}]}}}"#.to_owned(),
        ],
    };
    let numbered = texts.into_iter().enumerate();
    let prefix = if target == "manifest" { "\0" } else { "" };
    numbered
        .map(|(i, text)| (format!("seed-{i}"), format!("{prefix}{text}").into_bytes()))
        .collect()
}
