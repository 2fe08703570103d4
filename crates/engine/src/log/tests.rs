use super::*;

fn options(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

#[test]
fn sizes_and_counts_of_json_files_are_read() {
    let read = |pairs: &[(&str, &str)]| {
        let bounds = Bounds::json_file(&options(pairs))?;
        let size = bounds.size.map(NonZeroU64::get);
        Ok::<_, String>((size, bounds.files, bounds.compress))
    };
    let words = |text: &str| Err(text.to_owned());
    let compress = "compress cannot be true when max-file is less than 2 or max-size is not set";
    for (pairs, expected) in [
        (&[][..], Ok((Some(LARGEST), FILES, false))),
        (&[("max-size", "10m")], Ok((Some(10_000_000), 1, false))),
        (&[("max-size", "-1")], Ok((None, 1, false))),
        (
            &[("max-size", "1"), ("max-file", "3"), ("compress", "true")],
            Ok((Some(1), 3, true)),
        ),
        (
            &[("max-size", "0")],
            words("max-size must be a positive number"),
        ),
        (&[("max-size", "1x")], words("invalid suffix: 'x'")),
        (
            &[("max-file", "0")],
            words("max-file cannot be less than 1"),
        ),
        (
            &[("max-file", "x")],
            words("strconv.Atoi: parsing \"x\": invalid syntax"),
        ),
        (&[("compress", "true")], words(compress)),
        (
            &[("compress", "maybe")],
            words("strconv.ParseBool: parsing \"maybe\": invalid syntax"),
        ),
    ] {
        assert_eq!(read(pairs), expected, "{pairs:?}");
    }
}

#[test]
fn what_is_kept_for_other_drivers_is_bounded() {
    let read = |pairs: &[(&str, &str)]| Bounds::local(&options(pairs)).map(|b| (b.size, b.files));
    assert_eq!(read(&[]), Ok((NonZeroU64::new(KEPT), 5)));
    let error = read(&[("max-size", "x")]).unwrap_err();
    assert_eq!(error, "invalid value for max-size: x: invalid size: 'x'");
    let error = read(&[("max-file", "0")]).unwrap_err();
    assert_eq!(
        error,
        "compression cannot be enabled when max file count is 1"
    );
}

/// What a container with such a log is refused with; nothing if it is not.
fn refusal(driver: &str, pairs: &[(&str, &str)]) -> String {
    let spec = ContainerSpec {
        log: LogSpec {
            driver: driver.to_owned(),
            options: options(pairs),
        },
        ..ContainerSpec::default()
    };
    match check(&spec) {
        Ok(()) => String::new(),
        Err(Error::Invalid { reason, .. }) => reason,
        Err(error) => error.to_string(),
    }
}

#[test]
fn options_of_files_are_refused_in_dockers_words() {
    for (driver, pairs, words) in [
        ("json-file", &[("max-size", "x")][..], ""),
        (
            "json-file",
            &[("bogus", "1")],
            "unknown log opt 'bogus' for json-file log driver",
        ),
        (
            "local",
            &[("tag", "x")],
            "unknown log opt 'tag' for log driver local",
        ),
        (
            "json-file",
            &[("mode", "x")],
            "logger: logging mode not supported: x",
        ),
        (
            "json-file",
            &[("max-buffer-size", "1m")],
            "logger: max-buffer-size option is only supported with 'mode=non-blocking'",
        ),
        (
            "json-file",
            &[("mode", "non-blocking"), ("max-buffer-size", "x")],
            "error parsing option max-buffer-size: invalid size: 'x'",
        ),
        (
            "local",
            &[("cache-disabled", "x")],
            "invalid value for option cache-disabled: x",
        ),
    ] {
        assert_eq!(refusal(driver, pairs), words, "{driver} {pairs:?}");
    }
}

#[test]
fn options_of_other_drivers_are_refused_in_dockers_words() {
    /// A driver, its options, and the words.
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);
    let cases: &[Case<'_>] = &[
        (
            "syslog",
            &[("syslog-address", "foo")],
            "unsupported scheme: ''",
        ),
        (
            "syslog",
            &[("syslog-facility", "x")],
            "invalid syslog facility",
        ),
        ("syslog", &[("syslog-format", "x")], "Invalid syslog format"),
        (
            "syslog",
            &[("cache-bogus", "x")],
            "unknown log opt 'cache-bogus' for syslog log driver",
        ),
        (
            "syslog",
            &[("syslog-address", "unix:///nope")],
            "stat /nope: no such file or directory",
        ),
        (
            "journald",
            &[("bogus", "1")],
            "unknown log opt 'bogus' for journald log driver",
        ),
        (
            "fluentd",
            &[("bogus", "1")],
            "unknown log opt 'bogus' for fluentd log driver",
        ),
        (
            "fluentd",
            &[("fluentd-address", "foo:bar")],
            "invalid fluentd-address (foo:bar): parse \"tcp://foo:bar\": invalid port \":bar\" after host",
        ),
        (
            "fluentd",
            &[("fluentd-buffer-limit", "x")],
            "invalid size: 'x'",
        ),
        ("gelf", &[], "gelf-address is a required parameter"),
        (
            "gelf",
            &[("gelf-address", "foo")],
            "gelf: endpoint needs to be TCP or UDP",
        ),
        ("none", &[("x", "y")], ""),
        (
            "bogus",
            &[],
            "error looking up logging plugin bogus: plugin \"bogus\" not found",
        ),
    ];
    for (driver, pairs, words) in cases {
        assert_eq!(refusal(driver, pairs), *words, "{driver} {pairs:?}");
    }
}
