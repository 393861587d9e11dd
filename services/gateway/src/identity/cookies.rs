//! The browser's cookies: the refresh token, and an attempt to sign in with OpenID Connect.

use axum::http::header::{COOKIE, HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderValue};
use contracts::{ProblemCode, Secret};
use reqwest::Url;

use crate::error::Error;

/// One of our cookies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cookie {
    /// The refresh token. Never sent with requests that another site starts.
    Refresh,
    /// Ties the answer of an identity provider to this browser. It must be sent with the request by which the
    /// provider sends the browser back.
    Attempt,
}

/// The address of the gateway for browsers.
#[derive(Debug, Clone)]
pub(crate) struct PublicSite {
    url: Url,
}

impl Cookie {
    fn name(self) -> &'static str {
        match self {
            Self::Refresh => "mixdown_refresh",
            Self::Attempt => "mixdown_oidc",
        }
    }

    fn same_site(self) -> &'static str {
        match self {
            Self::Refresh => "Strict",
            Self::Attempt => "Lax",
        }
    }
}

impl PublicSite {
    pub(crate) fn new(url: Url) -> Self {
        Self { url }
    }

    /// `path` begins with a slash.
    pub(crate) fn address(&self, path: &str) -> String {
        format!("{}{path}", self.url.as_str().trim_end_matches('/'))
    }

    /// The `Set-Cookie` header that keeps a value for this long.
    pub(crate) fn set(&self, cookie: Cookie, value: &Secret, seconds: u64) -> Result<HeaderValue, Error> {
        let mut header = HeaderValue::try_from(format!(
            "{}={}; HttpOnly; SameSite={}; Path=/; Max-Age={seconds}{}",
            self.name(cookie),
            value.expose(),
            cookie.same_site(),
            if self.is_encrypted() { "; Secure" } else { "" },
        ))
        .map_err(|_| ProblemCode::Internal)?;
        header.set_sensitive(true);
        Ok(header)
    }

    /// The `Set-Cookie` header that deletes the cookie.
    pub(crate) fn clear(&self, cookie: Cookie) -> Result<HeaderValue, Error> {
        self.set(cookie, &String::new().into(), 0)
    }

    /// The value of a cookie in the request.
    pub(crate) fn read(&self, cookie: Cookie, headers: &HeaderMap) -> Option<Secret> {
        let name = self.name(cookie);
        let texts = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut values = texts
            .flat_map(|text| text.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(key, value)| *key == name && !value.is_empty())
            .map(|(_, value)| value.to_owned());
        values.next().map(Secret::from)
    }

    /// Refuses requests that a page of another site makes a browser send. A browser that sends no
    /// `Sec-Fetch-Site` must send our page's `Origin`.
    pub(crate) fn same_origin(&self, headers: &HeaderMap) -> Result<(), Error> {
        let is_ours = match headers.get("sec-fetch-site") {
            Some(site) => site == "same-origin",
            None => headers.get(ORIGIN).is_some_and(|origin| self.is_own(origin, headers)),
        };
        if is_ours { Ok(()) } else { Err(ProblemCode::CrossSite.into()) }
    }

    fn is_own(&self, origin: &HeaderValue, headers: &HeaderMap) -> bool {
        let Ok(origin) = origin.to_str() else { return false };
        if origin == self.url.origin().ascii_serialization() {
            return true;
        }
        // On one machine people type `127.0.0.1` instead of `localhost`. The browser sets both headers; a
        // page cannot.
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        !self.is_encrypted() && origin == format!("http://{host}")
    }

    /// A browser accepts a `__Host-` cookie only over TLS and from this very host.
    fn name(&self, cookie: Cookie) -> String {
        let prefix = if self.is_encrypted() { "__Host-" } else { "" };
        format!("{prefix}{}", cookie.name())
    }

    fn is_encrypted(&self) -> bool {
        self.url.scheme() == "https"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(url: &str) -> PublicSite {
        PublicSite::new(url.parse().unwrap())
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn over_tls_the_cookie_is_bound_to_the_host() {
        let value = Secret::from("abc".to_owned());
        let plain = site("http://localhost:8080").set(Cookie::Refresh, &value, 60).unwrap();
        assert_eq!(plain, "mixdown_refresh=abc; HttpOnly; SameSite=Strict; Path=/; Max-Age=60");
        let tls = site("https://mixdown.example.org").set(Cookie::Refresh, &value, 60).unwrap();
        assert_eq!(tls, "__Host-mixdown_refresh=abc; HttpOnly; SameSite=Strict; Path=/; Max-Age=60; Secure");
        let attempt = site("https://mixdown.example.org").set(Cookie::Attempt, &value, 60).unwrap();
        assert!(attempt.to_str().unwrap().contains("SameSite=Lax"));
    }

    #[test]
    fn a_cookie_of_another_name_is_not_read() {
        let tls = site("https://mixdown.example.org");
        let read = |text| tls.read(Cookie::Refresh, &headers(&[("cookie", text)]));
        assert_eq!(read("a=b; __Host-mixdown_refresh=abc").unwrap().expose(), "abc");
        // Any page of a neighbouring host could have set this one.
        assert!(read("mixdown_refresh=abc").is_none());
        assert!(read("x__Host-mixdown_refresh=abc").is_none());
        assert!(read("__Host-mixdown_refresh=").is_none());
    }

    #[test]
    fn values_with_line_breaks_make_no_header() {
        let value = Secret::from("a\r\nSet-Cookie: b=c".to_owned());
        assert!(site("http://localhost").set(Cookie::Refresh, &value, 1).is_err());
    }

    #[test]
    fn other_sites_are_told_from_our_own_pages() {
        let site = site("https://mixdown.example.org");
        for own in [&[("sec-fetch-site", "same-origin")][..], &[("origin", "https://mixdown.example.org")]] {
            assert!(site.same_origin(&headers(own)).is_ok(), "{own:?}");
        }
        for other in [
            &[][..],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "none")],
            &[("sec-fetch-site", "cross-site"), ("origin", "https://mixdown.example.org")],
            &[("origin", "null")],
            &[("origin", "https://mixdown.example.org.evil.example")],
            &[("origin", "http://mixdown.example.org")],
            &[("origin", "https://evil.example"), ("host", "evil.example")],
        ] {
            assert!(site.same_origin(&headers(other)).is_err(), "{other:?}");
        }
    }
}
