use contracts::AudioFormat;

use super::*;

fn templates() -> Templates {
    Templates::compile().unwrap()
}

fn moment(unix: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(unix).unwrap()
}

fn audio() -> Audio {
    let fid = "665f1c2ab8e4a70012345678".parse().unwrap();
    Audio {
        fid,
        bytes: 4_391_205,
        duration_seconds: 185.3,
        begins_at_seconds: 0.0,
        tracks: vec![0],
        bitrate_bps: 189_580,
        format: AudioFormat::Mp3,
        is_copy: false,
        has_cover: false,
        loudness: None,
    }
}

fn download() -> Download<'static> {
    Download {
        link: "https://mixdown.example.org/d/Zl8cKrjkpwASNFZ4AAAAAGfRlEw-_example",
        link_expires_at: moment(1_741_788_300),
        file_expires_at: Some(moment(1_742_306_700)),
    }
}

fn converted(name: &str) -> Letter {
    Letter::converted(&templates(), &VideoName::new(name), &audio(), download()).unwrap()
}

fn failed(name: &str, code: FailureCode) -> Letter {
    Letter::failed(&templates(), &VideoName::new(name), &code.into()).unwrap()
}

#[test]
fn the_good_news_reads_like_this() {
    let letter = converted("holiday.mp4");
    insta::assert_snapshot!(letter.subject, @"Your MP3 is ready: holiday.mp4");
    insta::assert_snapshot!("converted.txt", letter.text);
    insta::assert_snapshot!("converted.html", letter.html);
}

#[test]
fn the_bad_news_reads_like_this() {
    let letter = failed("holiday.mp4", FailureCode::NoAudioTrack);
    insta::assert_snapshot!(letter.subject, @"Could not be converted: holiday.mp4");
    insta::assert_snapshot!("failed.txt", letter.text);
    insta::assert_snapshot!("failed.html", letter.html);
}

#[test]
fn every_failure_comes_with_its_own_advice() {
    let codes = [
        FailureCode::NotAMediaFile,
        FailureCode::NoAudioTrack,
        FailureCode::Damaged,
        FailureCode::UnsupportedFormat,
        FailureCode::UnsuitableFormat,
        FailureCode::TooLong,
        FailureCode::AudioTooLarge,
        FailureCode::FileTooLarge,
        FailureCode::TooManyTracks,
        FailureCode::TooComplex,
        FailureCode::TimedOut,
        FailureCode::Interrupted,
    ];
    let texts: Vec<String> = codes.map(|code| failed("a.mp4", code).text).to_vec();
    for (text, code) in texts.iter().zip(codes) {
        assert!(text.contains(code.text()) && text.contains(advice(code)), "{text}");
    }
    let advices: std::collections::HashSet<_> = codes.map(advice).into();
    assert_eq!(advices.len(), codes.len());
}

#[test]
fn markup_in_a_name_is_text_in_both_parts() {
    let name = r#"<script>alert("x")</script> & {{ link }} {% raw %}.mp4"#;
    for letter in [converted(name), failed(name, FailureCode::Damaged)] {
        assert!(letter.subject.contains(name), "{}", letter.subject);
        assert!(letter.text.contains(name), "{}", letter.text);
        assert!(!letter.html.contains("<script"), "{}", letter.html);
        let escaped = "&lt;script&gt;alert(&quot;x&quot;)&lt;&#x2f;script&gt; &amp; {{ link }} {% raw %}.mp4";
        // In the title, in the body's label for screen readers, and in the body.
        assert_eq!(letter.html.matches(escaped).count(), 3, "{}", letter.html);
    }
}

#[test]
fn a_mail_loads_nothing_and_links_to_nothing_but_the_download() {
    for letter in [converted("a.mp4"), failed("a.mp4", FailureCode::TooLong)] {
        let html = letter.html.replace(download().link, "");
        let namespaces = ["http://www.w3.org/1999/xhtml"];
        let html = namespaces.iter().fold(html, |html, namespace| html.replace(namespace, ""));
        for foreign in ["http:", "https:", "//", "src=", "url(", "@import", "<img", "<link"] {
            assert!(!html.contains(foreign), "{foreign} in {html}");
        }
    }
}

#[test]
fn the_download_link_is_the_same_in_every_place() {
    let letter = converted("a.mp4");
    assert_eq!(letter.text.matches(download().link).count(), 1);
    assert_eq!(letter.html.matches(&format!("href=\"{}\"", download().link)).count(), 2);
    assert!(letter.html.contains(&format!(">{}</a>", download().link)));
}

#[test]
fn the_letter_says_how_long_the_link_and_the_file_last() {
    let expiry = |link: i64, file: Option<i64>| {
        Download { link: "", link_expires_at: moment(link), file_expires_at: file.map(moment) }.expiry()
    };
    insta::assert_snapshot!(expiry(1_741_788_300, Some(1_741_788_330)), @"The link works until 12 March 2025, 14:05 UTC. The file is deleted then.");
    insta::assert_snapshot!(expiry(1_741_788_300, None), @"The link works until 12 March 2025, 14:05 UTC. After that, sign in to download the file.");
}

fn about_account(content: &AccountMailContent) -> Letter {
    let site = "https://mixdown.example.org".parse().unwrap();
    Letter::about_account(&templates(), content, &site).unwrap()
}

#[test]
fn a_mail_with_a_token_has_it_after_the_hash_alone_and_says_how_long_it_works() {
    let token = contracts::Secret::from("tQ3_example".to_owned());
    let expires_at = moment(1_741_788_300);
    let letter = about_account(&AccountMailContent::VerifyAddress { token: token.clone(), expires_at });
    insta::assert_snapshot!(letter.text, @r#"
    Confirm your e-mail address

    Welcome to Mixdown. Please confirm that this is your address; you can upload videos then.

    Confirm the address:
    https://mixdown.example.org/verify#token=tQ3_example

    Or without a browser:
    curl -X POST https://mixdown.example.org/verify -H 'Content-Type: application/json' -d '{"token": "tQ3_example"}'

    The link works once, until 12 March 2025, 14:05 UTC.
    If you did not register, ignore this mail, and do not follow the link.

    -- 
    You get this mail because of an account at Mixdown.
    Nobody reads replies to it.
    "#);
    for content in [
        AccountMailContent::ConfirmAddress { token: token.clone(), expires_at },
        AccountMailContent::ResetPassword { token, expires_at },
    ] {
        let Letter { subject, text, html } = about_account(&content);
        assert!(text.contains("#token=tQ3_example") && html.contains("#token=tQ3_example"), "{text}");
        assert!(text.contains("curl -X POST https://mixdown.example.org/"), "{text}");
        assert!(!subject.contains("tQ3_example") && !text.contains("?token="), "{subject} {text}");
    }
}

#[test]
fn notices_have_no_token_and_an_uploads_name_breaks_no_header() {
    for content in [
        AccountMailContent::AddressTaken,
        AccountMailContent::AddressChanged,
        AccountMailContent::PasswordChanged,
    ] {
        let letter = about_account(&content);
        assert!(!letter.text.contains("token") && !letter.html.contains("token"), "{}", letter.text);
    }
    let name = "a\r\nBcc: eve@example.org\r\n\r\n<b>.mp4".to_owned();
    let letter = about_account(&AccountMailContent::Submitted { name });
    assert_eq!(letter.subject, "Accepted: a Bcc: eve@example.org <b>.mp4");
    assert!(!letter.html.contains("<b>.mp4"));
}
