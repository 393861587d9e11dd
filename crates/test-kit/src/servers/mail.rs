//! The mail catcher: an SMTP server that delivers nothing and shows every mail in a browser.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpStream;

use super::Server;
use crate::ports::free_port;
use crate::process::Launch;
use crate::project::{Project, find_program};

/// A mail catcher.
#[derive(Debug, Clone)]
pub struct MailCatcher {
    /// Its JavaScript.
    pub script: PathBuf,
    /// The folder of the mails.
    pub data: PathBuf,
    /// The port that takes mails.
    pub smtp_port: u16,
    /// The port of the inbox, for browsers and for [`Inbox`](crate::inbox::Inbox).
    pub inbox_port: u16,
}

impl MailCatcher {
    /// The address of the inbox, without a slash at the end.
    #[must_use]
    pub fn inbox_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.inbox_port)
    }
}

impl Server for MailCatcher {
    const NAME: &'static str = "mail";

    fn data_dir(&self) -> &Path {
        &self.data
    }

    fn configure(&self) -> Result<()> {
        Ok(())
    }

    fn launch(&self) -> Result<Launch> {
        Ok(Launch::new(find_program("node")?)
            .argument(self.script.display().to_string())
            .argument("--smtp")
            .argument(self.smtp_port.to_string())
            .argument("--ip")
            .argument("127.0.0.1")
            .argument("--web")
            .argument(self.inbox_port.to_string())
            .argument("--web-ip")
            .argument("127.0.0.1")
            .argument("--mail-directory")
            .argument(self.data.display().to_string())
            // Its log would contain every subject and nothing useful.
            .argument("--silent"))
    }

    async fn greet(&self) -> Result<()> {
        let stream =
            TcpStream::connect(("127.0.0.1", self.smtp_port)).await.context("nothing listens yet")?;
        let mut greeting = String::new();
        BufReader::new(stream).read_line(&mut greeting).await.context("it hung up")?;
        if !greeting.starts_with("220 ") {
            bail!("it greets with {:?}", greeting.trim_end());
        }
        reqwest::get(format!("{}/healthz", self.inbox_url()))
            .await
            .and_then(reqwest::Response::error_for_status)
            .context("its inbox does not answer")?;
        Ok(())
    }

    /// The SMTP address.
    fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.smtp_port)
    }

    fn new_in(project: &Project, home: &Path) -> Result<Self> {
        Ok(Self {
            script: project.mail_catcher()?,
            data: home.join(Self::NAME),
            smtp_port: free_port()?,
            inbox_port: free_port()?,
        })
    }
}
