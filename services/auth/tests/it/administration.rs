use auth::{DatabaseConfig, UserAction, UserCommand, user};
use serde_json::json;

use crate::world::{Auth, PASSWORD, TestDatabase};

async fn command(
    database: &TestDatabase,
    action: UserAction,
    account: Option<&str>,
) -> anyhow::Result<String> {
    user(&UserCommand {
        database: DatabaseConfig { mysql_url: database.url.as_str().into() },
        action,
        account: account.map(str::to_owned),
    })
    .await
}

#[tokio::test]
async fn the_command_line_changes_accounts_and_ends_their_sessions() {
    let database = TestDatabase::migrated().await;
    let auth = Auth::start(&database).await;
    auth.register("ada@example.org", PASSWORD).await;
    auth.register("eve@example.org", PASSWORD).await;
    let listed = command(&database, UserAction::List, Some("EVE")).await.unwrap();
    assert!(listed.contains("eve@example.org") && !listed.contains("ada@"), "{listed}");
    assert!(listed.contains("unverified"), "{listed}");

    let before = auth.session("ada@example.org").await;
    let promoted = command(&database, UserAction::Promote, Some("ada@example.org")).await.unwrap();
    assert!(promoted.contains("admin"), "{promoted}");
    // Its old tokens named the old role.
    auth.refresh(&before.refresh).await.assert_problem(401, "invalid_refresh_token");
    let shown = command(&database, UserAction::Show, Some("ada@example.org")).await.unwrap();
    assert_eq!(shown, promoted);
    let id = shown.split_whitespace().next().unwrap().to_owned();
    command(&database, UserAction::Demote, Some(&id)).await.unwrap();

    let session = auth.session("ada@example.org").await;
    command(&database, UserAction::Disable, Some(&id)).await.unwrap();
    auth.refresh(&session.refresh).await.assert_problem(401, "invalid_refresh_token");
    auth.log_in("ada@example.org", PASSWORD).await.assert_problem(403, "account_disabled");
    // The answer reveals it only to a caller who knows the password.
    auth.log_in("ada@example.org", "wrong password").await.assert_problem(401, "wrong_credentials");
    command(&database, UserAction::Enable, Some(&id)).await.unwrap();
    let session = auth.session("ada@example.org").await;
    command(&database, UserAction::ResetPassword, Some(&id)).await.unwrap();
    auth.refresh(&session.refresh).await.assert_problem(401, "invalid_refresh_token");
    assert_eq!(database.count("SELECT COUNT(*) FROM outbox WHERE kind = 'reset'").await, 1);

    command(&database, UserAction::Delete, Some(&id)).await.unwrap();
    auth.log_in("ada@example.org", PASSWORD).await.assert_problem(401, "wrong_credentials");
    assert!(command(&database, UserAction::Show, Some("nobody@example.org")).await.is_err());
    assert!(command(&database, UserAction::Show, Some("no address")).await.is_err());
    assert!(command(&database, UserAction::Disable, None).await.is_err());
}

#[tokio::test]
async fn only_administrators_see_and_change_accounts() {
    let database = TestDatabase::migrated().await;
    let auth = Auth::start(&database).await;
    for name in ["root", "ada", "eve"] {
        auth.register(&format!("{name}@example.org"), PASSWORD).await;
    }
    command(&database, UserAction::Promote, Some("root@example.org")).await.unwrap();
    let root = auth.token("root@example.org", PASSWORD).await;
    let ada = auth.session("ada@example.org").await;
    auth.ask("GET", "/admin/users", &ada.access, None).await.assert_problem(403, "admin_only");

    let page = auth.ask("GET", "/admin/users?q=example", &root, None).await.body;
    let users = page["users"].as_array().unwrap();
    assert_eq!((users.len(), &users[0]["email"]), (3, &json!("eve@example.org")));
    assert_eq!(page["next_cursor"], json!(null));
    let found = auth.ask("GET", "/admin/users?q=ada@", &root, None).await.body;
    let id = found["users"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(found["users"].as_array().unwrap().len(), 1);
    // An underscore is no wildcard.
    assert_eq!(auth.ask("GET", "/admin/users?q=ad_@", &root, None).await.body["users"], json!([]));

    let path = format!("/admin/users/{id}");
    auth.ask("PATCH", &path, &ada.access, Some(&json!({"role": "admin"})))
        .await
        .assert_problem(403, "admin_only");
    let closed = auth.ask("PATCH", &path, &root, Some(&json!({"is_disabled": true}))).await;
    assert_eq!((closed.status, &closed.body["is_disabled"]), (200, &json!(true)), "{closed:?}");
    auth.refresh(&ada.refresh).await.assert_problem(401, "invalid_refresh_token");
    auth.ask("PATCH", &path, &root, Some(&json!({"role": "emperor"})))
        .await
        .assert_problem(400, "bad_request");
    let nobody = "/admin/users/0190a3c4-0000-7000-8000-000000000001";
    auth.ask("PATCH", nobody, &root, Some(&json!({}))).await.assert_problem(404, "not_found");
    // The role in the database counts here, not the one in the token.
    command(&database, UserAction::List, None).await.unwrap();
    let demote = "UPDATE accounts SET role = 'user'";
    sqlx::raw_sql(demote).execute(&mut database.connect().await).await.unwrap();
    auth.ask("GET", "/admin/users", &root, None).await.assert_problem(403, "admin_only");
}
