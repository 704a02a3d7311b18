//! Every column with sealed values: what `omniops keys rotate` seals anew, and the only places that a value can be sealed for. A
//! test asks the catalogue whether a column is missing here.
//!
//! To keep another secret: a `bytea` column of a table whose key is a uuid `id`, a constant here, and its line in [`ALL`].
use uuid::Uuid;

/// A column with sealed values.
#[derive(Debug)]
pub struct SealedColumn {
    /// Its table, whose rows have a uuid `id`, and a `customer_id` where they are customers'.
    pub table: &'static str,
    /// Its name.
    pub column: &'static str,
    /// Whether its rows are customers'; others are the installation's own.
    pub of_customers: bool,
    /// The purpose of values from before there were data keys, where there are any.
    pub(super) legacy: Option<&'static str>,
}

/// Secrets of outbound webhooks.
pub static WEBHOOK_SECRET: SealedColumn = SealedColumn {
    table: "outbound_webhooks",
    column: "secret",
    of_customers: true,
    legacy: Some("outbound webhook secrets"),
};

/// Secrets of people's second factors.
pub static SECOND_FACTOR: SealedColumn = SealedColumn {
    table: "admin_users",
    column: "totp_secret",
    of_customers: false,
    legacy: None,
};

/// Credentials of shops.
pub static STORE_CREDENTIALS: SealedColumn = SealedColumn {
    table: "store_connections",
    column: "credentials",
    of_customers: true,
    legacy: None,
};

/// All of them.
pub static ALL: [&SealedColumn; 3] = [&WEBHOOK_SECRET, &SECOND_FACTOR, &STORE_CREDENTIALS];

impl SealedColumn {
    /// The place in `row`, which is `customer`'s; none for the installation's own.
    pub fn at(&'static self, customer: Option<Uuid>, row: Uuid) -> Place {
        Place {
            column: self,
            customer,
            row,
        }
    }

    /// In a query whose table is `t`: whose a row is.
    pub(super) fn owner(&self) -> &'static str {
        if self.of_customers {
            "t.customer_id"
        } else {
            "NULL::uuid"
        }
    }
}

/// Where a value stands. It opens nowhere else.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub(super) column: &'static SealedColumn,
    pub(super) customer: Option<Uuid>,
    pub(super) row: Uuid,
}

impl Place {
    /// For errors: `table.column of ROW`.
    pub(super) fn name(&self) -> String {
        let SealedColumn { table, column, .. } = self.column;
        format!("{table}.{column} of {}", self.row)
    }
}
