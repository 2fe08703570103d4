//! Dockerfile instructions that configure an image: `docker import --change`, `docker commit`.

mod expand;

use crate::Error;
use expand::{Variables, parts};
use oci::image::{ExecConfig, Healthcheck};
use serde_json::{Map, Value};

/// Applies `changes` to `config`, in their order.
pub fn configure(config: &mut ExecConfig, changes: &[String]) -> Result<(), Error> {
    // One text may hold several instructions, a line each, as a Dockerfile does.
    let joined = changes.join("\n").replace("\\\n", "");
    for line in joined.lines().map(str::trim) {
        if !line.is_empty() && !line.starts_with('#') {
            instruction(config, line)?;
        }
    }
    Ok(())
}

fn instruction(config: &mut ExecConfig, line: &str) -> Result<(), Error> {
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    let upper = word.to_ascii_uppercase();
    if rest.is_empty() {
        let least = match upper.as_str() {
            "USER" | "WORKDIR" | "STOPSIGNAL" => "exactly",
            _ => "at least",
        };
        let reason = format!("{upper} requires {least} one argument");
        return Err(invalid(reason));
    }
    let env = config.env.clone();
    let variables = Variables(&env);
    match upper.as_str() {
        "CMD" => config.cmd = Some(command(config, rest)),
        "ENTRYPOINT" => config.entrypoint = Some(command(config, rest)),
        "ENV" => {
            for (name, value) in pairs(rest, "ENV", variables)? {
                let prefix = format!("{name}=");
                config.env.retain(|old| !old.starts_with(&prefix));
                config.env.push(format!("{prefix}{value}"));
            }
        }
        "LABEL" => config.labels.extend(pairs(rest, "LABEL", variables)?),
        "USER" => config.user = variables.word(rest)?,
        "WORKDIR" => match variables.word(rest)?.as_str() {
            "" => return Err(invalid("cannot normalize nothing".to_owned())),
            path => config.working_dir = workdir(&config.working_dir, path),
        },
        "STOPSIGNAL" => {
            let signal = variables.word(rest)?;
            signal
                .parse::<types::Signal>()
                .map_err(|error| invalid(error.to_string()))?;
            config.stop_signal = Some(signal);
        }
        "EXPOSE" => {
            for part in parts(rest) {
                // One variable may hold several.
                for port in variables.word(part)?.split_whitespace() {
                    expose(config, port)?;
                }
            }
        }
        "VOLUME" => {
            let paths = json(rest);
            let paths =
                paths.unwrap_or_else(|| parts(rest).into_iter().map(str::to_owned).collect());
            for path in paths {
                let path = variables.word(&path)?;
                if path.is_empty() {
                    let words = "VOLUME specified can not be an empty string";
                    return Err(invalid(words.to_owned()));
                }
                config.volumes.insert(path, Value::Object(Map::new()));
            }
        }
        "ONBUILD" => config.on_build.push(rest.to_owned()),
        "HEALTHCHECK" => config.healthcheck = Some(healthcheck(config, rest)?),
        _ => return Err(invalid(format!("{word} is not a valid change command"))),
    }
    Ok(())
}

/// The JSON form, or the shell's form, wrapped in the image's shell.
fn command(config: &ExecConfig, rest: &str) -> Vec<String> {
    if let Some(list) = json(rest) {
        return list;
    }
    let shell = match config.shell.is_empty() {
        true => vec!["/bin/sh".to_owned(), "-c".to_owned()],
        false => config.shell.clone(),
    };
    shell.into_iter().chain([rest.to_owned()]).collect()
}

fn json(rest: &str) -> Option<Vec<String>> {
    rest.starts_with('[')
        .then(|| serde_json::from_str(rest).ok())
        .flatten()
}

/// `NAME=value NAME="a b"`, or the old form `NAME all the rest`. Variables are as they were before
/// all of them.
fn pairs(
    rest: &str,
    instruction: &str,
    variables: Variables<'_>,
) -> Result<Vec<(String, String)>, Error> {
    let list = parts(rest);
    if !list.first().is_some_and(|first| first.contains('=')) {
        return match rest.split_once(char::is_whitespace) {
            Some((name, value)) => Ok(vec![(variables.word(name)?, variables.word(value.trim())?)]),
            None => Err(invalid(format!("{instruction} must have two arguments"))),
        };
    }
    let pair = |word: &str| match word.split_once('=') {
        Some(("", _)) => Err(invalid(format!("{instruction} names can not be blank"))),
        Some((name, value)) => Ok((variables.word(name)?, variables.word(value)?)),
        None => Err(invalid(format!(
            "Syntax error - can't find = in {word:?}. Must be of the form: name=value"
        ))),
    };
    list.into_iter().map(pair).collect()
}

fn workdir(old: &str, path: &str) -> String {
    let joined = match path.starts_with('/') {
        true => path.to_owned(),
        false => format!("{}/{path}", if old.is_empty() { "" } else { old }),
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in joined.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// `80`, `80/udp`, `8000-8010/tcp`.
fn expose(config: &mut ExecConfig, text: &str) -> Result<(), Error> {
    let wrong = || invalid(format!("Invalid containerPort: {text}"));
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = protocol.to_ascii_lowercase();
    if !["tcp", "udp", "sctp"].contains(&protocol.as_str()) {
        return Err(invalid(format!("invalid proto: {protocol}")));
    }
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let (first, last): (u16, u16) = match (first.parse(), last.parse()) {
        (Ok(first), Ok(last)) if first <= last => (first, last),
        _ => return Err(wrong()),
    };
    for port in first..=last {
        let empty = Value::Object(Map::new());
        config
            .exposed_ports
            .insert(format!("{port}/{protocol}"), empty);
    }
    Ok(())
}

fn healthcheck(config: &ExecConfig, rest: &str) -> Result<Healthcheck, Error> {
    let mut check = Healthcheck::default();
    let mut rest = rest;
    while let Some(option) = rest.strip_prefix("--") {
        let (option, after) = option
            .split_once(char::is_whitespace)
            .unwrap_or((option, ""));
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let wrong = || invalid(format!("HEALTHCHECK: --{option} is not understood"));
        let nanos = || duration(value).ok_or_else(wrong);
        match name {
            "interval" => check.interval = nanos()?,
            "timeout" => check.timeout = nanos()?,
            "start-period" => check.start_period = nanos()?,
            "start-interval" => check.start_interval = nanos()?,
            "retries" => check.retries = value.parse().map_err(|_| wrong())?,
            _ => return Err(wrong()),
        }
        rest = after.trim_start();
    }
    let (kind, arguments) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    check.test = match (kind.to_ascii_uppercase().as_str(), arguments.trim()) {
        ("NONE", "") => vec!["NONE".to_owned()],
        ("CMD", "") => return Err(invalid("Missing command after HEALTHCHECK CMD".to_owned())),
        ("CMD", line) => match json(line) {
            Some(list) => [vec!["CMD".to_owned()], list].concat(),
            None if config.shell.is_empty() => vec!["CMD-SHELL".to_owned(), line.to_owned()],
            None => [vec!["CMD".to_owned()], command(config, line)].concat(),
        },
        _ => {
            return Err(invalid(format!(
                "Unknown type {kind:?} in HEALTHCHECK (try CMD)"
            )));
        }
    };
    Ok(check)
}

/// Go's durations: `1m30s`, `500ms`.
fn duration(text: &str) -> Option<i64> {
    let mut rest = text;
    let mut sum = 0.0_f64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(digits);
        let end = tail
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let scale = match unit {
            "ns" => 1.0,
            "us" | "µs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            _ => return None,
        };
        sum += number.parse::<f64>().ok()? * scale;
        rest = tail;
    }
    let bounded = !text.is_empty() && sum < 9e18;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "bounded above, and never negative"
    )]
    bounded.then_some(sum as i64)
}

fn invalid(reason: String) -> Error {
    Error::Invalid { reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configured(changes: &[&str]) -> ExecConfig {
        let mut config = ExecConfig::default();
        let changes: Vec<String> = changes.iter().map(|c| (*c).to_owned()).collect();
        configure(&mut config, &changes).unwrap_or_else(|error| panic!("{error}"));
        config
    }

    #[test]
    fn changes_are_read_as_a_dockerfile() {
        let config = configured(&[
            "CMD [\"/a\", \"b c\"]",
            "entrypoint exec /b $X",
            "ENV A=1 B=\"two words\" C=a\\ b\nENV A 2 and more",
            "LABEL x.y=z",
            "USER 1000:100",
            "WORKDIR /srv/../var",
            "WORKDIR lib",
            "EXPOSE 80 53/UDP 8000-8001",
            "VOLUME [\"/data\", \"/more\"]",
            "STOPSIGNAL SIGQUIT",
            "HEALTHCHECK --interval=1m30s --retries=2 CMD curl -f x",
            "ONBUILD RUN true",
        ]);
        assert_eq!(config.cmd.unwrap(), ["/a", "b c"]);
        assert_eq!(config.entrypoint.unwrap(), ["/bin/sh", "-c", "exec /b $X"]);
        assert_eq!(config.env, ["B=two words", "C=a b", "A=2 and more"]);
        assert_eq!(config.labels["x.y"], "z");
        assert_eq!(config.user, "1000:100");
        assert_eq!(config.working_dir, "/var/lib");
        let ports: Vec<_> = config.exposed_ports.keys().collect();
        assert_eq!(ports, ["53/udp", "80/tcp", "8000/tcp", "8001/tcp"]);
        assert_eq!(
            config.volumes.keys().collect::<Vec<_>>(),
            ["/data", "/more"]
        );
        assert_eq!(config.stop_signal.as_deref(), Some("SIGQUIT"));
        let check = config.healthcheck.unwrap();
        assert_eq!(check.test, ["CMD-SHELL", "curl -f x"]);
        assert_eq!((check.interval, check.retries), (90_000_000_000, 2));
        assert_eq!(config.on_build, ["RUN true"]);
    }

    /// As docker 28 has them.
    #[test]
    fn a_user_and_a_directory_are_one_word_blanks_and_all() {
        for (text, expected) in [
            ("a b", "a b"),
            ("\"a b\"", "a b"),
            ("'a'", "a"),
            ("a\\ b", "a b"),
            ("a  b ", "a  b"),
        ] {
            assert_eq!(configured(&[&format!("USER {text}")]).user, expected);
            let config = configured(&[&format!("WORKDIR /{text}")]);
            assert_eq!(config.working_dir, format!("/{expected}"));
        }
    }

    #[test]
    fn variables_are_those_of_before() {
        let config = configured(&[
            "ENV A=1",
            "ENV A=2 B=$A",
            "LABEL $A=\"$B ${C:-none}\"",
            "WORKDIR /x$A",
            "EXPOSE $A",
            "USER $B",
            "VOLUME /v$B [$A]",
            "VOLUME [\"/w$A\"]",
            "STOPSIGNAL $A",
            "CMD echo $A",
        ]);
        assert_eq!(config.env, ["A=2", "B=1"]);
        assert_eq!(config.labels["2"], "1 none");
        assert_eq!(config.working_dir, "/x2");
        assert_eq!(config.user, "1");
        let volumes: Vec<_> = config.volumes.keys().collect();
        assert_eq!(volumes, ["/v1", "/w2", "[2]"]);
        assert!(config.exposed_ports.contains_key("2/tcp"));
        assert_eq!(config.stop_signal.as_deref(), Some("2"));
        assert_eq!(config.cmd.unwrap(), ["/bin/sh", "-c", "echo $A"]);
    }

    #[test]
    fn what_is_no_change_is_refused() {
        for change in [
            "RUN true",
            "CMD",
            "EXPOSE http",
            "EXPOSE 1-0",
            "ENV x",
            "USER",
            "STOPSIGNAL SIGQUIT x",
            "STOPSIGNAL SIGX",
        ] {
            let refused = configure(&mut ExecConfig::default(), &[change.to_owned()]);
            assert!(refused.is_err(), "{change}");
        }
        let refused = configure(&mut ExecConfig::default(), &["FROM x".to_owned()]);
        assert_eq!(
            refused.unwrap_err().to_string(),
            "FROM is not a valid change command"
        );
    }
}
