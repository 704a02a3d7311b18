//! The database schema, one file per step named by its effect.
//!
//! Steps are plain SQL: row-level security, roles and partial indexes have no builder, and a reader should see the
//! statement that runs. A step declares its own names and never imports `entity`, so that an old step keeps meaning what
//! it meant. Every step has an `up` and a `down`; roles are shared by all databases of a cluster and stay after `down`.
//!
//! What must stay true: nothing of the schema lets one customer reach another's rows ([`faults`] proves it after each run).
use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DatabaseConnection};

mod catalogue;
mod m20261121_000001_roles;
mod m20261121_000002_tenancy;
mod m20261121_000003_job_ledger;
mod m20261121_000004_page_store;
mod m20261121_000005_conversations;
mod m20261122_000006_job_control;
mod m20261123_000007_crawl_ladder;
mod m20261123_000008_page_hygiene;
mod m20261123_000009_browser;
mod m20261123_000010_polite_crawls;
mod m20261123_000011_confirmation;
mod m20261124_000012_word_counts;
mod m20261124_000013_model_change;
mod m20261124_000014_dialogue;
mod m20261124_000015_budgets;
mod m20261124_000016_query_cache;
mod m20261124_000017_people;
mod m20261124_000018_receipts;
mod m20261125_000019_isolation;
mod m20261125_000020_accounts;
mod m20261125_000021_claims;
mod m20261125_000022_address_blocks;
mod m20261125_000023_seals;
mod m20261125_000024_privacy;
mod m20261125_000025_learning;
mod m20261125_000026_hosts_end_answers;
mod m20261125_000029_policies_by_id;
mod m20261125_000030_crawl_costs;
mod m20261125_000031_shops;
mod m20261125_000033_traces;
mod m20261125_000034_ledger_costs;
mod m20261125_000035_section_sizes;
mod m20261125_000036_references;
mod m20261125_000039_chunk_changes;
mod m20261125_000041_one_setting;
mod m20261125_000042_what_a_crawl_tells;
mod m20261125_000044_addresses;
mod m20261125_000045_scales;
mod m20261125_000046_broken_answers;
mod m20261125_000047_pairs;
mod m20261125_000048_audit_lists;
mod m20261126_000060_readers_and_owners;
mod m20261126_000061_earlier_addresses;
mod m20261126_000062_ratings;
mod m20261126_000063_packed_texts;
mod tables;

pub use catalogue::faults;
pub use sea_orm_migration::MigratorTrait;

/// All steps in order.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261121_000001_roles::Migration),
            Box::new(m20261121_000002_tenancy::Migration),
            Box::new(m20261121_000003_job_ledger::Migration),
            Box::new(m20261121_000004_page_store::Migration),
            Box::new(m20261121_000005_conversations::Migration),
            Box::new(m20261122_000006_job_control::Migration),
            Box::new(m20261123_000007_crawl_ladder::Migration),
            Box::new(m20261123_000008_page_hygiene::Migration),
            Box::new(m20261123_000009_browser::Migration),
            Box::new(m20261123_000010_polite_crawls::Migration),
            Box::new(m20261123_000011_confirmation::Migration),
            Box::new(m20261124_000012_word_counts::Migration),
            Box::new(m20261124_000014_dialogue::Migration),
            Box::new(m20261124_000013_model_change::Migration),
            Box::new(m20261124_000015_budgets::Migration),
            Box::new(m20261124_000016_query_cache::Migration),
            Box::new(m20261124_000017_people::Migration),
            Box::new(m20261124_000018_receipts::Migration),
            Box::new(m20261125_000019_isolation::Migration),
            Box::new(m20261125_000020_accounts::Migration),
            Box::new(m20261125_000021_claims::Migration),
            Box::new(m20261125_000022_address_blocks::Migration),
            Box::new(m20261125_000023_seals::Migration),
            Box::new(m20261125_000025_learning::Migration),
            Box::new(m20261125_000024_privacy::Migration),
            Box::new(m20261125_000026_hosts_end_answers::Migration),
            Box::new(m20261125_000029_policies_by_id::Migration),
            Box::new(m20261125_000030_crawl_costs::Migration),
            Box::new(m20261125_000031_shops::Migration),
            Box::new(m20261125_000033_traces::Migration),
            Box::new(m20261125_000034_ledger_costs::Migration),
            Box::new(m20261125_000035_section_sizes::Migration),
            Box::new(m20261125_000036_references::Migration),
            Box::new(m20261125_000039_chunk_changes::Migration),
            Box::new(m20261125_000042_what_a_crawl_tells::Migration),
            Box::new(m20261125_000045_scales::Migration),
            Box::new(m20261125_000046_broken_answers::Migration),
            Box::new(m20261125_000047_pairs::Migration),
            Box::new(m20261125_000041_one_setting::Migration),
            Box::new(m20261125_000044_addresses::Migration),
            Box::new(m20261125_000048_audit_lists::Migration),
            Box::new(m20261126_000060_readers_and_owners::Migration),
            Box::new(m20261126_000061_earlier_addresses::Migration),
            Box::new(m20261126_000062_ratings::Migration),
            Box::new(m20261126_000063_packed_texts::Migration),
        ]
    }
}

/// The names of all steps, as the table of those that were taken has them.
pub fn names() -> Vec<String> {
    Migrator::migrations()
        .iter()
        .map(|step| step.name().to_owned())
        .collect()
}

/// Brings the schema up to date and lets `login`, the role of the running processes, act as `omniops_app` and
/// `omniops_system`. Needs a connection that may create roles; see `docs/OPERATIONS.md`.
pub async fn migrate(owner: &DatabaseConnection, login: Option<&str>) -> Result<(), DbErr> {
    Migrator::up(owner, None).await?;
    // So that a process can tell whether the schema is as new as itself.
    owner
        .execute_unprepared("GRANT SELECT ON seaql_migrations TO omniops_system")
        .await?;
    if let Some(login) = login {
        let quoted = login.replace('"', "\"\"");
        owner
            .execute_unprepared(&format!("GRANT omniops_app, omniops_system TO \"{quoted}\""))
            .await?;
    }
    for last in [tables::STAYS_ITSELF, tables::READ_BY_KEY] {
        owner.execute_unprepared(last).await?;
    }
    let faults = faults(owner).await?;
    if faults.is_empty() {
        Ok(())
    } else {
        Err(DbErr::Custom(format!(
            "the schema does not keep customers apart: {}",
            faults.join("; ")
        )))
    }
}
