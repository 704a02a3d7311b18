//! People's accounts, as the operator and owners see them, each within the own customers.
use domain::{
    Error,
    tenancy::{self, NewUser, Reach, SignedIn, UserChange, UserRecord},
};
use poem::web::Data;
use poem_openapi::{
    ApiResponse, Enum, Object, OpenApi,
    param::{Path, Query},
    payload::Json,
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Context,
    error::Answer,
    extractors::{List, Paging, SecretBody, Steward, Users},
    openapi::Tag,
};

/// What a person may do.
#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename_all = "lowercase")]
enum Role {
    /// Looks.
    Viewer,
    /// Works with content and conversations.
    Editor,
    /// Decides about credentials, domains, people and where data goes.
    Owner,
}

impl From<Role> for tenancy::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::Viewer => Self::Viewer,
            Role::Editor => Self::Editor,
            Role::Owner => Self::Owner,
        }
    }
}

impl From<tenancy::Role> for Role {
    fn from(role: tenancy::Role) -> Self {
        match role {
            tenancy::Role::Viewer => Self::Viewer,
            tenancy::Role::Editor => Self::Editor,
            tenancy::Role::Owner => Self::Owner,
        }
    }
}

/// An account to be.
#[derive(Object)]
#[oai(deny_unknown_fields)]
struct UserInput {
    #[oai(validator(min_length = 3, max_length = 254))]
    email: String,
    #[oai(validator(min_length = 1, max_length = 100))]
    name: String,
    /// 12 to 256 characters, not the e-mail address, and none of the commonest passwords.
    #[oai(validator(max_length = 1000))]
    password: String,
    role: Role,
    /// For whom; required but with `installation`.
    #[oai(nullable, validator(min_items = 1, max_items = 100))]
    customers: Option<Vec<Uuid>>,
    /// An owner of the installation: of everything, also of customers to come.
    #[oai(nullable)]
    installation: Option<bool>,
}

/// What to change of an account; whatever changes what it may do ends its sessions.
#[derive(Object)]
#[oai(deny_unknown_fields)]
struct UserChanges {
    #[oai(nullable, validator(min_length = 1, max_length = 100))]
    name: Option<String>,
    #[oai(nullable, validator(max_length = 1000))]
    password: Option<String>,
    #[oai(nullable)]
    role: Option<Role>,
    #[oai(nullable, validator(min_items = 1, max_items = 100))]
    customers: Option<Vec<Uuid>>,
    #[oai(nullable)]
    installation: Option<bool>,
    /// A closed account can't log in.
    #[oai(nullable)]
    disabled: Option<bool>,
}

/// An account.
#[derive(Object)]
pub struct User {
    id: Uuid,
    email: String,
    name: String,
    role: Role,
    /// For whom; empty for an owner of the installation.
    customers: Vec<Uuid>,
    /// Whether it is an owner of the installation.
    installation: bool,
    /// Whether a second factor is asked for.
    second_factor: bool,
}

/// An account as its owners see it.
#[derive(Object)]
struct UserDetails {
    id: Uuid,
    email: String,
    name: String,
    role: Role,
    /// For whom; empty for an owner of the installation.
    customers: Vec<Uuid>,
    /// Whether it is an owner of the installation.
    installation: bool,
    /// Whether a second factor is asked for.
    second_factor: bool,
    #[oai(nullable)]
    disabled_at: Option<OffsetDateTime>,
    #[oai(nullable)]
    last_login_at: Option<OffsetDateTime>,
    created_at: OffsetDateTime,
}

fn customers(reach: Reach) -> Vec<Uuid> {
    match reach {
        Reach::Everywhere => Vec::new(),
        Reach::Customers(named) => named,
    }
}

impl From<&SignedIn> for User {
    fn from(who: &SignedIn) -> Self {
        Self {
            id: who.user,
            email: who.email.clone(),
            name: who.name.clone(),
            role: who.role.into(),
            installation: who.reach == Reach::Everywhere,
            customers: customers(who.reach.clone()),
            second_factor: who.second_factor,
        }
    }
}

impl From<UserRecord> for UserDetails {
    fn from(user: UserRecord) -> Self {
        Self {
            id: user.id,
            email: user.email,
            name: user.name,
            role: user.role.into(),
            installation: user.reach == Reach::Everywhere,
            customers: customers(user.reach),
            second_factor: user.second_factor,
            disabled_at: user.disabled_at,
            last_login_at: user.last_login_at,
            created_at: user.created_at,
        }
    }
}

#[derive(ApiResponse)]
enum UserMade {
    /// The account.
    #[oai(status = 201)]
    Created(Json<UserDetails>, #[oai(header = "Location")] String),
}

#[derive(ApiResponse)]
enum UserRemoved {
    /// The account is gone with its sessions.
    #[oai(status = 204)]
    Gone,
}

/// For whom, from the two fields of which one is given.
fn reach(customers: Option<Vec<Uuid>>, installation: Option<bool>) -> domain::Result<Option<Reach>> {
    match (customers, installation.unwrap_or_default()) {
        (None, false) => Ok(None),
        (None, true) => Ok(Some(Reach::Everywhere)),
        (Some(named), false) => Ok(Some(Reach::Customers(named))),
        (Some(_), true) => Err(Error::invalid("customers", "can't be given with installation")),
    }
}

/// The calls of this resource.
pub struct Api;

#[OpenApi]
impl Api {
    /// List accounts
    #[oai(
        path = "/api/users",
        method = "get",
        tag = "Tag::Administration",
        operation_id = "list_users"
    )]
    async fn list(
        &self,
        context: Data<&Context>,
        steward: Steward<Users>,
        #[oai(validator(minimum(value = "1"), maximum(value = "100")))] limit: Query<Option<u64>>,
        cursor: Query<Option<String>>,
    ) -> Answer<Json<List<UserDetails>>> {
        let paging = Paging::of(limit.0, cursor.0.as_deref())?;
        let rows = context
            .accounts
            .list_users(&steward.reach, paging.after, paging.rows())
            .await?;
        Ok(Json(paging.list(rows, |row| row.id)))
    }

    /// Make an account
    ///
    /// The first owner of the installation is made with the admin token.
    #[oai(
        path = "/api/users",
        method = "post",
        tag = "Tag::Administration",
        operation_id = "create_user"
    )]
    async fn create(
        &self,
        context: Data<&Context>,
        steward: Steward<Users>,
        body: SecretBody<UserInput>,
    ) -> Answer<UserMade> {
        let input = body.0;
        let missing = || Error::invalid("customers", "are required, unless installation is true");
        let new = NewUser {
            reach: reach(input.customers, input.installation)?.ok_or_else(missing)?,
            email: input.email,
            name: input.name,
            password: input.password.into(),
            role: input.role.into(),
        };
        let made = context
            .accounts
            .create_user(new, &steward.reach, steward.operator())
            .await?;
        let location = format!("/api/users/{}", made.id);
        Ok(UserMade::Created(Json(made.into()), location))
    }

    /// Read an account
    #[oai(
        path = "/api/users/:id",
        method = "get",
        tag = "Tag::Administration",
        operation_id = "get_user"
    )]
    async fn get(&self, context: Data<&Context>, steward: Steward<Users>, id: Path<Uuid>) -> Answer<Json<UserDetails>> {
        Ok(Json(context.accounts.get_user(id.0, &steward.reach).await?.into()))
    }

    /// Change an account
    ///
    /// Of the own account only the name (409 `own_account`): nobody locks themselves out. An account that is for other customers as well is
    /// changed by owners of the installation (409 `shared_account`).
    #[oai(
        path = "/api/users/:id",
        method = "patch",
        tag = "Tag::Administration",
        operation_id = "change_user"
    )]
    async fn change(
        &self,
        context: Data<&Context>,
        steward: Steward<Users>,
        id: Path<Uuid>,
        body: SecretBody<UserChanges>,
    ) -> Answer<Json<UserDetails>> {
        let input = body.0;
        let change = UserChange {
            reach: reach(input.customers, input.installation)?,
            name: input.name,
            password: input.password.map(Into::into),
            role: input.role.map(Into::into),
            disabled: input.disabled,
            without_second_factor: false,
        };
        if !change.is_of_name_only() {
            not_own(&steward, id.0)?;
        }
        let changed = context
            .accounts
            .change_user(id.0, change, &steward.reach, steward.operator());
        Ok(Json(changed.await?.into()))
    }

    /// Remove an account
    ///
    /// One that is for other customers as well, which an owner of the installation has made, goes on for these.
    #[oai(
        path = "/api/users/:id",
        method = "delete",
        tag = "Tag::Administration",
        operation_id = "delete_user"
    )]
    async fn delete(&self, context: Data<&Context>, steward: Steward<Users>, id: Path<Uuid>) -> Answer<UserRemoved> {
        not_own(&steward, id.0)?;
        context
            .accounts
            .delete_user(id.0, &steward.reach, steward.operator())
            .await?;
        Ok(UserRemoved::Gone)
    }

    /// Take the second factor off somebody's account, for whom has lost it
    #[oai(
        path = "/api/users/:id/second-factor",
        method = "delete",
        tag = "Tag::Administration",
        operation_id = "reset_second_factor"
    )]
    async fn reset_second_factor(
        &self,
        context: Data<&Context>,
        steward: Steward<Users>,
        id: Path<Uuid>,
    ) -> Answer<Json<UserDetails>> {
        not_own(&steward, id.0)?;
        let change = UserChange {
            without_second_factor: true,
            ..UserChange::default()
        };
        let changed = context
            .accounts
            .change_user(id.0, change, &steward.reach, steward.operator());
        Ok(Json(changed.await?.into()))
    }
}

fn not_own(steward: &Steward<Users>, id: Uuid) -> domain::Result<()> {
    if steward.is(id) {
        let message = "this is the own account; another owner, or the admin token, can do it";
        return Err(Error::conflict("own_account", message));
    }
    Ok(())
}
