//! `omniops erasures`: proofs, and forgetting again.
use domain::{
    jobs::Operator,
    privacy::{Privacy, Subject},
};
use std::process::Output;
use testkit::Kit;

use crate::process::{Folder, omniops, run, stderr, stdout};

const BY: Operator<'static> = Operator {
    actor: "test",
    ip: None,
};

async fn erasures(kit: &Kit, args: &[&str]) -> Output {
    let mut command = omniops();
    command.arg("erasures").args(args).envs(&kit.variables);
    run(command).await
}

#[tokio::test]
async fn receipts_are_printed_checked_and_replayed() {
    let folder = Folder::new();
    let log = folder.path().join("erasures.log");
    let kit = Kit::with(&[("ERASURE_LOG", log.to_str().unwrap())]).await;
    let shop = kit.customer("shop.example").await;
    let privacy = Privacy::new(kit.db.clone(), &kit.config);
    let ada = Subject::read(Some("ada@mail.example"), None).unwrap();
    let receipt = privacy.erase(&shop, &ada, BY).await.unwrap().receipt;

    let printed = erasures(&kit, &["export"]).await;
    assert_eq!(stdout(&printed).trim(), receipt);
    let checked = erasures(&kit, &["verify", &receipt]).await;
    assert!(checked.status.success(), "{}", stderr(&checked));
    assert!(stdout(&checked).contains(&shop.id.to_string()));
    let forged = erasures(&kit, &["verify", &format!("{receipt}A")]).await;
    assert_eq!(forged.status.code(), Some(1));

    // As after a restore: the database knows of nothing.
    let owner = domain::tenancy::Db::connect_owner(&kit.config.database).await.unwrap();
    sea_orm::ConnectionTrait::execute_unprepared(&owner, "DELETE FROM erasures")
        .await
        .unwrap();
    let mut doctor = omniops();
    doctor.arg("doctor").envs(&kit.variables);
    let told = stdout(&run(doctor).await);
    assert!(
        told.contains("1 erasures of the log are unknown to this database"),
        "{told}"
    );
    let replayed = erasures(&kit, &["replay"]).await;
    assert!(replayed.status.success(), "{}", stderr(&replayed));
    assert!(
        stdout(&replayed).contains("1 erasures, 1 of them new"),
        "{}",
        stdout(&replayed)
    );
    assert_eq!(kit.count("SELECT count(*) FROM erasures").await, 1);
    std::fs::write(&log, "torn").unwrap();
    let torn = erasures(&kit, &["replay"]).await;
    assert_eq!(torn.status.code(), Some(1));
    assert!(stderr(&torn).contains("1 lines could not be read"), "{}", stderr(&torn));
    // What the database knows was added to the file.
    let again = erasures(&kit, &["replay", "/nowhere/at/all"]).await;
    assert!(stderr(&again).contains("there is no file"), "{}", stderr(&again));
    assert!(std::fs::read_to_string(&log).unwrap().contains(&receipt));
}
