//! Starts that cannot succeed say why.

use std::fs;

use local_services::{Error, Options, Services};

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
    fs::write(state.path.join("postgres/postgresql.conf"), "no_such_setting = 1\n").expect("write");

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
    fs::rename(state.path.join("postgres"), state.path.join("postgres.new")).expect("rename");
    fs::remove_file(state.path.join("postgres.new/PG_VERSION")).expect("remove");

    start(&Options::durable(&state.path)).stop().expect("stop");

    assert!(state.path.join("postgres/PG_VERSION").is_file() && !state.path.join("postgres.new").exists());
}

#[test]
fn the_servers_user_must_get_at_the_state_folder() {
    use std::os::unix::fs::PermissionsExt as _;
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
