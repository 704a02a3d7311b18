//! People's accounts: logins, sessions, second factors, and what slows guessing down. Time is moved, never waited for.
use domain::{
    clock::Clock,
    error::Kind,
    jobs::Operator,
    privacy::Privacy,
    tenancy::{self, Accounts, Credentials, Login, NewSession, NewUser, Reach, Role, UserChange},
};
use futures::future::join_all;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use secrecy::{ExposeSecret, SecretString};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering::Relaxed},
};
use testkit::{Kit, eventually};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

const BY: Operator<'static> = Operator {
    actor: "test",
    ip: None,
};
const ADA: &str = "ada@example.com";
const PASSWORD: &str = "a kayak under the stairs";

/// An installation whose time stands still unless it is moved.
struct Office {
    kit: Kit,
    accounts: Accounts,
    now: Arc<Mutex<OffsetDateTime>>,
}

impl Office {
    async fn start() -> Self {
        let kit = Kit::start().await;
        let now = Arc::new(Mutex::new(kit.clock().now().replace_nanosecond(0).unwrap()));
        let told = now.clone();
        let clock = Clock::told_by(move || *told.lock().unwrap());
        let accounts = Accounts::new(kit.db.clone(), &kit.config, clock);
        Self { kit, accounts, now }
    }

    fn pass(&self, time: Duration) {
        *self.now.lock().unwrap() += time;
    }

    async fn user(&self, email: &str, role: Role, reach: Reach) -> Uuid {
        let new = NewUser {
            email: email.into(),
            name: "Ada".into(),
            password: PASSWORD.into(),
            role,
            reach,
        };
        self.accounts.create_user(new, &Reach::Everywhere, BY).await.unwrap().id
    }

    async fn ada(&self) -> Uuid {
        self.user(ADA, Role::Owner, Reach::Everywhere).await
    }

    async fn try_login(
        &self,
        email: &str,
        password: &str,
        code: Option<&str>,
        ip: Option<&str>,
    ) -> domain::Result<Login> {
        let given = Credentials {
            email: email.into(),
            password: password.into(),
            code: code.map(SecretString::from),
            device: None,
        };
        self.accounts.log_in(given, ip).await
    }

    async fn log_in(&self, password: &str) -> NewSession {
        match self.try_login(ADA, password, None, None).await.unwrap() {
            Login::In(session, _) => *session,
            Login::SecondFactor { .. } => panic!("a second factor is asked for"),
        }
    }

    async fn alive(&self, session: &NewSession) -> bool {
        self.accounts.session(session.token.expose_secret()).await.is_ok()
    }

    async fn lines(&self, action: &str) -> i64 {
        self.kit
            .count(&format!("SELECT count(*) FROM audit_logs WHERE action = '{action}'"))
            .await
    }

    /// The account's second factor turned on; its secret and recovery codes.
    async fn second_factor(&self) -> (String, Vec<String>) {
        let session = self.log_in(PASSWORD).await;
        let enrolled = self.accounts.enrol(&session.who, PASSWORD.into(), None).await.unwrap();
        let secret = enrolled.secret.expose_secret().to_owned();
        let code = self.code(&secret).into();
        let confirmed = self.accounts.confirm_second_factor(&session.who, &code, None).await;
        let (codes, next) = confirmed.unwrap();
        assert!(
            !self.alive(&session).await && self.alive(&next).await,
            "the session is a new one"
        );
        (
            secret,
            codes.iter().map(|code| code.expose_secret().to_owned()).collect(),
        )
    }

    fn code(&self, secret: &str) -> String {
        tenancy::code_at(secret, self.now.lock().unwrap().unix_timestamp()).unwrap()
    }
}

fn code_of<T>(result: domain::Result<T>) -> &'static str {
    result.err().map_or("ok", |error| error.code())
}

#[tokio::test]
async fn a_session_ends_when_idle_and_after_its_lifetime_and_keeps_no_token() {
    let office = Office::start().await;
    office.ada().await;
    let session = office.log_in(PASSWORD).await;
    for _ in 0..4 {
        office.pass(Duration::minutes(29));
        assert!(office.alive(&session).await, "it is in use");
    }
    office.pass(Duration::minutes(31));
    assert!(!office.alive(&session).await, "nobody used it");
    assert_eq!(office.kit.count("SELECT count(*) FROM admin_sessions").await, 0);

    let session = office.log_in(PASSWORD).await;
    for _ in 0..30 {
        office.pass(Duration::minutes(24));
        office.alive(&session).await;
    }
    assert!(!office.alive(&session).await, "twelve hours are over, in use or not");
    let token = office.log_in(PASSWORD).await.token;
    let kept = format!(
        "SELECT count(*) FROM admin_sessions WHERE encode(token_hash, 'escape') LIKE '%{}%'",
        token.expose_secret()
    );
    assert_eq!(office.kit.count(&kept).await, 0);
    assert_eq!(office.lines("admin.login").await, 3);
}

#[tokio::test]
async fn an_account_that_is_not_there_answers_like_one_whose_password_is_wrong() {
    let office = Office::start().await;
    let ada = office.ada().await;
    for attempt in 0..6 {
        let known = office
            .try_login(ADA, "not the password", None, None)
            .await
            .err()
            .unwrap();
        let unknown = office
            .try_login("eve@example.com", "not the password", None, None)
            .await
            .err()
            .unwrap();
        assert_eq!(
            (known.kind(), known.code(), known.public_message()),
            (unknown.kind(), unknown.code(), unknown.public_message()),
            "{attempt}"
        );
    }
    assert_eq!(
        office
            .kit
            .count("SELECT count(*) FROM login_attempts WHERE failures = 5")
            .await,
        2
    );
    assert_eq!(office.lines("admin.login_failed").await, 10);
    assert_eq!(office.lines("admin.login_blocked").await, 2);
    let named = "SELECT count(*) FROM audit_logs WHERE resource LIKE '%eve%' OR metadata::text LIKE '%eve%'";
    assert_eq!(office.kit.count(named).await, 0, "nobody's address is written down");

    office.pass(Duration::hours(25));
    let closed = UserChange {
        disabled: Some(true),
        ..UserChange::default()
    };
    office
        .accounts
        .change_user(ada, closed, &Reach::Everywhere, BY)
        .await
        .unwrap();
    assert_eq!(
        code_of(office.try_login(ADA, PASSWORD, None, None).await),
        "invalid_login",
        "closed answers alike"
    );
    assert_eq!(
        code_of(office.try_login("no address at all", "x", None, None).await),
        "invalid_login"
    );
}

#[tokio::test]
async fn waits_grow_and_end_and_a_known_device_knows_none() {
    let office = Office::start().await;
    office.ada().await;
    let from = async |password: &str, device: &str| {
        let given = Credentials {
            email: ADA.into(),
            password: password.into(),
            code: None,
            device: Some(device.into()),
        };
        code_of(office.accounts.log_in(given, None).await)
    };
    let wrong = || office.try_login(ADA, "not the password", None, None);
    for _ in 0..5 {
        assert_eq!(code_of(wrong().await), "invalid_login");
    }
    for wait in [30, 60, 120, 240, 480, 900, 900] {
        let error = wrong().await.err().unwrap();
        let Kind::TooMany { retry_after } = error.kind() else {
            panic!("{error} instead of a wait of {wait} s");
        };
        assert_eq!(retry_after.as_secs(), wait);
        assert_eq!(
            code_of(office.try_login(ADA, PASSWORD, None, None).await),
            "login_blocked",
            "the right one waits as well"
        );
        office.pass(Duration::seconds(wait as i64));
        assert_eq!(code_of(wrong().await), "invalid_login");
    }
    office.pass(Duration::seconds(900));
    let Ok(Login::In(_, device)) = office.try_login(ADA, PASSWORD, None, None).await else {
        panic!("the wait is over");
    };
    // What strangers did is not forgotten by it, and no matter to the person's own browser.
    assert_eq!(code_of(wrong().await), "invalid_login");
    assert_eq!(code_of(wrong().await), "login_blocked");
    for _ in 0..2 {
        for _ in 0..4 {
            assert_eq!(from("not the password", &device).await, "invalid_login");
        }
        assert_eq!(from(PASSWORD, &device).await, "ok", "its failures are forgotten");
    }
    office.pass(Duration::hours(25));
    for _ in 0..5 {
        assert_eq!(code_of(wrong().await), "invalid_login", "a day later");
    }
}

#[test]
fn whoever_finds_no_turn_has_not_failed() {
    // One thread computes, so that a test can hold it.
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).max_blocking_threads(1).enable_all();
    runtime.build().unwrap().block_on(async {
        let office = Office::start().await;
        office.ada().await;
        let session = office.log_in(PASSWORD).await;
        let (let_go, held) = std::sync::mpsc::channel::<()>();
        let holding = tokio::task::spawn_blocking(move || held.recv().is_err());
        // More than may compute and wait: some are told so, and from then on there is no turn for anybody.
        let told = AtomicUsize::new(0);
        let strangers: Vec<String> = (0..140).map(|n| format!("user{n}@example.com")).collect();
        let flood = join_all(strangers.iter().map(async |email| {
            if code_of(office.try_login(email, "a guess", None, None).await) == "busy" {
                told.fetch_add(1, Relaxed);
            }
        }));
        let enrol = async || {
            let enrolled = office.accounts.enrol(&session.who, PASSWORD.into(), None).await;
            code_of(enrolled)
        };
        let own = async {
            eventually("nobody more is let in", || async {
                (told.load(Relaxed) > 0).then_some(())
            })
            .await;
            for _ in 0..6 {
                assert_eq!(enrol().await, "busy", "nobody has looked at the password");
            }
            drop(let_go);
            let mut code = enrol().await;
            while code == "busy" {
                code = enrol().await;
            }
            assert_eq!(code, "ok");
        };
        tokio::join!(flood, own);
        assert!(holding.await.unwrap());
    });
}

#[tokio::test]
async fn the_right_password_buys_no_guesses_at_codes() {
    let office = Office::start().await;
    office.ada().await;
    let (secret, _) = office.second_factor().await;
    office.pass(Duration::minutes(1));
    let right = office.code(&secret);
    let wrong: SecretString = if right == "000000" { "000001" } else { "000000" }.into();
    let Login::In(session, _) = office.try_login(ADA, PASSWORD, Some(&right), None).await.unwrap() else {
        panic!("the code was right");
    };
    let off = async |code: &SecretString| {
        let dropped = office
            .accounts
            .drop_second_factor(&session.who, PASSWORD.into(), code, None);
        code_of(dropped.await)
    };
    for _ in 0..5 {
        assert_eq!(off(&wrong).await, "wrong_code");
        // Another call that the right password alone ends.
        let again = office.accounts.enrol(&session.who, PASSWORD.into(), None).await;
        assert_eq!(code_of(again), "second_factor_on");
    }
    assert_eq!(off(&wrong).await, "login_blocked");
    office.pass(Duration::minutes(1));
    assert_eq!(off(&office.code(&secret).into()).await, "ok");
}

#[tokio::test]
async fn guesses_from_many_addresses_wait_for_the_account_and_guesses_at_many_accounts_for_the_address() {
    let office = Office::start().await;
    office.ada().await;
    let from = |n: usize| format!("2001:db8:0:{n:x}::1");
    let addresses: Vec<String> = (0..100).map(from).collect();
    let tried = join_all(
        addresses
            .iter()
            .map(|ip| office.try_login(ADA, "not the password", None, Some(ip))),
    )
    .await;
    let refused = tried
        .into_iter()
        .filter(|one| matches!(one, Err(error) if error.code() == "invalid_login"))
        .count();
    assert_eq!(refused, 5, "a hundred at once are no way around");

    let accounts: Vec<String> = (0..100).map(|n| format!("user{n}@example.com")).collect();
    let tried = join_all(
        accounts
            .iter()
            .map(|email| office.try_login(email, "spring-is-in-the-air", None, Some("192.0.2.9"))),
    )
    .await;
    let refused = tried
        .into_iter()
        .filter(|one| matches!(one, Err(error) if error.code() == "invalid_login"))
        .count();
    assert_eq!(refused, 20, "four times as many as an account");
    office.user("bob@example.com", Role::Owner, Reach::Everywhere).await;
    assert_eq!(
        code_of(
            office
                .try_login("bob@example.com", PASSWORD, None, Some("192.0.2.9"))
                .await
        ),
        "login_blocked"
    );
    assert_eq!(
        code_of(
            office
                .try_login("bob@example.com", PASSWORD, None, Some("192.0.2.10"))
                .await
        ),
        "ok"
    );
    let addresses = "SELECT count(*) FROM login_attempts WHERE encode(key, 'escape') LIKE '%192.0.2%' OR encode(key, 'escape') LIKE '%ada%'";
    assert_eq!(office.kit.count(addresses).await, 0, "counters tell no addresses");
}

#[tokio::test]
async fn strangers_who_fail_on_purpose_do_not_keep_a_known_device_out() {
    let office = Office::start().await;
    office.ada().await;
    office.user("bob@example.com", Role::Owner, Reach::Everywhere).await;
    let with = |email: &str, password: &str, device: Option<&String>| {
        let given = Credentials {
            email: email.into(),
            password: password.into(),
            code: None,
            device: device.cloned(),
        };
        let accounts = office.accounts.clone();
        async move { accounts.log_in(given, None).await }
    };
    let Login::In(session, device) = with(ADA, PASSWORD, None).await.unwrap() else {
        panic!("no second factor was asked for");
    };
    for _ in 0..6 {
        with(ADA, "not the password", None).await.err().unwrap();
    }
    assert_eq!(code_of(with(ADA, PASSWORD, None).await), "login_blocked");
    for stranger in ["forged.text".to_owned(), format!("{device}x")] {
        assert_eq!(code_of(with(ADA, PASSWORD, Some(&stranger)).await), "login_blocked");
    }
    assert_eq!(code_of(with(ADA, PASSWORD, Some(&device)).await), "ok");
    let other = "another kayak upstairs".into();
    let again = office
        .accounts
        .change_password(&session.who, PASSWORD.into(), &other, None);
    assert_eq!(code_of(again.await), "ok", "who is logged in is not kept out either");

    for _ in 0..5 {
        with(ADA, "not the password", Some(&device)).await.err().unwrap();
    }
    assert_eq!(
        code_of(with(ADA, PASSWORD, Some(&device)).await),
        "login_blocked",
        "a stolen device guesses no faster"
    );
    for _ in 0..5 {
        with("bob@example.com", "not the password", None).await.err().unwrap();
    }
    assert_eq!(
        code_of(with("bob@example.com", PASSWORD, Some(&device)).await),
        "login_blocked",
        "it is known to one account"
    );
}

#[tokio::test]
async fn one_good_account_gives_an_address_no_more_guesses_at_the_others() {
    let office = Office::start().await;
    office.ada().await;
    let ip = Some("192.0.2.9");
    let mut guesses = 0;
    for n in 0..60 {
        let eve = office
            .try_login(&format!("user{n}@example.com"), "spring-is-in-the-air", None, ip)
            .await;
        if code_of(eve) == "login_blocked" {
            break;
        }
        guesses += 1;
        if code_of(office.try_login(ADA, PASSWORD, None, ip).await) == "login_blocked" {
            break;
        }
    }
    assert_eq!(guesses, 20);
}

#[tokio::test]
async fn an_office_that_logs_in_by_two_steps_does_not_lock_itself_out() {
    let office = Office::start().await;
    office.ada().await;
    let (secret, _) = office.second_factor().await;
    let ip = Some("192.0.2.9");
    for n in 0..25 {
        office.pass(Duration::seconds(30));
        let Ok(Login::SecondFactor { challenge }) = office.try_login(ADA, PASSWORD, None, ip).await else {
            panic!("login {n} is not let through to its second step");
        };
        let code = office.code(&secret).into();
        let inside = office.accounts.log_in_with_code(&challenge, code, None, ip).await;
        assert_eq!(code_of(inside), "ok", "login {n}");
    }
}

#[tokio::test]
async fn a_code_of_the_app_is_good_once_and_a_recovery_code_is_too() {
    let office = Office::start().await;
    let ada = office.ada().await;
    let (secret, recovery) = office.second_factor().await;
    assert_eq!(recovery.len(), 10);
    let used = office.code(&secret);
    assert_eq!(
        code_of(office.try_login(ADA, PASSWORD, Some(&used), None).await),
        "invalid_login",
        "it was used to confirm"
    );
    office.pass(Duration::seconds(30));
    let fresh = office.code(&secret);
    assert_eq!(code_of(office.try_login(ADA, PASSWORD, Some(&fresh), None).await), "ok");
    assert_eq!(
        code_of(office.try_login(ADA, PASSWORD, Some(&fresh), None).await),
        "invalid_login",
        "a replay"
    );
    assert_eq!(
        code_of(office.try_login(ADA, PASSWORD, Some(&used), None).await),
        "invalid_login",
        "an older one"
    );

    let loud = recovery[0].to_uppercase().replace('-', " ");
    assert_eq!(code_of(office.try_login(ADA, PASSWORD, Some(&loud), None).await), "ok");
    assert_eq!(
        code_of(office.try_login(ADA, PASSWORD, Some(&recovery[0]), None).await),
        "invalid_login",
        "used up"
    );
    let plain = format!("SELECT count(*) FROM admin_recovery_codes WHERE user_id = '{ada}'");
    assert_eq!(office.kit.count(&plain).await, 9);
    let secret_bytes =
        format!("SELECT count(*) FROM admin_users WHERE encode(totp_secret, 'escape') LIKE '%{secret}%'");
    assert_eq!(office.kit.count(&secret_bytes).await, 0);

    // Two at once with one code: one of them.
    office.pass(Duration::seconds(60));
    let code = office.code(&secret);
    let both = join_all((0..2).map(|_| office.try_login(ADA, PASSWORD, Some(&code), None))).await;
    assert_eq!(both.iter().filter(|one| matches!(one, Ok(Login::In(..)))).count(), 1);
}

#[tokio::test]
async fn the_second_step_needs_the_first_and_ends_with_a_new_password() {
    let office = Office::start().await;
    let ada = office.ada().await;
    let (secret, _) = office.second_factor().await;
    office.pass(Duration::seconds(30));
    let challenge = async || match office.try_login(ADA, PASSWORD, None, None).await.unwrap() {
        Login::SecondFactor { challenge } => challenge,
        Login::In(..) => panic!("nobody asked for the code"),
    };
    let first = challenge().await;
    let step = |challenge: String, code: String| {
        let accounts = office.accounts.clone();
        async move { code_of(accounts.log_in_with_code(&challenge, code.into(), None, None).await) }
    };
    assert_eq!(
        step("forged.challenge".into(), office.code(&secret)).await,
        "invalid_login"
    );
    assert_eq!(step(first.clone(), "000000".into()).await, "invalid_login");
    assert_eq!(step(first.clone(), office.code(&secret)).await, "ok");

    let late = challenge().await;
    office.pass(Duration::minutes(5));
    assert_eq!(step(late, office.code(&secret)).await, "invalid_login", "too late");
    let failed = "SELECT count(*) FROM audit_logs WHERE action = 'admin.login_failed' AND metadata->>'wrong' = 'challenge' AND resource";
    assert_eq!(
        office.kit.count(&format!("{failed} LIKE 'unknown:%'")).await,
        1,
        "the forged one"
    );
    assert_eq!(
        office.kit.count(&format!("{failed} = '{ada}'")).await,
        1,
        "the late one"
    );
    let before = challenge().await;
    let reset = UserChange {
        password: Some("another kayak upstairs".into()),
        ..UserChange::default()
    };
    office
        .accounts
        .change_user(ada, reset, &Reach::Everywhere, BY)
        .await
        .unwrap();
    office.pass(Duration::seconds(30));
    assert_eq!(
        step(before, office.code(&secret)).await,
        "invalid_login",
        "the password is another"
    );
}

#[tokio::test]
async fn codes_are_guessed_no_faster_than_passwords() {
    let office = Office::start().await;
    office.ada().await;
    let (secret, _) = office.second_factor().await;
    office.pass(Duration::minutes(1));
    let right = office.code(&secret);
    let wrong = if right == "000000" { "000001" } else { "000000" };
    for _ in 0..5 {
        assert_eq!(
            code_of(office.try_login(ADA, PASSWORD, Some(wrong), None).await),
            "invalid_login"
        );
    }
    assert_eq!(
        code_of(office.try_login(ADA, PASSWORD, Some(&right), None).await),
        "login_blocked"
    );
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
async fn whatever_changes_an_account_ends_its_sessions() {
    let office = Office::start().await;
    let customer = office.kit.customer("shop.example").await;
    let ada = office.ada().await;
    let named = || Reach::Customers(vec![customer.id]);
    let changes = [
        UserChange {
            role: Some(Role::Viewer),
            reach: Some(named()),
            ..UserChange::default()
        },
        UserChange {
            role: Some(Role::Editor),
            ..UserChange::default()
        },
        UserChange {
            password: Some(PASSWORD.into()),
            ..UserChange::default()
        },
        UserChange {
            without_second_factor: true,
            ..UserChange::default()
        },
        UserChange {
            disabled: Some(true),
            ..UserChange::default()
        },
    ];
    for change in changes {
        let session = office.log_in(PASSWORD).await;
        let told = format!(
            "{:?} {:?} {:?}",
            change.role,
            change.disabled,
            change.password.is_some()
        );
        office
            .accounts
            .change_user(ada, change, &Reach::Everywhere, BY)
            .await
            .unwrap();
        assert!(!office.alive(&session).await, "{told}");
    }
    let open = UserChange {
        disabled: Some(false),
        ..UserChange::default()
    };
    office
        .accounts
        .change_user(ada, open, &Reach::Everywhere, BY)
        .await
        .unwrap();

    let (mine, other) = (office.log_in(PASSWORD).await, office.log_in(PASSWORD).await);
    let renamed = UserChange {
        name: Some("Ada L.".into()),
        ..UserChange::default()
    };
    office
        .accounts
        .change_user(ada, renamed, &Reach::Everywhere, BY)
        .await
        .unwrap();
    assert!(office.alive(&mine).await, "a name is no right");
    let new = "another kayak upstairs".into();
    let wrong = office
        .accounts
        .change_password(&mine.who, "not the password".into(), &new, None)
        .await;
    assert_eq!(code_of(wrong), "wrong_password");
    let weak = office
        .accounts
        .change_password(&mine.who, PASSWORD.into(), &"Password12345".into(), None)
        .await;
    assert_eq!(code_of(weak), "invalid_request");
    let next = office
        .accounts
        .change_password(&mine.who, PASSWORD.into(), &new, None)
        .await
        .unwrap();
    assert!(!office.alive(&mine).await && !office.alive(&other).await && office.alive(&next).await);
    office.accounts.log_out(&next.who, None).await.unwrap();
    assert!(!office.alive(&next).await);
    assert_eq!(
        (
            office.lines("admin.password_changed").await,
            office.lines("admin.logout").await
        ),
        (1, 1)
    );
}

#[tokio::test]
async fn a_customer_that_goes_takes_its_people_s_reach_along() {
    let office = Office::start().await;
    let customer = office.kit.customer("shop.example").await;
    let other = office.kit.customer("other.example").await;
    let id = office.user(ADA, Role::Owner, Reach::Customers(vec![customer.id])).await;
    let session = office.log_in(PASSWORD).await;
    let reach = Reach::Customers(vec![customer.id, other.id]);
    let both = office.user("both@example.com", Role::Viewer, reach).await;
    let everywhere = office.user("bob@example.com", Role::Owner, Reach::Everywhere).await;
    Privacy::new(office.kit.db.clone(), &office.kit.config)
        .end_customer(customer.id, Operator::named("test"))
        .await
        .unwrap();
    assert!(!office.alive(&session).await, "the account was this customer's alone");
    let all = office.accounts.list_users(&Reach::Everywhere, None, 10).await.unwrap();
    let all: Vec<_> = all.into_iter().map(|user| (user.id, user.reach)).collect();
    assert_eq!(
        all,
        [
            (both, Reach::Customers(vec![other.id])),
            (everywhere, Reach::Everywhere)
        ]
    );
    let gone = format!("SELECT count(*) FROM audit_logs WHERE action = 'user.deleted' AND resource = '{id}'");
    assert_eq!(office.kit.count(&gone).await, 1);
    let tenants = office
        .accounts
        .list_users(&Reach::Customers(vec![customer.id]), None, 10)
        .await
        .unwrap();
    assert!(tenants.is_empty());
}

#[tokio::test]
async fn a_token_against_cross_site_requests_is_its_session_s() {
    let office = Office::start().await;
    office.ada().await;
    let (one, two) = (office.log_in(PASSWORD).await, office.log_in(PASSWORD).await);
    let token = office.accounts.csrf(one.who.session);
    assert!(office.accounts.csrf_fits(one.who.session, &token));
    assert!(!office.accounts.csrf_fits(two.who.session, &token) && !office.accounts.csrf_fits(one.who.session, ""));
    assert!(!token.contains(one.token.expose_secret()));
}

#[tokio::test]
async fn tenants_see_no_accounts() {
    let office = Office::start().await;
    let customer = office.kit.customer("shop.example").await;
    office.ada().await;
    office.log_in(PASSWORD).await;
    for table in [
        "admin_users",
        "admin_sessions",
        "admin_user_customers",
        "admin_recovery_codes",
        "login_attempts",
    ] {
        let tx = office.kit.db.tenant(&customer).await.unwrap();
        let query = Statement::from_string(DbBackend::Postgres, format!("SELECT count(*) AS n FROM {table}"));
        let row = tx.query_one_raw(query).await.unwrap().unwrap();
        assert_eq!(row.try_get::<i64>("", "n").unwrap(), 0, "{table}");
    }
}
