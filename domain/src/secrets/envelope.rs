//! Envelope encryption: a master key wraps data keys, one for each customer and one for the installation itself; a data key seals
//! values. So a new master key means new wrappings, not new values; and a customer's values are lost for good with its data key.
//!
//! A value is `1`, the data key's id (16 bytes), nonce, ciphertext and tag. Its context, which the tag covers, is the format, the
//! key, the customer, the table, the column and the row, each after its length. Data keys are read and unwrapped when they are
//! needed, and wiped at once: they are needed rarely, and what is not in memory is in no dump of it.
use sea_orm::{ConnectionTrait, QueryResult};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{MasterKey, MasterKeys, Secret, Vault, aead, joined, random_bytes, sealed::Place};
use crate::{Error, Result, ids, tenancy::sql};

/// The format of values.
pub(super) const FORMAT: u8 = 1;
/// What stands before a nonce: the format and the key's id.
pub(super) const HEAD: usize = 17;
/// What data keys are wrapped for.
const PURPOSE: &str = "data keys";

/// Seals and opens secrets that are kept in the database. Cloning shares.
#[derive(Clone, Debug)]
pub struct Envelopes {
    masters: MasterKeys,
}

/// A plain data key.
pub(crate) struct DataKey {
    pub id: Uuid,
    pub key: Secret,
}

impl Envelopes {
    /// Under these master keys.
    pub fn new(masters: impl Into<MasterKeys>) -> Self {
        let masters = masters.into();
        Self { masters }
    }

    /// The master keys.
    pub(super) fn masters(&self) -> &MasterKeys {
        &self.masters
    }

    /// Seals `secret` for this place, under the present data key of whose it is, which is made if it is the first. `tx` is the
    /// transaction that stores the value.
    pub async fn seal(&self, tx: &impl ConnectionTrait, place: Place, secret: &[u8]) -> Result<Vec<u8>> {
        let key = self.present(tx, place.customer).await?;
        let head = [&[FORMAT], key.id.as_bytes().as_slice()].concat();
        let body = aead::seal(&key.key, &context(&head, &place), secret)?;
        Ok([head, body].concat())
    }

    /// The secret that was sealed for this place.
    pub async fn open(&self, tx: &impl ConnectionTrait, place: Place, sealed: &[u8]) -> Result<Secret> {
        let unreadable = |why: String| Error::internal("decrypting a secret", format!("{}: {why}", place.name()));
        let Some((head, id)) = head_of(sealed) else {
            let why = || unreadable("the value has no known format".into());
            return self.open_legacy(place, sealed)?.ok_or_else(why);
        };
        let Some(key) = self.find(tx, place.customer, id).await? else {
            let why = || unreadable(format!("there is no data key {id} of its customer"));
            return self.open_legacy(place, sealed)?.ok_or_else(why);
        };
        let opened = aead::open(&key.key, &context(head, &place), &sealed[HEAD..])?;
        opened.ok_or_else(|| {
            unreadable(format!(
                "data key {id} does not open it: it was changed, or belongs elsewhere"
            ))
        })
    }

    /// A value from before there were data keys. A first byte that looks like a format decides nothing: the tag does.
    fn open_legacy(&self, place: Place, sealed: &[u8]) -> Result<Option<Secret>> {
        let (Some(purpose), Some(customer)) = (place.column.legacy, place.customer) else {
            return Ok(None);
        };
        let belongs_to = format!("{customer} {}", place.row);
        for master in self.masters.all() {
            if let Some(opened) = Vault::new(master, purpose).open(sealed, belongs_to.as_bytes())? {
                return Ok(Some(opened));
            }
        }
        Ok(None)
    }

    /// The data key that seals for this customer, or for the installation. It stays the present one until `tx` ends, so that
    /// whoever retires it meets every value that it has sealed.
    pub(crate) async fn present(&self, tx: &impl ConnectionTrait, customer: Option<Uuid>) -> Result<DataKey> {
        const STAY: &str = "SELECT pg_advisory_xact_lock_shared(hashtextextended('data key ' || $1::text, 0))";
        const PRESENT: &str =
            "SELECT id, master, wrapped FROM data_keys WHERE coalesce(customer_id, $2) = $1 AND retired_at IS NULL";
        let owner = owner(customer);
        tx.execute_raw(sql(STAY, [owner.into()])).await?;
        let find = || sql(PRESENT, [owner.into(), Uuid::nil().into()]);
        if let Some(row) = tx.query_one_raw(find()).await? {
            return self.unwrap(&row, customer);
        }
        self.make(tx, customer).await?;
        let row = tx.query_one_raw(find()).await?;
        let row = row.ok_or_else(|| Error::internal("making a data key", "it is not there"))?;
        self.unwrap(&row, customer)
    }

    /// Makes a present data key, unless there is one.
    pub(super) async fn make(&self, tx: &impl ConnectionTrait, customer: Option<Uuid>) -> Result<()> {
        const MAKE: &str =
            "INSERT INTO data_keys (id, customer_id, master, wrapped) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
        let key = DataKey {
            id: ids::new_id(),
            key: Zeroizing::new(Zeroizing::new(random_bytes::<{ aead::KEY }>()?).to_vec()),
        };
        let (master, wrapped) = self.wrap(&key, customer)?;
        let values = [key.id.into(), customer.into(), master.into(), wrapped.into()];
        tx.execute_raw(sql(MAKE, values)).await?;
        Ok(())
    }

    /// The data key with this id, if it is this customer's.
    pub(crate) async fn find(
        &self,
        tx: &impl ConnectionTrait,
        customer: Option<Uuid>,
        id: Uuid,
    ) -> Result<Option<DataKey>> {
        const FIND: &str =
            "SELECT id, master, wrapped FROM data_keys WHERE id = $1 AND customer_id IS NOT DISTINCT FROM $2";
        let row = tx.query_one_raw(sql(FIND, [id.into(), customer.into()])).await?;
        row.map(|row| self.unwrap(&row, customer)).transpose()
    }

    /// The key wrapped by the present master key, with that one's id.
    pub(super) fn wrap(&self, key: &DataKey, customer: Option<Uuid>) -> Result<(String, Vec<u8>)> {
        let master = self.masters.present();
        let wrapped = aead::seal(&master.derive(PURPOSE), &wrapping(key.id, customer, master), &key.key)?;
        Ok((master.id().to_owned(), wrapped))
    }

    /// The plain key of a row of `data_keys`. An error names the keys by their ids.
    pub(super) fn unwrap(&self, row: &QueryResult, customer: Option<Uuid>) -> Result<DataKey> {
        let id: Uuid = row.try_get("", "id")?;
        let by: String = row.try_get("", "master")?;
        let unreadable = |why: String| Error::internal("unwrapping a data key", why);
        let Some(master) = self.masters.find(&by) else {
            return Err(unreadable(format!(
                "data key {id} is wrapped by the master key {by}, which is neither ENCRYPTION_KEY nor one of ENCRYPTION_KEYS_OLD"
            )));
        };
        let wrapped: Vec<u8> = row.try_get("", "wrapped")?;
        let key = aead::open(&master.derive(PURPOSE), &wrapping(id, customer, master), &wrapped)?;
        let changed = || {
            unreadable(format!(
                "the master key {by} does not open data key {id}: it was changed"
            ))
        };
        Ok(DataKey {
            id,
            key: key.ok_or_else(changed)?,
        })
    }
}

/// The id that stands for the installation where a customer's would.
pub(super) fn owner(customer: Option<Uuid>) -> Uuid {
    customer.unwrap_or(Uuid::nil())
}

/// The head of a value in our format, and the id of its data key.
fn head_of(sealed: &[u8]) -> Option<(&[u8], Uuid)> {
    let (head, _) = sealed.split_at_checked(HEAD)?;
    let (format, id) = head.split_first()?;
    (*format == FORMAT).then_some((head, Uuid::from_slice(id).ok()?))
}

/// What a value's tag covers beside the value.
fn context(head: &[u8], place: &Place) -> Vec<u8> {
    joined(&[
        b"omniops value",
        head,
        owner(place.customer).as_bytes(),
        place.column.table.as_bytes(),
        place.column.column.as_bytes(),
        place.row.as_bytes(),
    ])
}

/// What a wrapping's tag covers beside the key.
fn wrapping(id: Uuid, customer: Option<Uuid>, master: &MasterKey) -> Vec<u8> {
    joined(&[
        b"omniops data key",
        id.as_bytes(),
        owner(customer).as_bytes(),
        master.id().as_bytes(),
    ])
}
