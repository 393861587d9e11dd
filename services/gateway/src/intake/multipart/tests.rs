use futures_util::stream;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const BOUNDARY: &str = "x-yz";

fn form(pieces: Vec<Bytes>) -> Multipart<impl Stream<Item = Result<Bytes, BodyFault>> + Unpin> {
    let boundary = Boundary::of(format!("multipart/form-data; boundary={BOUNDARY}").as_bytes()).unwrap();
    Multipart::new(stream::iter(pieces.into_iter().map(Ok)), &boundary)
}

/// Every field's name and content.
async fn read(pieces: Vec<Bytes>) -> Result<Vec<(String, Vec<u8>)>, MultipartError> {
    let mut form = form(pieces);
    let mut parts = Vec::new();
    while let Some(part) = form.next_part().await? {
        let mut content = Vec::new();
        while let Some(chunk) = form.chunk().await? {
            assert!(!chunk.is_empty());
            content.extend_from_slice(&chunk);
        }
        parts.push((part.name, content));
    }
    Ok(parts)
}

fn read_now(pieces: Vec<Bytes>) -> Result<Vec<(String, Vec<u8>)>, MultipartError> {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(read(pieces))
}

fn whole(body: &[u8]) -> Vec<Bytes> {
    vec![Bytes::copy_from_slice(body)]
}

fn one_by_one(body: &[u8]) -> Vec<Bytes> {
    body.iter().map(|byte| Bytes::copy_from_slice(&[*byte])).collect()
}

fn written(contents: &[Vec<u8>]) -> Vec<u8> {
    let mut body = Vec::new();
    for (number, content) in contents.iter().enumerate() {
        let head = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{number}\"\r\n\r\n");
        body.extend([head.as_bytes(), content, b"\r\n"].concat());
    }
    body.extend(format!("--{BOUNDARY}--\r\n").as_bytes());
    body
}

/// Whether the pieces happen to form a delimiter. No client would choose a boundary that its content
/// contains.
fn has_delimiter(content: &[u8]) -> bool {
    let ends: [&[u8]; 4] = [b"--", b"\r\n", b" ", b"\t"];
    ends.iter().any(|end| memmem::find(content, &[b"\r\n--x-yz", *end].concat()).is_some())
}

/// Random bytes, and texts that look like a delimiter but are not one.
fn content() -> impl Strategy<Value = Vec<u8>> {
    let look_alikes: Vec<Vec<u8>> = [
        "\r",
        "\n",
        "-",
        "\r\n",
        "\r\n\r\n",
        "\r\n-",
        "\r\n--",
        "\r\n--x-y",
        "\r\n--x-yzz",
        "\r\n--x-yz-x",
        "--x-yz--",
        "\n--x-yz\r\n",
        "\r\n--x-yz\r\r",
        "\r\r\n--x-y",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec();
    let piece = prop_oneof![3 => prop::sample::select(look_alikes), 1 => vec(any::<u8>(), 0..300)];
    vec(piece, 0..12)
        .prop_map(|pieces| pieces.concat())
        .prop_filter("it ends the part", |content| !has_delimiter(content))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_read_is_what_was_sent_in_whatever_pieces_it_arrives(
        contents in vec(content(), 0..4),
        sizes in vec(prop_oneof![0..4_usize, 0..20_usize, 0..500_usize], 1..60),
    ) {
        let body = written(&contents);
        let mut rest = Bytes::from(body);
        let mut pieces = Vec::new();
        for size in sizes {
            pieces.push(rest.split_to(size.min(rest.len())));
        }
        pieces.push(rest);
        let parts = read_now(pieces).unwrap();
        let names: Vec<_> = parts.iter().map(|(name, _)| name.clone()).collect();
        prop_assert_eq!(names, (0..contents.len()).map(|number| number.to_string()).collect::<Vec<_>>());
        prop_assert_eq!(parts.into_iter().map(|(_, content)| content).collect::<Vec<_>>(), contents);
    }
}

#[tokio::test]
async fn preamble_padding_and_epilogue_are_no_content() {
    let body = b"ignore me\r\n--x-yz \t\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--x-yz\r\n\r\n2\r\n--x-yz-- \r\nand me";
    let expected = vec![("a".to_owned(), b"1".to_vec()), (String::new(), b"2".to_vec())];
    assert_eq!(read(whole(body)).await.unwrap(), expected);
    assert_eq!(read(one_by_one(body)).await.unwrap(), expected);
    assert_eq!(read(whole(b"--x-yz--")).await.unwrap(), []);
}

#[tokio::test]
async fn a_body_that_ends_early_is_incomplete_wherever_it_ends() {
    let body = written(&[b"abc".to_vec()]);
    // The last line break may be missing.
    for length in 0..body.len() - 2 {
        for pieces in [whole(&body[..length]), one_by_one(&body[..length])] {
            let error = read(pieces).await.unwrap_err();
            assert!(matches!(error, MultipartError::Incomplete), "{length} bytes: {error}");
        }
    }
}

#[tokio::test]
async fn a_fault_of_the_body_is_passed_on_from_the_epilogue_too() {
    let pieces = [Ok(Bytes::from_static(b"--x-yz--")), Err(BodyFault::TooLarge)];
    let boundary = Boundary::of(b"multipart/form-data; boundary=x-yz").unwrap();
    let error = Multipart::new(stream::iter(pieces), &boundary).next_part().await.unwrap_err();
    assert!(matches!(error, MultipartError::Body(BodyFault::TooLarge)), "{error}");
}

#[tokio::test]
async fn what_stands_in_front_of_the_first_part_is_bounded() {
    let body = |bytes: usize| [vec![b'a'; bytes], b"\r\n--x-yz--".to_vec()].concat();
    for split in [whole, one_by_one] {
        assert_eq!(read(split(&body(MAX_HEAD_BYTES))).await.unwrap(), []);
        let error = read(split(&body(MAX_HEAD_BYTES + 1))).await.unwrap_err();
        assert!(matches!(error, MultipartError::Malformed(_)), "{error}");
    }
}

#[tokio::test]
async fn the_head_of_a_part_is_bounded() {
    let body = |bytes: usize| {
        let filler = vec![b'a'; bytes - "\r\nX: ".len()];
        [b"--x-yz\r\nX: ", &*filler, b"\r\n\r\n1\r\n--x-yz--"].concat()
    };
    for split in [whole, one_by_one] {
        assert_eq!(read(split(&body(MAX_HEAD_BYTES))).await.unwrap().len(), 1);
        let error = read(split(&body(MAX_HEAD_BYTES + 1))).await.unwrap_err();
        assert!(matches!(error, MultipartError::Malformed(_)), "{error}");
    }
}

#[tokio::test]
async fn an_endless_head_is_not_read_to_its_end() {
    let endless = stream::repeat_with(|| Ok(Bytes::from_static(&[b'a'; 1000])));
    let opening = stream::iter([Ok(Bytes::from_static(b"--x-yz\r\n"))]);
    let boundary = Boundary::of(b"multipart/form-data; boundary=x-yz").unwrap();
    let mut form = Multipart::new(opening.chain(endless), &boundary);
    assert!(matches!(form.next_part().await, Err(MultipartError::Malformed(_))));
}

#[tokio::test]
async fn large_pieces_are_passed_on_without_a_copy() {
    let opening = b"--x-yz\r\n\r\n".to_vec();
    let pieces: Vec<Bytes> = (0..4_u8).map(|number| Bytes::from(vec![number; 64 << 10])).collect();
    let body = [vec![opening.into()], pieces.clone(), whole(b"\r\n--x-yz--")].concat();
    let mut form = form(body);
    form.next_part().await.unwrap();
    for piece in pieces {
        assert_eq!(form.chunk().await.unwrap().unwrap().as_ptr(), piece.as_ptr());
    }
    assert_eq!(form.chunk().await.unwrap(), None);
}
