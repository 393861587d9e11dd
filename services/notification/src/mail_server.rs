use std::sync::Arc;

use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::TlsParameters;
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

/// `SMTP_URL` does not name a mail server. The message omits the URL, which holds a password.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvalidServerUrl {
    /// Not a URL with a host.
    #[error("SMTP_URL must be a URL such as smtps://user:password@mail.example.org")]
    NotAUrl,
    /// A scheme other than `smtp` and `smtps`, or an unknown value of `tls`.
    #[error("SMTP_URL must be smtps://…, smtp://…?tls=required, smtp://…?tls=opportunistic or smtp://…")]
    UnknownSecurity,
    /// The user or password is not percent-encoded UTF-8.
    #[error("the user and password in SMTP_URL must be percent-encoded UTF-8")]
    Credentials,
    /// The system has no certificates that TLS could trust.
    #[error("could not set up TLS for the mail server")]
    Tls(#[source] lettre::transport::smtp::Error),
}

/// How a connection to the mail server is protected.
#[derive(Clone)]
pub(crate) enum Security {
    /// TLS from the first byte (`smtps`).
    Wrapped(TlsParameters),
    /// STARTTLS is required.
    Required(TlsParameters),
    /// STARTTLS, if the server offers it.
    Opportunistic(TlsParameters),
    /// No encryption.
    None,
}

/// The mail server that our mails are handed to.
#[derive(Clone)]
pub(crate) struct MailServer {
    pub(crate) host: Arc<str>,
    pub(crate) port: u16,
    pub(crate) security: Security,
    pub(crate) credentials: Option<Credentials>,
}

impl MailServer {
    /// Reads the URL form that lettre has too: `smtps://user:password@host:port`, or `smtp://` with
    /// `?tls=required`, `?tls=opportunistic` or nothing for no TLS. User and password are percent-encoded.
    pub(crate) fn from_url(url: &SecretString) -> Result<Self, InvalidServerUrl> {
        let url = Url::parse(url.expose_secret()).map_err(|_| InvalidServerUrl::NotAUrl)?;
        let host = match url.host() {
            // An unknown scheme's host keeps its case; names and literals alike go to the resolver.
            Some(Host::Domain(name)) if !name.is_empty() => name.to_owned(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            Some(Host::Domain(_)) | None => return Err(InvalidServerUrl::NotAUrl),
        };
        let tls = || TlsParameters::new(host.clone()).map_err(InvalidServerUrl::Tls);
        let (security, usual_port) = match (url.scheme(), url.query()) {
            ("smtps", None) => (Security::Wrapped(tls()?), 465),
            ("smtp", Some("tls=required")) => (Security::Required(tls()?), 587),
            ("smtp", Some("tls=opportunistic")) => (Security::Opportunistic(tls()?), 587),
            ("smtp", None) => (Security::None, 25),
            _ => return Err(InvalidServerUrl::UnknownSecurity),
        };
        let credentials = url.password().map(|password| credentials(url.username(), password)).transpose()?;
        Ok(Self { host: host.into(), port: url.port().unwrap_or(usual_port), security, credentials })
    }

    /// Whether a password would cross the network unencrypted.
    pub(crate) fn exposes_password(&self) -> bool {
        let is_local = matches!(&*self.host, "localhost" | "127.0.0.1" | "::1");
        self.credentials.is_some() && !is_local && matches!(self.security, Security::None)
    }
}

fn credentials(user: &str, password: &str) -> Result<Credentials, InvalidServerUrl> {
    let decode = |text| percent_decode_str(text).decode_utf8().map_err(|_| InvalidServerUrl::Credentials);
    Ok(Credentials::new(decode(user)?.into_owned(), decode(password)?.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(url: &str) -> Result<MailServer, InvalidServerUrl> {
        MailServer::from_url(&url.into())
    }

    #[test]
    fn scheme_and_query_decide_about_tls_and_the_port() {
        let wrapped = server("smtps://mail.example.org").unwrap();
        assert!(matches!(wrapped.security, Security::Wrapped(_)));
        assert_eq!((&*wrapped.host, wrapped.port), ("mail.example.org", 465));
        let required = server("smtp://mail.example.org?tls=required").unwrap();
        assert!(matches!(required.security, Security::Required(_)));
        assert_eq!(required.port, 587);
        let opportunistic = server("smtp://mail.example.org:2525/?tls=opportunistic").unwrap();
        assert!(matches!(opportunistic.security, Security::Opportunistic(_)));
        assert_eq!(opportunistic.port, 2525);
        let plain = server("smtp://[::1]").unwrap();
        assert!(matches!(plain.security, Security::None));
        assert_eq!((&*plain.host, plain.port), ("::1", 25));
    }

    #[test]
    fn credentials_are_decoded_and_hidden() {
        let login = server("smtps://post%40example.org:p%3As%2Fs@mail.example.org").unwrap().credentials;
        let expected = Credentials::new("post@example.org".to_owned(), "p:s/s".to_owned());
        assert!(login == Some(expected.clone()));
        assert!(!format!("{expected:?}").contains("p:s"));
        assert!(server("smtp://mail.example.org").unwrap().credentials.is_none());
    }

    #[test]
    fn a_password_in_the_clear_is_noticed() {
        assert!(server("smtp://a:b@mail.example.org").unwrap().exposes_password());
        assert!(!server("smtp://a:b@127.0.0.1:1025").unwrap().exposes_password());
        assert!(!server("smtp://a:b@mail.example.org?tls=required").unwrap().exposes_password());
    }

    #[test]
    fn other_urls_are_refused_without_repeating_them() {
        for wrong in [
            "",
            "mail.example.org",
            "smtp:",
            "smtp://",
            "http://mail.example.org",
            "smtps://mail.example.org?tls=no",
            "smtp://mail.example.org?tls=maybe",
            "smtp://a:%ff@mail.example.org",
            "smtp://s3cret@:1",
        ] {
            let error = server(wrong).err().unwrap_or_else(|| panic!("{wrong:?} is no mail server"));
            assert!(!error.to_string().contains("s3cret"), "{error}");
        }
    }
}
