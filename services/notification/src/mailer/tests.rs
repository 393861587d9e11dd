//! Against a server that follows a script: no real one gives these answers on demand.

use std::time::UNIX_EPOCH;

use contracts::Outcome;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;
use crate::letter::Letter;
use crate::mail::{Topic, assemble};
use crate::send_error::Outlook;

/// The server's answer at each point; a point that is not named gets the usual acceptance.
#[derive(Clone, Copy)]
struct Script {
    greeting: &'static str,
    auth: &'static str,
    mail: &'static str,
    rcpt: &'static str,
    data: &'static str,
    content: &'static str,
}

const WILLING: Script = Script {
    greeting: "220 mail.example.org ESMTP",
    auth: "235 2.7.0 welcome",
    mail: "250 2.1.0 ok",
    rcpt: "250 2.1.5 ok",
    data: "354 go ahead",
    content: "250 2.0.0 taken",
};

/// Stands for no answer, and for hanging up.
const SILENCE: &str = "";
const HANG_UP: &str = "bye";

/// Serves one connection and returns the lines that the client sent.
async fn serve(script: Script) -> (u16, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let visit = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let (from_client, mut to_client) = stream.into_split();
        let mut lines = BufReader::new(from_client).lines();
        let mut heard = Vec::new();
        let mut answer = script.greeting;
        let mut is_content = false;
        loop {
            if answer == HANG_UP {
                return heard;
            }
            if answer != SILENCE {
                // The client may have gone already.
                let _ = to_client.write_all(format!("{answer}\r\n").as_bytes()).await;
            }
            let Ok(Some(line)) = lines.next_line().await else { return heard };
            let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            answer = match verb.as_str() {
                _ if is_content && line != "." => SILENCE,
                "." => {
                    is_content = false;
                    script.content
                }
                "EHLO" => "250-mail.example.org\r\n250 AUTH PLAIN",
                "AUTH" => script.auth,
                "MAIL" => script.mail,
                "RCPT" => script.rcpt,
                "DATA" => {
                    is_content = script.data.starts_with("354");
                    script.data
                }
                "QUIT" => HANG_UP,
                _ => "500 5.5.1 what?",
            };
            heard.push(line);
        }
    });
    (port, visit)
}

fn mailer(url: &str) -> Mailer {
    let mut mailer = Mailer::new(MailServer::from_url(&url.into()).unwrap());
    let short = Duration::from_millis(300);
    mailer.timeouts =
        Timeouts { connect: short, open: short, command: short, content: short, goodbye: short };
    mailer
}

fn message() -> Message {
    let letter =
        Letter { subject: "a".to_owned(), text: "first\n.\nlast".to_owned(), html: "<p>b</p>".to_owned() };
    let topic = Topic::Outcome { job: contracts::JobId::generate(), outcome: Outcome::Converted, retries: 0 };
    let from = "Mixdown <mixdown@example.org>".parse().unwrap();
    assemble(letter, topic, &from, &"ada@example.net".parse().unwrap(), UNIX_EPOCH).unwrap()
}

async fn send_to(script: Script) -> Result<Handed, SendError> {
    let (port, _visit) = serve(script).await;
    mailer(&format!("smtp://post:secret@127.0.0.1:{port}")).send(&message(), async { true }).await
}

#[tokio::test]
async fn a_mail_is_handed_over_in_one_transaction() {
    let (port, visit) = serve(WILLING).await;
    mailer(&format!("smtp://127.0.0.1:{port}")).send(&message(), async { true }).await.unwrap();
    let heard = visit.await.unwrap();
    assert!(heard[0].starts_with("EHLO "), "{heard:?}");
    assert_eq!(heard[1], "MAIL FROM:<mixdown@example.org>");
    assert_eq!(heard[2], "RCPT TO:<ada@example.net>");
    assert_eq!(heard[3], "DATA");
    // A lone dot in the text is doubled, so it does not end the mail.
    assert!(heard.iter().any(|line| line == ".."), "{heard:?}");
    assert_eq!(heard.last().unwrap(), "QUIT");
}

#[tokio::test]
async fn what_a_refusal_means_depends_on_the_step_and_the_answer() {
    use Outlook::{Permanent, Temporary};

    let refusals = [
        (Script { greeting: "421 4.3.2 busy", ..WILLING }, Step::Open, Temporary),
        // Our own fault, so temporary, even if the server calls it final.
        (Script { greeting: "554 5.7.1 not from you", ..WILLING }, Step::Open, Temporary),
        (Script { auth: "535 5.7.8 wrong password", ..WILLING }, Step::Open, Temporary),
        (Script { mail: "550 5.7.1 not from this sender", ..WILLING }, Step::Sender, Temporary),
        (Script { rcpt: "530 5.7.0 log in first", ..WILLING }, Step::Recipient, Temporary),
        (Script { rcpt: "451 4.7.1 greylisted", ..WILLING }, Step::Recipient, Temporary),
        (Script { rcpt: "452 4.2.2 mailbox full", ..WILLING }, Step::Recipient, Temporary),
        (Script { rcpt: "550 5.1.1 no such mailbox", ..WILLING }, Step::Recipient, Permanent),
        (Script { data: "451 4.3.0 later", ..WILLING }, Step::Content, Temporary),
        (Script { data: "554 5.5.1 no valid recipients", ..WILLING }, Step::Content, Permanent),
        (Script { content: "452 4.3.1 disk full", ..WILLING }, Step::Content, Temporary),
        (Script { content: "554 5.7.1 looks like spam", ..WILLING }, Step::Content, Permanent),
    ];
    for (script, step, outlook) in refusals {
        let error = send_to(script).await.unwrap_err();
        assert_eq!((error.step, error.outlook()), (step, outlook), "{error:?}");
    }
}

#[tokio::test]
async fn silence_hanging_up_and_nonsense_are_temporary_at_every_step() {
    for answer in [SILENCE, HANG_UP, "what?"] {
        for (script, step) in [
            (Script { greeting: answer, ..WILLING }, Step::Open),
            (Script { mail: answer, ..WILLING }, Step::Sender),
            (Script { rcpt: answer, ..WILLING }, Step::Recipient),
            (Script { data: answer, ..WILLING }, Step::Content),
            (Script { content: answer, ..WILLING }, Step::Content),
        ] {
            let error = send_to(script).await.unwrap_err();
            assert_eq!((error.step, error.outlook()), (step, Outlook::Temporary), "{answer:?} {error:?}");
        }
    }
}

#[tokio::test]
async fn a_yes_of_the_wrong_kind_does_not_count() {
    for script in [Script { data: "250 ok", ..WILLING }, Script { content: "354 go on", ..WILLING }] {
        let error = send_to(script).await.unwrap_err();
        assert_eq!((error.step, error.outlook()), (Step::Content, Outlook::Temporary));
    }
}

#[tokio::test]
async fn a_server_that_is_away_or_offers_no_tls_is_temporary() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = listener.local_addr().unwrap().port();
    drop(listener);
    let error =
        mailer(&format!("smtp://127.0.0.1:{closed}")).send(&message(), async { true }).await.unwrap_err();
    assert_eq!((error.step, error.outlook()), (Step::Open, Outlook::Temporary));

    let (port, visit) = serve(WILLING).await;
    let mailer = mailer(&format!("smtp://post:secret@127.0.0.1:{port}?tls=required"));
    let error = mailer.send(&message(), async { true }).await.unwrap_err();
    assert_eq!((error.step, error.outlook()), (Step::Open, Outlook::Temporary));
    // Neither the password nor the mail was sent unencrypted.
    let heard = visit.await.unwrap();
    assert!(heard.iter().all(|line| !line.starts_with("AUTH") && !line.starts_with("MAIL")), "{heard:?}");
}

#[tokio::test]
async fn an_abandoned_send_closes_its_connection() {
    let (port, visit) = serve(Script { content: SILENCE, ..WILLING }).await;
    let mut mailer = mailer(&format!("smtp://127.0.0.1:{port}"));
    mailer.timeouts.content = Duration::from_mins(1);
    let message = message();
    let abandoned = timeout(Duration::from_millis(200), mailer.send(&message, async { true })).await;
    assert!(abandoned.is_err(), "the server had not answered yet");
    // The visit ends only when the client hangs up.
    timeout(Duration::from_secs(5), visit).await.unwrap().unwrap();
}

#[test]
fn the_longest_mail_ends_before_the_broker_gives_up_on_us() {
    let Timeouts { open, command, content, .. } = Timeouts::USUAL;
    assert!(open + 3 * command + content <= Duration::from_mins(17));
}
