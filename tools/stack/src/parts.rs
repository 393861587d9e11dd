use std::collections::BTreeMap;

use anyhow::Result;

use crate::folder::StackFolder;
use crate::ledger::Ledger;
use test_kit::project::Project;
use test_kit::random::random_hex;
use test_kit::servers::{MailCatcher, MongoDb, MySql, RabbitMq, Server};
use test_kit::services::{Service, ServicePorts, System, kept_secret};

/// The whole system: four servers and four services with their ports and secrets.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) mysql: MySql,
    pub(crate) mongodb: MongoDb,
    pub(crate) rabbitmq: RabbitMq,
    pub(crate) mail: MailCatcher,
    pub(crate) system: System,
}

pub(crate) const SERVER_NAMES: [&str; 4] = [MySql::NAME, MongoDb::NAME, RabbitMq::NAME, MailCatcher::NAME];
pub(crate) const SERVICE_NAMES: [&str; 4] =
    [Service::Auth.name(), Service::Gateway.name(), Service::Converter.name(), Service::Notification.name()];

const DATABASE: &str = "mixdown";
const PREFERRED_GATEWAY_PORT: u16 = 8080;

impl Parts {
    /// Chooses ports and secrets, the recorded ones if possible.
    pub(crate) fn settle(project: &Project, folder: &StackFolder, ledger: &Ledger) -> Result<Self> {
        let port = |name: &str, owner: &str| ledger.port(name, owner, None);
        let password = |name: &str| kept_secret(&folder.secrets().join(name), random_hex::<16>);
        let data = |name: &str| folder.data().join(name);
        let mysql = MySql {
            data: data(MySql::NAME),
            port: port("mysql", MySql::NAME)?,
            password: password("mysql_password")?,
            database: Some(DATABASE.to_owned()),
        };
        let mongodb = MongoDb {
            program: project.mongod()?,
            data: data(MongoDb::NAME),
            port: port("mongodb", MongoDb::NAME)?,
            password: password("mongodb_password")?,
        };
        let rabbitmq = RabbitMq {
            data: data(RabbitMq::NAME),
            port: port("rabbitmq", RabbitMq::NAME)?,
            distribution_port: port("rabbitmq_distribution", RabbitMq::NAME)?,
            epmd_port: port("epmd", RabbitMq::NAME)?,
            password: password("rabbitmq_password")?,
        };
        let mail = MailCatcher {
            script: project.mail_catcher()?,
            data: data(MailCatcher::NAME),
            smtp_port: port("smtp", MailCatcher::NAME)?,
            inbox_port: port("inbox", MailCatcher::NAME)?,
        };
        let system = System {
            home: folder.path().to_path_buf(),
            database_url: mysql.database_url(DATABASE),
            mongodb_url: mongodb.url(),
            rabbitmq_url: rabbitmq.url(),
            smtp_url: mail.url(),
            ports: service_ports(ledger)?,
            variables: variables(project),
        };
        Ok(Self { mysql, mongodb, rabbitmq, mail, system })
    }
}

fn service_ports(ledger: &Ledger) -> Result<ServicePorts> {
    let port = |name: &str, owner: Service| ledger.port(name, owner.name(), None);
    Ok(ServicePorts {
        gateway: ledger.port("gateway", Service::Gateway.name(), Some(PREFERRED_GATEWAY_PORT))?,
        gateway_admin: port("gateway_admin", Service::Gateway)?,
        auth: port("auth", Service::Auth)?,
        auth_admin: port("auth_admin", Service::Auth)?,
        converter_admin: port("converter_admin", Service::Converter)?,
        notification_admin: port("notification_admin", Service::Notification)?,
    })
}

/// The page's folder, and the variables that may be set for a single command: `RUST_LOG=debug make up`
/// restarts the services with that level.
fn variables(project: &Project) -> BTreeMap<String, String> {
    let names = ["RUST_LOG", "ALLOW_UNSANDBOXED_FFMPEG"];
    let passed_on = names.into_iter().filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?)));
    let page = project.page().map(|folder| ("STATIC_DIR".to_owned(), folder.display().to_string()));
    passed_on.chain(page).collect()
}
