//! Customers, and those who work for them.
use super::{
    Data::{Secret, Setting, Staff, Technical},
    Kept, Table, other,
};

pub(super) const TABLES: &[Table] = &[
    other(
        "admin_users",
        "somebody who administers",
        Kept::Installation,
        &[
            ("email", Staff),
            ("name", Staff),
            ("password_hash", Secret),
            ("role", Technical),
            ("totp_secret", Secret),
        ],
    ),
    other(
        "admin_user_customers",
        "whom somebody administers",
        Kept::With("admin_users"),
        &[],
    ),
    other(
        "admin_sessions",
        "a login",
        Kept::With("admin_users"),
        &[("token_hash", Secret), ("ip", Staff)],
    ),
    other(
        "admin_recovery_codes",
        "a way back in",
        Kept::With("admin_users"),
        &[("code_hash", Secret)],
    ),
    other(
        "login_attempts",
        "failed logins of an account or an address, by a hash",
        Kept::Days(1, "after the last"),
        &[("key", Technical)],
    ),
    other(
        "address_blocks",
        "an address that an operator has shut out",
        Kept::Installation,
        &[("network", Setting), ("reason", Setting), ("actor", Staff)],
    ),
    other(
        "data_keys",
        "a key of a customer, wrapped by the master key",
        Kept::Customer,
        &[("master", Technical), ("wrapped", Secret)],
    ),
    other("key_rotations", "a change of the master key", Kept::Installation, &[]),
    other(
        "audit_chain",
        "what proves a line of the audit log",
        Kept::With("audit_logs"),
        &[("mac", Technical)],
    ),
    other(
        "audit_checkpoints",
        "what proves lines that are gone",
        Kept::Installation,
        &[("mac", Technical), ("signature", Technical)],
    ),
    other(
        "customer_configs",
        "a customer with its settings",
        Kept::Customer,
        &[("domain", Setting), ("name", Setting), ("settings", Staff)],
    ),
    other(
        "deleted_customers",
        "a tombstone: that there was a customer, by its random id, with the receipt",
        Kept::Installation,
        &[("receipt", Technical)],
    ),
    other(
        "customer_domains",
        "a host of a customer",
        Kept::Customer,
        &[("host", Setting), ("method", Technical), ("token", Technical)],
    ),
    other(
        "api_keys",
        "an API key",
        Kept::Customer,
        &[
            ("name", Setting),
            ("prefix", Technical),
            ("secret_hash", Secret),
            ("scopes", Technical),
            ("used_from", Staff),
        ],
    ),
    other(
        "usage_daily",
        "what a customer used on a day: counts",
        Kept::Customer,
        &[],
    ),
    other(
        "outbound_webhooks",
        "where a customer is told what happens",
        Kept::Customer,
        &[
            ("url", Setting),
            ("events", Technical),
            ("secret", Secret),
            ("secret_key", Technical),
        ],
    ),
    other(
        "schedules",
        "when something is done by itself",
        Kept::Customer,
        &[
            ("name", Setting),
            ("kind", Technical),
            ("options", Setting),
            ("cron", Setting),
            ("time_zone", Setting),
        ],
    ),
];
