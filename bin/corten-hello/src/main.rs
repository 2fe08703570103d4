//! Prints what a container sees.
//!
//! It is the only file of the image `corten/hello`, so it relies on nothing but the kernel:
//! `/proc` and `/sys` as the container has them, and it says so where they are missing.

mod capabilities;
mod cgroups;
mod identity;
mod mounts;
mod network;

use std::fs;
use std::io::{self, Write};

/// Lines of a name and what belongs to it.
#[derive(Debug, Default)]
struct Report(String);

impl Report {
    /// One line; further lines of the same name leave it out.
    fn line(&mut self, name: &str, text: &str) {
        self.0.push_str(&format!("  {name:<13} {text}\n"));
    }

    /// Several lines under one name.
    fn lines(&mut self, name: &str, texts: &[String]) {
        if texts.is_empty() {
            self.line(name, "none");
        }
        for (index, text) in texts.iter().enumerate() {
            self.line(if index == 0 { name } else { "" }, text);
        }
    }
}

/// A file's text without the line end; an empty one if it cannot be read.
fn read(path: &str) -> String {
    fs::read_to_string(path).map_or_else(|_| String::new(), |text| text.trim_end().to_owned())
}

fn main() -> io::Result<()> {
    let mut report = Report::default();
    report
        .0
        .push_str("\nHello from a corten container. This is what it sees:\n\n");
    identity::report(&mut report);
    capabilities::report(&mut report);
    cgroups::report(&mut report);
    network::report(&mut report);
    mounts::report(&mut report);
    report.0.push('\n');
    io::stdout().lock().write_all(report.0.as_bytes())
}
