//! Checks the servers that tests start themselves: each answers, and restarts with its data.

use std::time::Duration;

use anyhow::Result;
use test_kit::servers::{MailCatcher, MongoDb, MySql, RabbitMq, Running, Server};
use tokio::net::TcpStream;

/// Runs a server through the phases of a fault test.
async fn lives_through_faults<S: Server>() -> Result<()> {
    let mut server = Running::<S>::start().await?;
    server.greet().await?;

    server.kill_hard().await;
    assert!(server.greet().await.is_err(), "it still answers after it was killed");
    server.restart().await?;
    server.greet().await?;

    server.stop().await;
    assert!(server.greet().await.is_err(), "it still answers after it was stopped");
    server.restart().await?;
    server.greet().await
}

#[tokio::test]
async fn mysql_comes_back_after_a_kill_and_a_stop() -> Result<()> {
    lives_through_faults::<MySql>().await
}

#[tokio::test]
async fn mongodb_comes_back_after_a_kill_and_a_stop() -> Result<()> {
    lives_through_faults::<MongoDb>().await
}

#[tokio::test]
async fn rabbitmq_comes_back_after_a_kill_and_a_stop() -> Result<()> {
    lives_through_faults::<RabbitMq>().await
}

#[tokio::test]
async fn the_mail_catcher_comes_back_after_a_kill_and_a_stop() -> Result<()> {
    lives_through_faults::<MailCatcher>().await
}

#[tokio::test]
async fn a_server_ends_with_the_thread_that_started_it() -> Result<()> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let catcher = runtime.block_on(Running::<MailCatcher>::start()).unwrap();
        sender.send(catcher.smtp_port).unwrap();
    });
    let port = receiver.await?;
    test_kit::wait_until("its port is closed", Duration::from_secs(10), async || {
        TcpStream::connect(("127.0.0.1", port)).await.is_err()
    })
    .await;
    Ok(())
}
