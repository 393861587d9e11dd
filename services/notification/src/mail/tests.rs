use std::time::UNIX_EPOCH;

use time::macros::datetime;

use super::*;

const JOB: &str = "0190a3c4-0000-7000-8000-000000000001";

fn letter(subject: &str) -> Letter {
    Letter { subject: subject.to_owned(), text: "Grüße\n".to_owned(), html: "<p>Grüße</p>".to_owned() }
}

fn assembled(subject: &str) -> String {
    let topic = Topic::Outcome { job: JOB.parse().unwrap(), outcome: Outcome::Converted, retries: 0 };
    let from = "Mixdown <mixdown@example.org>".parse().unwrap();
    let to = "ada@example.net".parse().unwrap();
    let date = datetime!(2025-03-12 14:05 UTC);
    let message = assemble(letter(subject), topic, &from, &to, date.into()).unwrap();
    String::from_utf8(message.formatted()).unwrap()
}

fn headers(mail: &str) -> &str {
    mail.split_once("\r\n\r\n").unwrap().0
}

#[test]
fn headers_name_the_topic_and_say_that_no_one_should_answer() {
    let mail = assembled("Your MP3 is ready: holiday.mp4");
    // The boundary is drawn anew for each mail.
    let headers: Vec<&str> = headers(&mail).lines().filter(|line| !line.contains("boundary")).collect();
    insta::assert_snapshot!(headers.join("\n"), @"
    Date: Wed, 12 Mar 2025 14:05:00 +0000
    From: Mixdown <mixdown@example.org>
    To: ada@example.net
    Subject: Your MP3 is ready: holiday.mp4
    Message-ID: <0190a3c4-0000-7000-8000-000000000001.converted@example.org>
    Auto-Submitted: auto-generated
    X-Auto-Response-Suppress: All
    MIME-Version: 1.0
    Content-Type: multipart/alternative;
    ");
}

#[test]
fn both_parts_are_there_in_ascii_and_in_short_lines() {
    let mail = assembled("a");
    assert!(mail.contains("Content-Type: text/plain; charset=utf-8"), "{mail}");
    assert!(mail.contains("Content-Type: text/html; charset=utf-8"), "{mail}");
    // No 8BITMIME is needed, and no line is longer than SMTP allows (RFC 5321, section 4.5.3.1.6).
    assert!(mail.is_ascii(), "{mail}");
    assert!(mail.split("\r\n").all(|line| line.len() < 998 && !line.contains('\n')), "{mail}");
}

#[test]
fn every_subject_stays_one_header() {
    for subject in [
        "🎉".repeat(80),
        "שלום ".repeat(16),
        "=?utf-8?q?fake?=".to_owned(),
        "a".repeat(80),
        "é\"<>,;:".repeat(10),
    ] {
        let mail = assembled(&subject);
        let names: Vec<&str> = headers(&mail)
            .split("\r\n")
            .filter(|line| !line.starts_with([' ', '\t']))
            .filter_map(|line| Some(line.split_once(": ")?.0))
            .collect();
        let expected = [
            "Date",
            "From",
            "To",
            "Subject",
            "Message-ID",
            "Auto-Submitted",
            "X-Auto-Response-Suppress",
            "MIME-Version",
            "Content-Type",
        ];
        assert_eq!(names, expected, "{mail}");
        assert!(mail.is_ascii(), "{mail}");
    }
}

#[test]
fn every_address_that_an_account_can_have_can_be_written_to() {
    for address in
        ["ada@localhost", "a+b.c_d@sub.example.co", "!#$%&'*+-/=?^_`{|}~@example.org", "x@1.2.3.4", "1@2"]
    {
        let topic = Topic::Outcome { job: JOB.parse().unwrap(), outcome: Outcome::Failed, retries: 0 };
        let from = "mixdown@example.org".parse().unwrap();
        let message = assemble(letter("a"), topic, &from, &address.parse().unwrap(), UNIX_EPOCH);
        assert!(message.is_ok(), "{address}: {:?}", message.err());
    }
}
