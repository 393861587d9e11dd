use anyhow::{Context as _, Result};
use std::path::Path;

/// A form with files, as `curl -F` sends it (RFC 7578).
#[derive(Debug, Clone, Default)]
pub struct Form {
    body: Vec<u8>,
}

const BOUNDARY: &str = "------------------------6d69786f7574";

impl Form {
    /// A form with one file, named as on the disk.
    ///
    /// # Errors
    /// The file can't be read.
    pub async fn of_file(path: &Path) -> Result<Self> {
        let bytes =
            tokio::fs::read(path).await.with_context(|| format!("could not read {}", path.display()))?;
        let name = path.file_name().context("the path names no file")?.to_string_lossy();
        Ok(Self::default().file(&name, &bytes))
    }

    /// Adds a file.
    #[must_use]
    pub fn file(self, name: &str, bytes: &[u8]) -> Self {
        self.file_named(name.as_bytes(), bytes)
    }

    /// Adds a file whose name consists of any bytes and is already escaped.
    #[must_use]
    pub fn file_named(mut self, name: &[u8], bytes: &[u8]) -> Self {
        self.begin_file(name);
        self.body.extend(bytes);
        self.body.extend(b"\r\n");
        self
    }

    /// Adds a field.
    #[must_use]
    pub fn field(mut self, name: &str, value: &str) -> Self {
        let part =
            format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        self.body.extend(part.as_bytes());
        self
    }

    /// The value of the `Content-Type` header.
    #[must_use]
    pub fn content_type() -> String {
        format!("multipart/form-data; boundary={BOUNDARY}")
    }

    /// The whole body.
    #[must_use]
    pub fn into_body(mut self) -> Vec<u8> {
        self.body.extend(format!("--{BOUNDARY}--\r\n").as_bytes());
        self.body
    }

    /// The body after the last byte of a file, for a test that sends that byte separately.
    #[must_use]
    pub fn ending() -> Vec<u8> {
        format!("\r\n--{BOUNDARY}--\r\n").into_bytes()
    }

    /// The body up to the first byte of a file, for a test that sends the rest separately.
    #[must_use]
    pub fn into_opening(mut self, name: &str) -> Vec<u8> {
        self.begin_file(name.as_bytes());
        self.body
    }

    fn begin_file(&mut self, name: &[u8]) {
        let opening = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"");
        self.body.extend(opening.as_bytes());
        self.body.extend(name);
        self.body.extend(b"\"\r\nContent-Type: application/octet-stream\r\n\r\n");
    }
}
