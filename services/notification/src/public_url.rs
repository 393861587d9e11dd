use std::fmt;
use std::str::FromStr;

use url::Url;

/// The gateway's address for the readers of mails: `https://host[:port][/path]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl(String);

/// The text is not such an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an address such as https://mixdown.example.org, without query, fragment, user or password")]
pub struct InvalidPublicUrl;

impl PublicUrl {
    /// The address of a page that uses a token. It stands after `#`, so that no server or proxy sees it.
    pub(crate) fn page(&self, page: &str, token: &str) -> String {
        format!("{}/{page}#token={token}", self.0)
    }

    /// The address of a route or page.
    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}/{path}", self.0)
    }

    /// The address of a download link.
    pub(crate) fn download(&self, link: &str) -> String {
        format!("{}/d/{link}", self.0)
    }
}

impl FromStr for PublicUrl {
    type Err = InvalidPublicUrl;

    fn from_str(text: &str) -> Result<Self, InvalidPublicUrl> {
        let url = Url::parse(text).map_err(|_| InvalidPublicUrl)?;
        let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
        let has_extras = url.query().is_some()
            || url.fragment().is_some()
            || !url.username().is_empty()
            || url.password().is_some();
        let address = url.as_str().trim_end_matches('/');
        // The templates put it into HTML unescaped, so that the link is the same in both parts of a mail.
        let is_plain =
            address.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:/[]%".contains(&byte));
        if is_web && !has_extras && is_plain { Ok(Self(address.to_owned())) } else { Err(InvalidPublicUrl) }
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_begin_with_the_address_whether_it_ends_in_a_slash_or_not() {
        for (base, link) in [
            ("https://mixdown.example.org", "https://mixdown.example.org/d/L"),
            ("https://mixdown.example.org/", "https://mixdown.example.org/d/L"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080/d/L"),
            ("http://[::1]:8080/audio/", "http://[::1]:8080/audio/d/L"),
        ] {
            assert_eq!(base.parse::<PublicUrl>().unwrap().download("L"), link);
        }
    }

    #[test]
    fn what_could_not_stand_in_a_mail_as_it_is_is_refused() {
        for wrong in [
            "",
            "mixdown.example.org",
            "ftp://example.org",
            "https://",
            "https://user:pw@example.org",
            "https://example.org/?a=b",
            "https://example.org/#a",
            "https://example.org/a&b",
            "https://example.org/'",
        ] {
            assert_eq!(wrong.parse::<PublicUrl>(), Err(InvalidPublicUrl), "{wrong:?}");
        }
    }
}
