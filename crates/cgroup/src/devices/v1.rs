//! Version 1: lines written to `devices.deny` and `devices.allow`.

use super::rules::{ALL, Exception, MKNOD, READ, Rules, WRITE};
use crate::Error;
use crate::group::Group;
use rustix::fs::OFlags;
use std::fmt::Write;

pub(super) fn apply(group: &Group, rules: &Rules) -> Result<(), Error> {
    let (whole, exceptions) = match rules.allow {
        true => ("devices.allow", "devices.deny"),
        false => ("devices.deny", "devices.allow"),
    };
    group.write(whole, "a")?;
    if rules.exceptions.is_empty() {
        return Ok(());
    }
    let path = || group.path.join(exceptions);
    let file = group
        .open_file(exceptions, OFlags::WRONLY)
        .map_err(|errno| Error::io("open", &path())(errno))?;
    // One rule a write is all that the kernel takes.
    for exception in &rules.exceptions {
        let line = line(exception);
        rustix::io::write(&file, line.as_bytes()).map_err(|errno| Error::Write {
            value: line.clone(),
            path: path(),
            source: errno.into(),
        })?;
    }
    Ok(())
}

fn line(exception: &Exception) -> String {
    let mut line = exception.kind.as_str().to_owned();
    let number = |number: Option<u32>| number.map_or("*".to_owned(), |number| number.to_string());
    // Writing to a string cannot fail.
    let _ = write!(
        line,
        " {}:{} ",
        number(exception.major),
        number(exception.minor)
    );
    for (bit, letter) in [(READ, 'r'), (WRITE, 'w'), (MKNOD, 'm')] {
        if exception.access & ALL & bit != 0 {
            line.push(letter);
        }
    }
    line
}
