//! What is mounted.

use crate::{Report, read};

/// How many lines the mounts may take.
const SHOWN: usize = 8;
const WIDTH: usize = 62;

/// The root, and where else something is mounted.
pub(crate) fn report(report: &mut Report) {
    let text = read("/proc/self/mountinfo");
    let mounts: Vec<_> = text.lines().filter_map(mount).collect();
    if let Some((_, kind, options)) = mounts.iter().find(|(point, ..)| *point == "/") {
        let access = options.split(',').next().unwrap_or_default();
        report.line("root", &format!("{kind} ({access})"));
    }
    let mut lines: Vec<String> = Vec::new();
    for (point, kind, options) in mounts.iter().filter(|(point, ..)| *point != "/") {
        let access = if options.starts_with("ro") { ",ro" } else { "" };
        let text = format!("{point} ({kind}{access})");
        match lines.last_mut() {
            Some(line) if line.len() + text.len() < WIDTH => {
                line.push_str("  ");
                line.push_str(&text);
            }
            _ => lines.push(text),
        }
    }
    let hidden = lines.len().saturating_sub(SHOWN);
    lines.truncate(SHOWN);
    if hidden > 0 {
        lines.push(format!("and {hidden} lines more"));
    }
    match mounts.is_empty() {
        true => report.line("mounts", "unknown: /proc is not there"),
        false => report.lines("mounts", &lines),
    }
}

/// Mount point, kind and options.
fn mount(line: &str) -> Option<(&str, &str, &str)> {
    let (before, after) = line.split_once(" - ")?;
    let mut before = before.split(' ').skip(4);
    let kind = after.split(' ').next()?;
    Some((before.next()?, kind, before.next()?))
}
