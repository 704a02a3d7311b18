//! `omniops users`: accounts of people who administer, straight on the database: the way in when nobody can log in any more.
use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use domain::{
    clock::Clock,
    config::Config,
    jobs::Operator,
    secrets,
    tenancy::{self, Accounts, Db, HostName, NewUser, Reach, Role, UserChange},
};
use secrecy::{ExposeSecret, SecretString};
use std::io::BufRead;
use time::format_description::well_known::Rfc3339;

use crate::table::{Align, Table};

/// Accounts that are printed.
const SHOWN: u64 = 1000;
const CLI: Operator<'static> = Operator { actor: "cli", ip: None };

/// Looks after accounts.
#[derive(Subcommand)]
pub enum Command {
    /// List the accounts.
    List,
    /// Make an account; its password is made up and printed once.
    Create(New),
    /// Give an account another password, and open it if it is closed or locked. All of its sessions end.
    Reset(Reset),
}

/// An account to be.
#[derive(Args)]
pub struct New {
    /// The e-mail address that logs in.
    email: String,
    /// A name for people.
    #[arg(long, value_name = "NAME")]
    name: String,
    /// owner, editor or viewer.
    #[arg(long, default_value = "owner")]
    role: Role,
    /// The customer with this primary domain (repeatable); without one, the whole installation.
    #[arg(long, value_name = "DOMAIN")]
    customer: Vec<HostName>,
    /// Read the password from the first line of the input instead.
    #[arg(long)]
    password_stdin: bool,
}

/// An account that nobody gets into.
#[derive(Args)]
pub struct Reset {
    /// The e-mail address that logs in, or the account's id where several have that address.
    email: String,
    /// Take the second factor off, too.
    #[arg(long)]
    second_factor: bool,
    /// Read the password from the first line of the input instead of making one up.
    #[arg(long)]
    password_stdin: bool,
}

/// Runs the command.
pub async fn run(command: Command) -> Result<()> {
    let config = Config::from_env()?;
    let db = Db::connect(&config.database)
        .await
        .context("connecting to Postgres (DATABASE_URL)")?;
    let accounts = Accounts::new(db.clone(), &config, Clock::system());
    let done = match command {
        Command::List => list(&accounts).await,
        Command::Create(new) => create(&db, &accounts, new).await,
        Command::Reset(which) => reset(&accounts, which).await,
    };
    db.close().await;
    done
}

async fn list(accounts: &Accounts) -> Result<()> {
    let mut table = Table::new([
        ("email", Align::Left),
        ("name", Align::Left),
        ("role", Align::Left),
        ("customers", Align::Right),
        ("second factor", Align::Left),
        ("last login", Align::Left),
        ("", Align::Left),
    ]);
    for user in accounts.list_users(&Reach::Everywhere, None, SHOWN).await? {
        let last = user.last_login_at.map(|at| at.format(&Rfc3339)).transpose()?;
        table.row([
            user.email,
            user.name,
            user.role.as_str().to_owned(),
            match user.reach {
                Reach::Everywhere => "all".to_owned(),
                Reach::Customers(named) => named.len().to_string(),
            },
            if user.second_factor { "on" } else { "off" }.to_owned(),
            last.unwrap_or_else(|| "never".to_owned()),
            user.disabled_at.map_or("", |_| "closed").to_owned(),
        ]);
    }
    print!("{table}");
    Ok(())
}

async fn create(db: &Db, accounts: &Accounts, new: New) -> Result<()> {
    let mut customers = Vec::new();
    for domain in &new.customer {
        customers.push(tenancy::find_named(db, domain).await?.id);
    }
    let password = password(new.password_stdin)?;
    let user = NewUser {
        email: new.email,
        name: new.name,
        password: password.text.clone(),
        role: new.role,
        reach: if customers.is_empty() {
            Reach::Everywhere
        } else {
            Reach::Customers(customers)
        },
    };
    let made = accounts.create_user(user, &Reach::Everywhere, CLI).await?;
    println!("{} is {} now.", made.email, made.role.as_str());
    password.tell();
    Ok(())
}

async fn reset(accounts: &Accounts, which: Reset) -> Result<()> {
    let user = accounts.find_user(&which.email).await?;
    let password = password(which.password_stdin)?;
    let change = UserChange {
        password: Some(password.text.clone()),
        disabled: Some(false),
        without_second_factor: which.second_factor,
        ..UserChange::default()
    };
    accounts.change_user(user.id, change, &Reach::Everywhere, CLI).await?;
    println!("{} has another password; all sessions have ended.", user.email);
    password.tell();
    Ok(())
}

/// A password for an account.
struct Password {
    text: SecretString,
    made_up: bool,
}

impl Password {
    fn tell(&self) {
        if self.made_up {
            println!("password: {}", self.text.expose_secret());
        }
    }
}

fn password(from_input: bool) -> Result<Password> {
    if !from_input {
        return Ok(Password {
            text: secrets::token()?.into(),
            made_up: true,
        });
    }
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .context("reading the password")?;
    Ok(Password {
        text: line.trim_end_matches(['\r', '\n']).to_owned().into(),
        made_up: false,
    })
}
