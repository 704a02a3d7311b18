//! Shops that a customer has connected.
use domain::{
    Error,
    commerce::{self, Credentials, NewConnection, SyncWork},
    jobs::Operator,
    limits::Class,
    secrets::sha256,
};
use entity::store_connection::Model;
use poem::web::Data;
use poem_openapi::{
    ApiResponse, Enum, Object, OpenApi,
    param::{Header, Path},
    payload::Json,
};
use secrecy::SecretString;
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{
    Context,
    error::Answer,
    extractors::{Caller, List, SecretBody, Shops},
    once::Once,
    openapi::Tag,
};

/// What a shop runs on.
#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename_all = "lowercase", rename = "Platform")]
enum On {
    WooCommerce,
    Shopify,
}

/// A shop to be connected. WooCommerce needs the three fields of its API and webhooks, Shopify its two.
#[derive(Object)]
#[oai(deny_unknown_fields)]
struct ConnectionInput {
    platform: On,
    /// The shop's start page, by https; of a Shopify shop `name.myshopify.com`.
    #[oai(validator(min_length = 1, max_length = 2000))]
    url: String,
    /// WooCommerce: `ck_…`, of a key that may read.
    #[oai(nullable, validator(max_length = 500))]
    consumer_key: Option<String>,
    /// WooCommerce: `cs_…`.
    #[oai(nullable, validator(max_length = 500))]
    consumer_secret: Option<String>,
    /// WooCommerce: the secret that is set in the shop's webhooks.
    #[oai(nullable, validator(max_length = 500))]
    webhook_secret: Option<String>,
    /// Shopify: `shpat_…`, with the scope `read_products`.
    #[oai(nullable, validator(max_length = 500))]
    access_token: Option<String>,
    /// Shopify: the app's client secret, which signs its webhooks.
    #[oai(nullable, validator(max_length = 500))]
    client_secret: Option<String>,
}

impl ConnectionInput {
    /// What tells one request from another. Of the secrets, which nobody can guess, their digest.
    fn told(&self) -> Value {
        let secrets = [
            &self.consumer_key,
            &self.consumer_secret,
            &self.webhook_secret,
            &self.access_token,
            &self.client_secret,
        ];
        let mut all = Zeroizing::new(String::new());
        for secret in secrets {
            all.push_str(secret.as_deref().unwrap_or_default());
            all.push('\n');
        }
        let shopify = matches!(self.platform, On::Shopify);
        json!({ "shopify": shopify, "url": self.url, "secrets": sha256(all.as_bytes()) })
    }
}

impl TryFrom<ConnectionInput> for NewConnection {
    type Error = Error;

    fn try_from(input: ConnectionInput) -> domain::Result<Self> {
        let needed = |name: &str, value: Option<String>| {
            let missing = || Error::invalid(name, "is required for this platform");
            value.map(SecretString::from).ok_or_else(missing)
        };
        let credentials = match input.platform {
            On::WooCommerce => Credentials::WooCommerce {
                consumer_key: needed("consumer_key", input.consumer_key)?,
                consumer_secret: needed("consumer_secret", input.consumer_secret)?,
                webhook_secret: needed("webhook_secret", input.webhook_secret)?,
            },
            On::Shopify => Credentials::Shopify {
                access_token: needed("access_token", input.access_token)?,
                client_secret: needed("client_secret", input.client_secret)?,
            },
        };
        Ok(Self {
            address: input.url,
            credentials,
        })
    }
}

/// A connected shop. Its credentials are never shown.
#[derive(Debug, Object)]
pub struct Connection {
    id: Uuid,
    platform: String,
    url: String,
    #[oai(nullable)]
    name: Option<String>,
    #[oai(nullable)]
    currency: Option<String>,
    /// `connected`, or `failing` since its last synchronisation.
    state: String,
    /// Why it fails.
    #[oai(nullable)]
    error: Option<String>,
    /// Where the shop's webhooks are to be sent.
    webhook_url: String,
    /// When its products were read last.
    #[oai(nullable)]
    synced_at: Option<OffsetDateTime>,
    created_at: OffsetDateTime,
}

impl Connection {
    fn of(row: Model, base_url: &str) -> Self {
        let path = match row.platform.as_str() {
            "shopify" => "shopify".to_owned(),
            _ => format!("woocommerce/{}", row.id),
        };
        Self {
            id: row.id,
            platform: row.platform,
            url: row.address,
            name: row.name,
            currency: row.currency,
            state: row.state,
            error: row.error,
            webhook_url: format!("{base_url}/api/webhooks/{path}"),
            synced_at: row.synced_at,
            created_at: row.created_at,
        }
    }
}

#[derive(ApiResponse)]
enum Made {
    /// The shop has taken the credentials, and its products are being read.
    #[oai(status = 201)]
    Connected(Json<Connection>),
}

#[derive(ApiResponse)]
enum Removed {
    /// The credentials and everything that was read from the shop are gone.
    #[oai(status = 204)]
    Gone,
}

/// The calls of this resource.
pub struct Api;

#[OpenApi]
impl Api {
    /// List connected shops
    #[oai(
        path = "/api/connections",
        method = "get",
        tag = "Tag::Shops",
        operation_id = "list_connections"
    )]
    async fn list(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] caller: Caller<Shops>,
    ) -> Answer<Json<List<Connection>>> {
        let tx = context.db.tenant_read(&caller.customer).await?;
        let rows = commerce::list(&tx).await?;
        let items = rows
            .into_iter()
            .map(|row| Connection::of(row, &context.base_url))
            .collect();
        Ok(Json(List {
            items,
            next_cursor: None,
        }))
    }

    /// Connect a shop
    ///
    /// The shop is asked first; what it does not take is 409 with the cause as `code`. Connecting the same shop again replaces its
    /// credentials. A customer has one shop of each platform.
    #[oai(
        path = "/api/connections",
        method = "post",
        tag = "Tag::Shops",
        operation_id = "create_connection"
    )]
    async fn create(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] caller: Caller<Shops>,
        /// The same key with the same body gives the same answer for a day.
        #[oai(name = "Idempotency-Key", validator(min_length = 1, max_length = 255))]
        key: Header<Option<String>>,
        body: SecretBody<ConnectionInput>,
    ) -> Answer<Made> {
        context.takes_work().await?;
        let once = Once::of(key.0.as_deref(), "create_connection", &body.0.told());
        let tx = context.db.tenant_read(&caller.customer).await?;
        if let Some(id) = once.known(&tx).await? {
            let row = commerce::find(&tx, id).await?;
            return Ok(Made::Connected(Json(Connection::of(row, &context.base_url))));
        }
        tx.commit().await?;
        let shop: NewConnection = body.0.try_into()?;
        // The shop is asked, and its products are read at once.
        caller.spend(&context, Class::Sync).await?;
        let tried = commerce::probe(context.outside.client(), &shop).await?;
        let actor = caller.principal.actor();
        let tx = context.db.tenant(&caller.customer).await?;
        if let Some(id) = once.before(&tx).await? {
            let row = commerce::find(&tx, id).await?;
            return Ok(Made::Connected(Json(Connection::of(row, &context.base_url))));
        }
        let row = commerce::connect(&tx, &context.envelopes, &tried, by(&caller, &actor)).await?;
        let made = commerce::sync(&tx, row.id, SyncWork::Full).await?;
        if made.fresh {
            let asked = json!({ "connection_id": row.id });
            caller.note(&tx, "sync.started", &made.id.to_string(), asked).await?;
        }
        once.keep(&tx, row.id).await?;
        tx.commit().await?;
        context.dispatcher.dispatch(&[made]).await;
        Ok(Made::Connected(Json(Connection::of(row, &context.base_url))))
    }

    /// Disconnect a shop
    #[oai(
        path = "/api/connections/:id",
        method = "delete",
        tag = "Tag::Shops",
        operation_id = "delete_connection"
    )]
    async fn remove(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] caller: Caller<Shops>,
        id: Path<Uuid>,
    ) -> Answer<Removed> {
        let actor = caller.principal.actor();
        let tx = context.db.tenant(&caller.customer).await?;
        commerce::disconnect(&tx, id.0, by(&caller, &actor)).await?;
        tx.commit().await?;
        Ok(Removed::Gone)
    }
}

fn by<'a>(caller: &'a Caller<Shops>, actor: &'a str) -> Operator<'a> {
    Operator {
        actor,
        ip: caller.ip.as_deref(),
    }
}
