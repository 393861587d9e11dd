//! Names as clients send them: in forms, by curl itself, and in the metadata of resumable uploads.

use std::path::Path;
use std::process::Stdio;

use futures_util::stream;
use test_kit::mixdown::Form;
use test_kit::project::find_program;
use tokio::process::Command;

use super::*;

#[tokio::test]
async fn names_in_forms_become_text_whatever_the_client_wrote() -> Result<()> {
    let mixdown = only_gateway().await?;
    let user = mixdown.user().await?;
    for (what, sent, expected) in [
        ("a browser's quotation marks", &b"He said %22hi%22.mp4"[..], "He said \"hi\".mp4"),
        ("an old client's quotation marks", b"He said \\\"hi\\\".mp4", "He said \"hi\".mp4"),
        ("a percent sign of its own", b"100%25 %41.mp4", "100%25 %41.mp4"),
        ("escaped line breaks", b"a%0D%0Ab.mp4", "ab.mp4"),
        ("a line break as it is", b"a\nb.mp4", "ab.mp4"),
        ("UTF-8", "Größe 😀.mp4".as_bytes(), "Größe 😀.mp4"),
        ("Latin-1", b"Gr\xf6\xdfe.mp4", "Größe.mp4"),
        ("CP1251", b"\xcf\xf0\xe8\xe2\xe5\xf2.avi", "Привет.avi"),
        ("GBK", b"\xb2\xe2\xca\xd4.mp4", "测试.mp4"),
        ("Shift-JIS", b"\x93\xfa\x96\x7b\x8c\xea.mp4", "日本語.mp4"),
        ("an extended name", b"_.mp4\"; filename*=\"UTF-8''%C3%9Cbung.mp4", "Übung.mp4"),
        ("a path", b"C:\\videos\\talk.mp4", "talk.mp4"),
        ("a folder above", b"a/..", "video"),
        ("a turned direction", "evil\u{202e}4pm.exe".as_bytes(), "evil4pm.exe"),
    ] {
        let job = user.submit(Form::default().file_named(sent, b"x")).await.context(what)?;
        assert_eq!(job.source.name, expected, "{what}");
    }
    let long = Form::default().file(&format!("{}.mp4", "é".repeat(300)), b"x");
    assert_eq!(user.submit(long).await?.source.name, format!("{}.mp4", "é".repeat(125)));
    Ok(())
}

/// Uploads a form with curl, as it is installed here.
async fn curl(user: &User, endpoint: &str, form: &str, folder: &Path) -> Result<Job> {
    let ran = Command::new(find_program("curl")?)
        .args(["--silent", "--fail-with-body", "--header", &format!("Authorization: Bearer {}", user.token)])
        .args(["--form", form, endpoint])
        .current_dir(folder)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let ran = tokio::time::timeout(PATIENCE, ran).await.context("it does not end")??;
    ensure!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stdout));
    serde_json::from_slice(&ran.stdout).context("it prints no job")
}

#[tokio::test]
async fn curl_uploads_files_of_any_name() -> Result<()> {
    let mixdown = only_gateway().await?;
    let user = mixdown.user().await?;
    let folder = tempfile::tempdir()?;
    let endpoint = format!("{}/upload", mixdown.url());
    for (name, expected) in [
        ("He said \"hi\".mp4", "He said \"hi\".mp4"),
        ("a\nb.mp4", "ab.mp4"),
        ("100%25; a, b = 'c'.mp4", "100%25; a, b = 'c'.mp4"),
        ("Größe 😀.mp4", "Größe 😀.mp4"),
    ] {
        tokio::fs::write(folder.path().join(name), b"x").await?;
        // curl's own command line escapes quotation marks with backslashes.
        let form = format!("file=@\"{}\"", name.replace('"', "\\\""));
        let job = curl(&user, &endpoint, &form, folder.path()).await.context(name)?;
        assert_eq!(job.source.name, expected);
    }
    Ok(())
}

#[tokio::test]
async fn a_form_beyond_its_bounds_is_refused_with_a_reason_and_leaves_nothing() -> Result<()> {
    let mixdown = only_gateway().await?;
    let user = mixdown.user().await?;
    let post = async |opening: &[u8]| {
        let opening = std::iter::once(opening.to_vec());
        let pieces =
            opening.chain(std::iter::repeat_n(vec![b'a'; 64 << 10], 512)).map(Ok::<_, std::io::Error>);
        let request = user.request(Method::POST, "/upload").header("content-type", Form::content_type());
        request.body(Body::wrap_stream(stream::iter(pieces))).send().await.context("there is no answer")
    };
    let opening = Form::default().into_opening("a");
    let head = opening.strip_suffix(b"\"\r\nContent-Type: application/octet-stream\r\n\r\n");
    let head = head.context("the form begins otherwise")?;
    assert_problem("an endless preamble", post(b"").await?, ProblemCode::BadRequest).await?;
    assert_problem("an endless name", post(head).await?, ProblemCode::BadRequest).await?;
    let head = [head, b"\"\r\nX-Other: "].concat();
    assert_problem("an endless head", post(&head).await?, ProblemCode::BadRequest).await?;

    let empty_line = user.post(Form::default().file("a\r\n\r\nb.mp4", b"x")).await?;
    assert_problem("an empty line in a name", empty_line, ProblemCode::BadRequest).await?;
    mixdown.grid_fs().await?.wait_until_empty(Store::Videos).await;
    Ok(())
}

#[tokio::test]
async fn metadata_of_stock_clients_is_no_reason_to_refuse_an_upload() -> Result<()> {
    let mixdown = only_gateway().await?;
    let user = mixdown.user().await?;
    let uppy = [
        ("relativePath", "null"),
        ("name", "Größe 😀.mp4"),
        ("type", "video/mp4"),
        ("filetype", "video/mp4"),
        ("filename", "Größe 😀.mp4"),
    ];
    let latin_1 = format!("filename {}", STANDARD.encode(b"Gr\xf6\xdfe.mp4"));
    for (what, given, expected) in [
        ("Uppy", metadata(&uppy), "Größe 😀.mp4"),
        ("a name alone", metadata(&[("name", "a.mp4")]), "a.mp4"),
        ("a key without a value", format!("{},is_confidential", metadata(&[("filename", "a.mp4")])), "a.mp4"),
        ("a key of the client's own", metadata(&[("filename", "a.mp4"), ("speed", "2")]), "a.mp4"),
        ("Latin-1", latin_1, "Größe.mp4"),
    ] {
        let created = creation(&user, 1).header("upload-metadata", &given).header("content-type", BYTES);
        let created = created.body("x").send().await?;
        assert_eq!(created.status(), 201, "{what}");
        let job = user.job(job_in(&created)?).await?;
        assert_eq!(job.source.name, expected, "{what}");
        assert_eq!(
            head(&user, created.headers()["location"].to_str()?).await?.headers()["upload-metadata"],
            given
        );
    }
    Ok(())
}
