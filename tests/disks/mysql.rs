//! MySQL without space.

use std::time::Duration;

use anyhow::{Result, ensure};
use reqwest::{Method, StatusCode};
use system_tests::promise::PATIENCE;
use test_kit::mixdown::Plan;
use test_kit::servers::{MySql, Running, Server as _};
use test_kit::services::Service;
use test_kit::{unique_name, wait_until};

use crate::disk::{MIB, SmallDisk};

#[tokio::test]
async fn registrations_are_told_to_come_again_while_mysql_has_no_room() -> Result<()> {
    let disk = SmallDisk::of(384 * MIB)?;
    let mysql = Running::<MySql>::start_at(disk.path()).await?;
    let plan = Plan::new().on_mysql(&mysql.url()).only(&[Service::Auth, Service::Gateway]);
    let mixdown = plan.start().await?;
    let user = mixdown.user().await?;
    let register = async || {
        let email = format!("{}@example.org", unique_name("bob"));
        let body = serde_json::json!({ "email": email, "password": unique_name("secret") });
        let request = user.anonymous(Method::POST, "/register").json(&body);
        anyhow::Ok(request.timeout(Duration::from_secs(30)).send().await?.status())
    };

    disk.fill(0)?;
    wait_until("a registration finds no room", PATIENCE, async || {
        let status = register().await?;
        // A registration that is neither done nor told to come again would be lost.
        assert!(matches!(status, StatusCode::CREATED | StatusCode::SERVICE_UNAVAILABLE), "{status}");
        ensure!(status == StatusCode::SERVICE_UNAVAILABLE, "one more had room");
        Ok(())
    })
    .await;

    disk.clear()?;
    wait_until("registrations go on", PATIENCE, async || {
        let status = register().await?;
        ensure!(status == StatusCode::CREATED, "it was answered with {status}");
        Ok(())
    })
    .await;
    assert_eq!(user.log_in().await?.status(), StatusCode::OK);
    Ok(())
}
