//! Many at once, and many one after another.

use testing::TestHost;

#[test]
fn concurrent_runs_do_not_mix_their_streams() {
    let host = TestHost::start();
    std::thread::scope(|scope| {
        for number in 0..16 {
            let host = &host;
            scope.spawn(move || {
                let (text, code) = (format!("number {number}"), number % 8);
                let script = format!("cat; echo {text}; exit {code}");
                let input = format!("input {number}\n");
                let ran = host.cli_with_input(
                    &["run", "--rm", "-i", "busybox", "sh", "-c", &script],
                    input.clone(),
                );
                let ran = ran.code(code);
                assert_eq!(ran.text(), format!("{input}{text}\n"));
            });
        }
    });
    if std::env::var_os("CORTEN_TEST_HOST").is_none() {
        assert_eq!(host.cli(&["ps", "-aq"]).text(), "");
    }
}

#[test]
fn concurrent_execs_keep_their_own_exit_codes() {
    let host = TestHost::start();
    let one = crate::Running::sleeping(&host);
    std::thread::scope(|scope| {
        for number in 0..16 {
            let (host, id) = (&host, &one.id);
            scope.spawn(move || {
                let script = format!("echo {number}; exit {number}");
                let ran = host.cli(&["exec", id, "sh", "-c", &script]).code(number);
                assert_eq!(ran.text(), format!("{number}\n"));
            });
        }
    });
}

#[test]
fn one_name_is_given_to_one_of_many() {
    let host = TestHost::start();
    let name = crate::unique("contended");
    let codes: Vec<_> = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    host.cli(&["create", "--name", &name, "busybox", "true"])
                        .code
                })
            })
            .collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    assert_eq!(
        codes.iter().filter(|code| **code == 0).count(),
        1,
        "{codes:?}"
    );
    host.cli(&["rm", &name]).success();
}
