use contracts::UserId;

/// What happened that matters for security. Log lines of target `audit` tell of it whatever the log filter says, with the request's
/// id and without addresses, names, tokens and passwords.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audit {
    /// An account was made.
    Registered,
    /// Somebody tried to register an address that has an account.
    RegisteredAgain,
    /// A session began, with a password.
    SignedIn,
    /// A session began, with an identity provider.
    SignedInElsewhere,
    /// The password was wrong, or there is no such account.
    SignInFailed,
    /// There were too many wrong passwords, so that none is tried now.
    SignInDelayed,
    /// A session was ended by its owner.
    SignedOut,
    /// All sessions were ended by their owner.
    SignedOutEverywhere,
    /// A refresh token was used twice: its session is ended.
    RefreshTokenReused,
    /// An address was confirmed.
    AddressConfirmed,
    /// A forgotten password was replaced.
    PasswordReset,
    /// A password was changed.
    PasswordChanged,
    /// An owner asked for the account to be erased.
    ErasureBegun,
    /// The account is gone.
    Erased,
    /// An API key was made.
    ApiKeyMade,
    /// An API key was deleted.
    ApiKeyDeleted,
    /// An API key was used; told once in a while for each.
    ApiKeyUsed,
    /// An API key was used for what it is not for.
    ApiKeyRefused,
    /// An administrator changed an account.
    AccountChanged,
    /// An administrator put dead letters back into a queue.
    DeadLettersReplayed,
    /// Somebody without the role tried to do what is for administrators.
    AdminRefused,
    /// Something was asked for with a password or a mailed token, or about an account; tells where from.
    AccountRequest,
}

impl Audit {
    /// The event's stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::RegisteredAgain => "registered_again",
            Self::SignedIn => "signed_in",
            Self::SignedInElsewhere => "signed_in_elsewhere",
            Self::SignInFailed => "sign_in_failed",
            Self::SignInDelayed => "sign_in_delayed",
            Self::SignedOut => "signed_out",
            Self::SignedOutEverywhere => "signed_out_everywhere",
            Self::RefreshTokenReused => "refresh_token_reused",
            Self::AddressConfirmed => "address_confirmed",
            Self::PasswordReset => "password_reset",
            Self::PasswordChanged => "password_changed",
            Self::ErasureBegun => "erasure_begun",
            Self::Erased => "erased",
            Self::ApiKeyMade => "api_key_made",
            Self::ApiKeyDeleted => "api_key_deleted",
            Self::ApiKeyUsed => "api_key_used",
            Self::ApiKeyRefused => "api_key_refused",
            Self::AccountChanged => "account_changed",
            Self::DeadLettersReplayed => "dead_letters_replayed",
            Self::AdminRefused => "admin_refused",
            Self::AccountRequest => "account_request",
        }
    }

    /// Writes the line. `detail` says which session, key or queue, if that matters: an identifier of ours, never a secret.
    pub fn record(self, user: Option<UserId>, detail: Option<&str>) {
        let user = user.map(tracing::field::display);
        tracing::info!(target: "audit", audit = self.name(), user.id = user, detail, "audit");
    }
}
