//! Checks the proxy's behaviour.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::time::Duration;

use test_kit::proxy::{Proxy, Traffic, server_of};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const A_MOMENT: Duration = Duration::from_millis(200);

/// A proxy before a server that sends everything back.
async fn before_an_echo() -> Proxy {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = client.split();
                tokio::io::copy(&mut from, &mut to).await
            });
        }
    });
    Proxy::to(&server).await.unwrap()
}

async fn connect(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(proxy.address()).await.unwrap()
}

/// The answer to a byte, if one comes in time. An error if the connection is broken.
async fn echo(client: &mut TcpStream, byte: u8) -> std::io::Result<Option<u8>> {
    client.write_all(&[byte]).await?;
    match tokio::time::timeout(A_MOMENT, client.read_u8()).await {
        Ok(answer) => answer.map(Some),
        Err(_) => Ok(None),
    }
}

#[tokio::test]
async fn what_is_stalled_comes_later() {
    let proxy = before_an_echo().await;
    let mut client = connect(&proxy).await;
    assert_eq!(echo(&mut client, 1).await.unwrap(), Some(1));
    proxy.set(Traffic::Stall);
    assert_eq!(echo(&mut client, 2).await.unwrap(), None);
    proxy.set(Traffic::Pass);
    assert_eq!(client.read_u8().await.unwrap(), 2);
}

#[tokio::test]
async fn what_is_lost_never_comes_and_a_new_connection_works() {
    let proxy = before_an_echo().await;
    let mut client = connect(&proxy).await;
    proxy.set(Traffic::Lose);
    assert_eq!(echo(&mut client, 1).await.unwrap(), None);
    proxy.set(Traffic::Pass);
    assert_eq!(echo(&mut client, 2).await.unwrap(), None);
    assert_eq!(echo(&mut connect(&proxy).await, 3).await.unwrap(), Some(3));
}

#[tokio::test]
async fn a_refusal_breaks_connections_even_if_it_is_taken_back_at_once() {
    let proxy = before_an_echo().await;
    let mut client = connect(&proxy).await;
    assert_eq!(echo(&mut client, 1).await.unwrap(), Some(1));
    proxy.set(Traffic::Refuse);
    assert!(echo(&mut client, 2).await.is_err());
    assert!(echo(&mut connect(&proxy).await, 3).await.is_err());
    proxy.set(Traffic::Pass);
    let mut client = connect(&proxy).await;
    assert_eq!(echo(&mut client, 4).await.unwrap(), Some(4));
    proxy.set(Traffic::Refuse);
    proxy.set(Traffic::Pass);
    assert!(echo(&mut client, 5).await.is_err());
}

#[tokio::test]
async fn what_is_under_way_in_a_cut_is_lost() {
    let proxy = before_an_echo().await;
    let mut client = connect(&proxy).await;
    proxy.set(Traffic::Stall);
    assert_eq!(echo(&mut client, 1).await.unwrap(), None);
    proxy.cut();
    proxy.set(Traffic::Pass);
    assert!(client.read_u8().await.is_err());
    assert_eq!(echo(&mut connect(&proxy).await, 2).await.unwrap(), Some(2));
}

#[tokio::test]
async fn a_url_leads_through_the_proxy_with_its_account_and_path() {
    let proxy = Proxy::to("127.0.0.1:1").await.unwrap();
    let address = proxy.address();
    for (url, expected) in [
        ("amqp://a:b@host:5672/%2f", format!("amqp://a:b@{address}/%2f")),
        ("mongodb://a:b@host:1/?x=y@z", format!("mongodb://a:b@{address}/?x=y@z")),
        ("smtp://host:25", format!("smtp://{address}")),
    ] {
        assert_eq!(proxy.url(url).unwrap(), expected);
    }
    assert_eq!(server_of("mysql://a:b@host:3306/db").unwrap(), "host:3306");
    assert!(server_of("host:25").is_err());
}
