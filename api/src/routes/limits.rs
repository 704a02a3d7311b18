//! Blocked addresses: those that operators have blocked, and those that have blocked themselves.
use domain::{Error, config::Network, jobs::Operator, limits::Block};
use poem::web::Data;
use poem_openapi::{ApiResponse, Enum, Object, OpenApi, param::Query, payload::Json};
use time::OffsetDateTime;

use crate::{
    Context,
    error::Answer,
    extractors::{Admin, Body},
    openapi::Tag,
};

/// What made a block.
#[derive(Debug, Enum)]
#[oai(rename_all = "snake_case")]
enum BlockSource {
    /// An operator.
    Operator,
    /// Too many requests.
    Automatic,
}

/// A block to be.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
struct NewBlock {
    /// An address or a network, such as `203.0.113.7` or `2001:db8::/32`.
    #[oai(validator(min_length = 2, max_length = 60))]
    network: String,
    /// Why, for other operators.
    #[oai(validator(max_length = 500))]
    reason: String,
    /// Until when; left out, until it is removed.
    #[oai(nullable)]
    expires_at: Option<OffsetDateTime>,
}

/// An address or network that gets no answers.
#[derive(Debug, Object)]
struct BlockedNetwork {
    network: String,
    source: BlockSource,
    /// Why; empty if it is automatic.
    reason: String,
    /// Who did it; none if it is automatic.
    #[oai(nullable)]
    actor: Option<String>,
    #[oai(nullable)]
    created_at: Option<OffsetDateTime>,
    /// Until when; none is for good.
    #[oai(nullable)]
    expires_at: Option<OffsetDateTime>,
}

impl From<Block> for BlockedNetwork {
    fn from(block: Block) -> Self {
        Self {
            network: block.network.to_string(),
            source: BlockSource::Operator,
            reason: block.reason,
            actor: Some(block.actor),
            created_at: Some(block.created_at),
            expires_at: block.expires_at,
        }
    }
}

/// All blocks.
#[derive(Debug, Object)]
struct BlockedNetworks {
    items: Vec<BlockedNetwork>,
    /// Redis does not answer, so the automatic blocks are missing.
    incomplete: bool,
}

#[derive(ApiResponse)]
enum Blocked {
    /// The block.
    #[oai(status = 201)]
    Created(Json<BlockedNetwork>),
}

#[derive(ApiResponse)]
enum Unblocked {
    /// The block has ended.
    #[oai(status = 204)]
    Done,
}

/// The calls of this resource.
pub struct Api;

#[OpenApi]
impl Api {
    /// List blocked addresses
    ///
    /// All that operators have blocked, and up to 1000 that were blocked for sending too many requests.
    #[oai(
        path = "/api/limits/blocks",
        method = "get",
        tag = "Tag::Operation",
        operation_id = "list_blocks"
    )]
    async fn list(&self, context: Data<&Context>, _admin: Admin) -> Answer<Json<BlockedNetworks>> {
        let mut items: Vec<BlockedNetwork> = context.blocks.list().into_iter().map(Into::into).collect();
        let automatic = match &context.gate {
            Some(gate) => gate.blocked().await.ok(),
            None => Some(Vec::new()),
        };
        let now = context.clock.now();
        let incomplete = automatic.is_none();
        items.extend(automatic.into_iter().flatten().map(|(network, left)| BlockedNetwork {
            network,
            source: BlockSource::Automatic,
            reason: String::new(),
            actor: None,
            created_at: None,
            expires_at: Some(now + left),
        }));
        Ok(Json(BlockedNetworks { items, incomplete }))
    }

    /// Block an address or a network
    ///
    /// It gets 403 from every call, page and file, but with the admin token. A block of the same network is replaced.
    #[oai(
        path = "/api/limits/blocks",
        method = "post",
        tag = "Tag::Operation",
        operation_id = "add_block"
    )]
    async fn add(&self, context: Data<&Context>, admin: Admin, body: Body<NewBlock>) -> Answer<Blocked> {
        let NewBlock {
            network,
            reason,
            expires_at,
        } = body.0;
        let block = context
            .blocks
            .add(parse(&network)?, &reason, by(&admin), expires_at)
            .await?;
        Ok(Blocked::Created(Json(block.into())))
    }

    /// Unblock an address or a network
    ///
    /// Ends an operator's block of exactly this network, and an automatic one of this address with all that is remembered of it.
    #[oai(
        path = "/api/limits/blocks",
        method = "delete",
        tag = "Tag::Operation",
        operation_id = "remove_block"
    )]
    async fn remove(
        &self,
        context: Data<&Context>,
        admin: Admin,
        /// As the list has it.
        #[oai(validator(min_length = 2, max_length = 60))]
        network: Query<String>,
    ) -> Answer<Unblocked> {
        let network = parse(&network.0)?;
        let pardoned = match &context.gate {
            Some(gate) => gate.pardon(network).await,
            None => Ok(false),
        };
        let also = matches!(pardoned, Ok(true));
        if context.blocks.remove(network, also, by(&admin)).await? {
            return Ok(Unblocked::Done);
        }
        // Nothing was there, as far as Redis could be asked.
        pardoned?;
        Err(Error::not_found("block").into())
    }
}

fn parse(network: &str) -> domain::Result<Network> {
    network.parse().map_err(|why| Error::invalid("network", why))
}

fn by(admin: &Admin) -> Operator<'_> {
    Operator {
        actor: &admin.actor,
        ip: admin.ip.as_deref(),
    }
}
