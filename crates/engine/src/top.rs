//! A table of processes, read from the host's `/proc` as `ps` would.

mod columns;
mod process;

use crate::{Error, Processes};
use columns::{Host, Show};

/// The columns of `ps -ef`.
const FULL: &str = "user=UID,pid,ppid,c,stime,tty,time,cmd";
/// The columns of `ps aux`.
const USER: &str = "user,pid,%cpu,%mem,vsz,rss,tty,stat,stime=START,bsdtime,args";
/// The columns of `ps -e`.
const BRIEF: &str = "pid,tty,time,comm=CMD";

/// Which columns are wanted, with their titles.
#[derive(Clone, Debug)]
pub(crate) struct Format(Vec<(String, Show)>);

impl Format {
    /// Reads the arguments of `ps`: which processes are shown is known, so only what is said
    /// of the columns counts.
    pub(crate) fn of(arguments: &[String]) -> Result<Self, Error> {
        let words: Vec<&str> = arguments
            .iter()
            .flat_map(|argument| argument.split_whitespace())
            .collect();
        if words.is_empty() {
            return Self::columns(&[FULL]);
        }
        let (mut lists, mut full, mut user) = (Vec::new(), false, false);
        let mut words_left = words.iter();
        while let Some(word) = words_left.next() {
            let long = word.strip_prefix("--format");
            if let Some(list) = long {
                let list = list.strip_prefix('=').filter(|list| !list.is_empty());
                lists.extend(list.or_else(|| words_left.next().copied()));
                continue;
            }
            let bare = word.strip_prefix('-').unwrap_or(word);
            let (letters, list) = match bare.split_once('o') {
                Some((letters, "")) => (letters, words_left.next().copied()),
                Some((letters, list)) => (letters, Some(list)),
                None => (bare, None),
            };
            let dashed = bare.len() < word.len();
            let known = |letter: char| "aAexwu".contains(letter) || (dashed && letter == 'f');
            if letters.chars().any(|letter| !known(letter)) {
                return Err(match dashed {
                    true => failed("unsupported option", &words),
                    // COMPAT: as procps says it through dockerd.
                    false => {
                        Error::invalid("ps_args", "ps: error: unsupported option (BSD syntax)")
                    }
                });
            }
            full |= letters.contains('f');
            user |= letters.contains('u');
            lists.extend(list);
        }
        match (lists.is_empty(), full, user) {
            (false, _, _) => Self::columns(&lists),
            (true, _, true) => Self::columns(&[USER]),
            (true, true, false) => Self::columns(&[FULL]),
            (true, false, false) => Self::columns(&[BRIEF]),
        }
    }

    fn columns(lists: &[&str]) -> Result<Self, Error> {
        let mut chosen = Vec::new();
        for item in lists.iter().flat_map(|list| list.split(',')) {
            let (name, title) = item.split_once('=').unwrap_or((item, ""));
            let Some((usual, show)) = columns::find(name) else {
                return Err(failed("unknown user-defined format specifier", &[name]));
            };
            if title == "PID" && usual != "PID" {
                let words = format!("specifying \"{name}=PID\" is not allowed");
                return Err(Error::invalid("ps_args", words));
            }
            let title = if title.is_empty() { usual } else { title };
            chosen.push((title.to_owned(), show));
        }
        match chosen.iter().any(|(title, _)| title == "PID") {
            true => Ok(Self(chosen)),
            false => Err(Error::invalid(
                "ps_args",
                "Couldn't find PID field in ps output",
            )),
        }
    }
}

/// COMPAT: dockerd tells what `ps` said.
fn failed(what: &str, words: &[&str]) -> Error {
    let words = words.join(" ");
    Error::invalid(
        "ps_args",
        format!("ps: exit status 1: error: {what} \"{words}\""),
    )
}

/// The table; processes that ended meanwhile are left out.
pub(crate) fn table(format: &Format, pids: &[u32]) -> Processes {
    let host = Host::read();
    let processes = process::read_all(pids);
    let row = |process| {
        let cells = format.0.iter().map(|(_, show)| show(process, &host));
        cells.collect()
    };
    Processes {
        titles: format.0.iter().map(|(title, _)| title.clone()).collect(),
        rows: processes.iter().map(row).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(text: &str) -> Option<String> {
        let format = Format::of(&[text.to_owned()]).ok()?;
        let titles: Vec<String> = format.0.into_iter().map(|(title, _)| title).collect();
        Some(titles.join(" "))
    }

    #[test]
    fn a_process_is_listed_with_its_command() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let format = Format::of(&[]).unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
        // Between fork and exec it still has our name.
        let rows = loop {
            let rows = table(&format, &[child.id(), u32::MAX]).rows;
            let shown = rows
                .first()
                .and_then(|row| row.last())
                .is_some_and(|c| c == "sleep 60");
            if shown || std::time::Instant::now() > deadline {
                break rows;
            }
        };
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0][1], child.id().to_string());
        assert_eq!(rows[0][2], std::process::id().to_string());
        assert_eq!(rows[0][7], "sleep 60");
    }

    #[test]
    fn columns_are_those_of_ps() {
        let full = "UID PID PPID C STIME TTY TIME CMD";
        assert_eq!(format("").as_deref(), Some(full));
        assert_eq!(format("-ef").as_deref(), Some(full));
        assert_eq!(format("-e").as_deref(), Some("PID TTY TIME CMD"));
        let user = "USER PID %CPU %MEM VSZ RSS TTY STAT START TIME COMMAND";
        assert_eq!(format("aux").as_deref(), Some(user));
        for text in [
            "-o pid,comm",
            "-eo pid,comm",
            "axo pid -o comm",
            "--format=pid,comm",
        ] {
            assert_eq!(format(text).as_deref(), Some("PID COMMAND"), "{text}");
        }
        assert_eq!(format("-o pid,args=WHAT").as_deref(), Some("PID WHAT"));
    }

    #[test]
    fn what_ps_or_docker_refuses_is_refused() {
        for text in ["-o comm", "-o pid,nope", "-bogus", "-o ppid=PID,comm", "-q"] {
            assert_eq!(format(text), None, "{text}");
        }
    }
}
