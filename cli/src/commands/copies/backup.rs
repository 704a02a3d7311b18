//! `omniops backup FILE`: the whole database as an archive of `pg_dump`, of one moment, while everything works.
use anyhow::{Context as _, Result, bail};
use domain::tenancy::Db;
use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use super::{
    Opened, Place,
    contents::{Contents, one, server_major},
    programs::Programs,
};

/// Where it goes.
#[derive(clap::Args)]
pub struct Args {
    /// The file to write; it must not be there yet
    file: PathBuf,
    #[command(flatten)]
    place: Place,
}

/// Runs the command.
pub async fn run(args: Args) -> Result<()> {
    if args.file.exists() {
        bail!("{} is there already: choose another name", args.file.display());
    }
    let opened = Opened::at(&args.place).await?;
    let done = write(&opened, &args.file).await;
    opened.close().await?;
    done
}

async fn write(opened: &Opened, file: &Path) -> Result<()> {
    let config = &opened.config;
    let owner = Db::connect_owner(&config.database)
        .await
        .context("connecting as the owner (DATABASE_OWNER_URL)")?;
    let sees_all = "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user";
    if !one::<bool>(&owner, sees_all).await? {
        bail!(
            "the login of DATABASE_OWNER_URL must be a superuser or have BYPASSRLS: it would leave out rows otherwise"
        );
    }
    let server = server_major(&owner).await?;
    let database: String = one(&owner, "SELECT current_database()").await?;
    let (cache, url) = (config.cache_dir.clone(), config.database.owner_url.clone());
    let draft = file.with_added_extension("part");
    let target = draft.clone();
    let dump = move || dump(&Programs::find(&cache, server, &url, &database)?, &target);
    let dumped = tokio::task::spawn_blocking(dump).await.context("the backup's thread")?;
    let kept = dumped.and_then(|()| {
        File::open(&draft)?.sync_all()?;
        // Somebody else's file of this name stays.
        fs::hard_link(&draft, file).with_context(|| format!("writing {}", file.display()))
    });
    let _ = fs::remove_file(&draft);
    kept?;
    let holds = Contents::of(&owner).await?;
    owner.close().await?;
    println!("{}: {holds}, {} bytes", file.display(), fs::metadata(file)?.len());
    println!(
        "Not in it, and to be kept apart from it: ENCRYPTION_KEY, without which its secrets open nothing, and the file of ERASURE_LOG."
    );
    Ok(())
}

fn dump(programs: &Programs, draft: &Path) -> Result<()> {
    // Nobody else may read it, from its first byte on.
    let made = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(draft);
    made.with_context(|| format!("writing {}", draft.display()))?;
    programs.run("pg_dump", |command| {
        command.args(["--format=custom", "--no-password", "--file"]).arg(draft);
    })?;
    // What can't be listed can't be restored.
    programs.run("pg_restore", |command| {
        command.arg("--list").arg(draft);
    })?;
    Ok(())
}
