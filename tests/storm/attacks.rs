use std::time::Duration;

use anyhow::{Context, Result};
use contracts::Job;
use futures_util::future::try_join_all;
use reqwest::Method;
use serde_json::Value;
use test_kit::mixdown::{Form, Mixdown, User};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout_at};

/// An attack on a gateway.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Attack {
    OddMethods,
    UnfinishedHeads,
    EndlessForms,
    UnreadDownloads,
    UnreadArchives,
    UnreadAnswers,
    StoppedForms,
    StoppedResumables,
    ManyStreams,
    WrongPasswords,
}

impl Attack {
    pub(crate) const ALL: [Self; 10] = [
        Self::OddMethods,
        Self::UnfinishedHeads,
        Self::EndlessForms,
        Self::UnreadDownloads,
        Self::UnreadArchives,
        Self::UnreadAnswers,
        Self::StoppedForms,
        Self::StoppedResumables,
        Self::ManyStreams,
        Self::WrongPasswords,
    ];

    /// Attacks for some time, as one user with one finished file.
    pub(crate) async fn go_on_for(
        self,
        length: Duration,
        mixdown: &Mixdown,
        attacker: &User,
        job: &Job,
    ) -> Result<()> {
        let storm = Storm {
            port: mixdown.system().ports.gateway,
            end: Instant::now() + length,
            token: &attacker.token,
        };
        match self {
            Self::OddMethods => storm.odd_methods().await,
            Self::UnfinishedHeads => storm.hold(1500, &Storm::unfinished_head()).await,
            Self::EndlessForms => storm.endless_forms().await,
            Self::UnreadDownloads => {
                let path = link(attacker, &format!("/jobs/{}/link", job.id), None).await?;
                storm.hold(300, &get(&path, "")).await
            }
            Self::UnreadArchives => {
                let wish = serde_json::json!({ "jobs": [job.id] });
                let path = link(attacker, "/archives", Some(wish)).await?;
                storm.hold(200, &get(&path, "")).await
            }
            Self::UnreadAnswers => {
                let many =
                    get("/docs/swagger-ui-bundle.js", "").repeat(20) + &get("/openapi.json", "").repeat(20);
                let authorization = format!("authorization: Bearer {}\r\n", attacker.token);
                let own = get(&format!("/jobs/{}/peaks", job.id), &authorization).repeat(500);
                tokio::try_join!(storm.hold(200, &many), storm.hold(200, &own)).map(drop)
            }
            Self::StoppedForms => storm.hold(600, &storm.stopped_form()).await,
            Self::StoppedResumables => storm.hold(600, &storm.stopped_resumable()).await,
            Self::ManyStreams => {
                let authorization = format!("authorization: Bearer {}\r\n", attacker.token);
                storm.hold(500, &get(&format!("/jobs/{}/events", job.id), &authorization)).await
            }
            Self::WrongPasswords => wrong_passwords(attacker, storm.end).await,
        }
    }
}

fn get(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: a\r\n{headers}\r\n")
}

/// The path of a link that the gateway creates.
async fn link(user: &User, path: &str, wish: Option<Value>) -> Result<String> {
    let request = user.request(Method::POST, path);
    let request = if let Some(wish) = wish { request.json(&wish) } else { request };
    let made: Value = request.send().await?.error_for_status()?.json().await?;
    let url = made["url"].as_str().context("there is no link")?;
    // After the scheme, the third slash ends the host.
    let (_, path) = url.split_once("://").and_then(|(_, rest)| rest.split_once('/')).context("no link")?;
    Ok(format!("/{path}"))
}

async fn wrong_passwords(user: &User, end: Instant) -> Result<()> {
    let guessing = (0..100).map(async |number| {
        while Instant::now() < end {
            let wrong = format!("wrong {number}");
            let login = user.anonymous(Method::POST, "/login").basic_auth(&user.email, Some(&wrong));
            // Any answer is accepted.
            let _ = timeout_at(end, login.send()).await;
        }
        Ok::<_, anyhow::Error>(())
    });
    try_join_all(guessing).await.map(drop)
}

struct Storm<'a> {
    port: u16,
    end: Instant,
    token: &'a str,
}

impl Storm<'_> {
    async fn connect(&self) -> Result<TcpStream> {
        TcpStream::connect(("127.0.0.1", self.port)).await.context("the gateway takes no connection")
    }

    /// Keeps `connections` connections open that send this and read nothing.
    async fn hold(&self, connections: usize, request: &str) -> Result<()> {
        let connection = async |_| {
            // A refused or closed connection is opened again, as an attacker would do.
            while Instant::now() < self.end {
                let mut stream = self.connect().await?;
                // Fails when the gateway closes the connection.
                if timeout_at(self.end, stream.write_all(request.as_bytes()))
                    .await
                    .is_ok_and(|sent| sent.is_ok())
                {
                    sleep_until(self.end).await;
                }
            }
            Ok::<_, anyhow::Error>(())
        };
        try_join_all((0..connections).map(connection)).await.map(drop)
    }

    async fn odd_methods(&self) -> Result<()> {
        let connection = async |number: usize| {
            for round in 0.. {
                if Instant::now() >= self.end {
                    break;
                }
                let many: Vec<_> = (0..20)
                    .map(|n| format!("M{number}X{round}X{n} /jobs HTTP/1.1\r\nhost: a\r\n\r\n"))
                    .collect();
                let mut stream = self.connect().await?;
                let _ = stream.write_all(many.concat().as_bytes()).await;
                let mut answers = vec![0; 8 << 10];
                let _ = timeout_at(self.end, tokio::io::AsyncReadExt::read(&mut stream, &mut answers)).await;
            }
            Ok::<_, anyhow::Error>(())
        };
        try_join_all((0..16).map(connection)).await.map(drop)
    }

    fn unfinished_head() -> String {
        format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}", "a".repeat(380_000))
    }

    fn form(&self, bytes: usize) -> String {
        format!(
            "POST /upload HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\ncontent-type: {}\r\ncontent-length: {bytes}\r\n\r\n",
            self.token,
            Form::content_type()
        )
    }

    /// An endless part header, an endless preamble, and an endless field name.
    async fn endless_forms(&self) -> Result<()> {
        let boundary = Form::content_type().split_once('=').map(|(_, boundary)| boundary.to_owned());
        let boundary = boundary.context("there is a boundary")?;
        let beginnings = [
            String::new(),
            format!("--{boundary}\r\nx-long: "),
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\""),
        ];
        let sending = (0..12).map(async |number| {
            while Instant::now() < self.end {
                let mut stream = self.connect().await?;
                let _ = stream.write_all(self.form(1 << 30).as_bytes()).await;
                let _ = stream.write_all(beginnings[number % 3].as_bytes()).await;
                let piece = vec![b'a'; 64 << 10];
                while timeout_at(self.end, stream.write_all(&piece)).await.is_ok_and(|sent| sent.is_ok()) {}
            }
            Ok::<_, anyhow::Error>(())
        });
        try_join_all(sending).await.map(drop)
    }

    fn stopped_form(&self) -> String {
        let opening = Form::default().into_opening("a.mp4");
        self.form(10 << 20) + &String::from_utf8_lossy(&opening) + &"a".repeat(508_000)
    }

    fn stopped_resumable(&self) -> String {
        format!(
            "POST /uploads HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\ntus-resumable: 1.0.0\r\nupload-length: 10000000\r\n\
             content-type: application/offset+octet-stream\r\ncontent-length: 10000000\r\n\r\n{}",
            self.token,
            "a".repeat(508_000)
        )
    }
}
