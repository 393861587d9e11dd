use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

/// Settings of the `healthcheck` subcommand.
#[derive(Debug, Clone, Args)]
pub struct Healthcheck {
    /// Address of the admin port to ask
    #[arg(long, env = "ADMIN_LISTEN", default_value = "127.0.0.1:9090")]
    pub admin_listen: SocketAddr,
}

const TIMEOUT: Duration = Duration::from_secs(5);

impl Healthcheck {
    /// Asks the service of this container whether it is ready, since the images have no curl.
    #[must_use]
    pub fn run(&self) -> ExitCode {
        match status_line(self.admin_listen) {
            Ok(line) if line.split(' ').nth(1) == Some("200") => ExitCode::SUCCESS,
            Ok(line) => {
                eprintln!("not ready: {line}");
                ExitCode::FAILURE
            }
            Err(error) => {
                eprintln!("the admin port does not answer: {error}");
                ExitCode::FAILURE
            }
        }
    }
}

fn status_line(mut address: SocketAddr) -> std::io::Result<String> {
    if address.ip().is_unspecified() {
        address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(64 * 1024).read_to_string(&mut answer)?;
    Ok(answer.lines().next().unwrap_or_default().to_owned())
}
