//! Access rules. A route's signature is its whole rule: `Caller<Read>` needs a token, or an API key with the
//! scope `read`; `Person` needs a token; `Administrator` needs an administrator's; `Visitor` and `Anyone`
//! make a route public. Changes by a person or a visitor are audited.

use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use contracts::{AccessClaims, Audit, Owner, ProblemCode, Role, Scope, UserId};
use service_kit::audit;

use super::credential::Credential;
use super::identification::Identity;
use crate::edge::{AccessRule, PlaceOfAnswer};
use crate::error::Error;

/// What a route requires of an API key.
pub(crate) trait Access {
    /// The scope that a key needs. For uploads the account must also have a confirmed address, if the
    /// settings require that.
    const SCOPE: Scope;
}

/// Reading jobs and files, and links to them.
pub(crate) struct Read;

/// Uploading, and managing uploads.
pub(crate) struct Upload;

/// Deleting jobs.
pub(crate) struct Delete;

impl Access for Read {
    const SCOPE: Scope = Scope::Read;
}

impl Access for Upload {
    const SCOPE: Scope = Scope::Upload;
}

impl Access for Delete {
    const SCOPE: Scope = Scope::Delete;
}

/// The account whose token or API key the request carries.
pub(crate) struct Caller<A> {
    pub(crate) owner: Owner,
    /// The credential of the request. Long answers end when it ends.
    pub(crate) credential: Credential,
    access: PhantomData<A>,
}

/// A signed-in person. An API key does not count as one: keys must not be able to change what keys can do.
#[derive(Clone)]
pub(crate) struct Person {
    /// The token itself, for auth.
    pub(crate) token: String,
    pub(crate) claims: AccessClaims,
}

/// A person whose token says that they are an administrator.
#[derive(Clone)]
pub(crate) struct Administrator(pub(crate) Person);

/// A client that tries a password, a token, or a way to sign in. Attempts count against the client's address.
pub(crate) struct Visitor;

/// Any client: the route's answer is public, or its address is a secret.
pub(crate) struct Anyone;

impl<A: Access, S: Send + Sync> FromRequestParts<S> for Caller<A>
where
    Arc<Identity>: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let identity = Arc::<Identity>::from_ref(state);
        let credential = identity.identify(parts).await?;
        let (owner, is_verified) = match &credential {
            Credential::Key { holder, .. } => {
                if !holder.scopes.contains(&A::SCOPE) {
                    audit::record(Audit::ApiKeyRefused { user: holder.account });
                    return Err(identity.refused(parts, ProblemCode::ScopeMissing).await);
                }
                let owner = Owner { id: holder.account, email: holder.email.clone(), mails: holder.mails };
                (owner, holder.email_verified)
            }
            Credential::Session { claims, .. } => {
                let owner = Owner { id: claims.sub, email: claims.email.clone(), mails: claims.mails };
                (owner, claims.email_verified)
            }
        };
        if A::SCOPE == Scope::Upload && identity.requires_verified_address && !is_verified {
            // The token may be older than the confirmation of the address.
            let is_verified_now = match &credential {
                Credential::Session { token, .. } => identity.auth.get_me(token).await?.email_verified,
                Credential::Key { .. } => false,
            };
            if !is_verified_now {
                return Err(identity.refused(parts, ProblemCode::AddressNotVerified).await);
            }
        }
        identity.admit(parts, owner.id).await?;
        Ok(Self { owner, credential, access: PhantomData })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Person
where
    Arc<Identity>: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let identity = Arc::<Identity>::from_ref(state);
        let client = identity.edge.client_address(parts).await?;
        AccessRule::audit(parts, client);
        match identity.identify(parts).await? {
            Credential::Session { token, claims } => {
                identity.admit(parts, claims.sub).await?;
                Ok(Self { token, claims })
            }
            Credential::Key { .. } => Err(identity.refused(parts, ProblemCode::ScopeMissing).await),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Administrator
where
    Arc<Identity>: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let person = Person::from_request_parts(parts, state).await?;
        match person.claims.role {
            Role::Admin => Ok(Self(person)),
            Role::User => {
                audit::record(Audit::AdminRefused { user: person.claims.sub });
                Err(ProblemCode::AdminOnly.into())
            }
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Visitor
where
    Arc<Identity>: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let edge = Arc::clone(&Arc::<Identity>::from_ref(state).edge);
        let client = edge.client_address(parts).await?;
        AccessRule::audit(parts, client);
        edge.limits.credentials(client)?;
        AccessRule::pass(parts);
        Ok(Self)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Anyone {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        AccessRule::pass(parts);
        Ok(Self)
    }
}

impl Identity {
    /// Identifies the caller. An invalid credential counts against the client's address.
    async fn identify(&self, parts: &mut Parts) -> Result<Credential, Error> {
        match self.credential(parts).await {
            Ok(credential) => Ok(credential),
            Err(error) => {
                self.count_stranger(parts).await?;
                Err(error)
            }
        }
    }

    /// The refusal, counted against the client's address like an unknown credential.
    async fn refused(&self, parts: &mut Parts, code: ProblemCode) -> Error {
        self.count_stranger(parts).await.err().unwrap_or_else(|| code.into())
    }

    async fn count_stranger(&self, parts: &mut Parts) -> Result<(), Error> {
        let client = self.edge.client_address(parts).await?;
        Ok(self.edge.limits.stranger(client)?)
    }

    /// Counts a request of this user, and takes a place for its answer.
    async fn admit(&self, parts: &Parts, user: UserId) -> Result<(), Error> {
        self.edge.limits.request(user)?;
        if let Some(answer) = parts.extensions.get::<PlaceOfAnswer>() {
            answer.leave(self.edge.limits.answering.take(user).await?);
        }
        AccessRule::pass(parts);
        Ok(())
    }
}
